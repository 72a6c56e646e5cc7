"""Batteries of the Linux power-supply class.

Kernel documentation: Documentation/ABI/testing/sysfs-class-power and Documentation/power/power_supply_class.rst: files
hold µV, µA, µAh, µW, µWh, percent and tenths of a degree Celsius. The current's sign is up to each kernel driver, so it is
taken from `status`.
"""

import errno
import math
import threading
import time
from pathlib import Path

from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery.reading import BatteryReading, BatteryStatus
from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.pacing import Pacer

_NOT_NOW = (errno.ENODATA, errno.EAGAIN, errno.EBUSY, errno.EINVAL, errno.ENXIO, errno.EIO, errno.ETIMEDOUT)
"""What kernel drivers answer for an attribute that they can't read at the moment."""


class PowerSupply:
    """One battery's folder below /sys/class/power_supply."""

    def __init__(self, settings: BatterySettings) -> None:
        self._settings = settings
        self._stop = threading.Event()

    def open(self) -> None:
        self._folder = find_battery(self._settings)
        self._pacer = Pacer(self._settings.rate_hz, self._stop, at_once=True)

    def read(self) -> BatteryReading | None:
        if not self._pacer.wait_latest():
            return None
        if not (self._folder / "type").exists():
            raise DeviceError(f"battery {self._folder} is gone; put it back")
        return read_battery(self._folder, time.time_ns())

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        self._stop.set()


def find_battery(settings: BatterySettings) -> Path:
    """The folder of the battery that the settings name, or of the first one that powers the machine.

    Raises:
        DeviceError: there is none; the message names what there is.
    """
    root = Path(settings.sysfs_root) / "class/power_supply"
    supplies = sorted(root.iterdir()) if root.is_dir() else []
    if settings.supply:
        found = [folder for folder in supplies if folder.name == settings.supply]
    else:
        # `scope` is Device for the batteries of mice and headsets.
        found = [folder for folder in supplies if _text(folder / "type") == "Battery" and _text(folder / "scope") != "Device"]
    if not found:
        there = ", ".join(f"{folder.name} ({_text(folder / 'type')})" for folder in supplies) or "none at all"
        raise DeviceError(f"no battery {settings.supply or 'of this machine'} below {root} (there: {there}); check the setting `supply`")
    return found[0]


def read_battery(folder: Path, stamp_ns: int) -> BatteryReading:
    """All that a battery's files tell."""
    voltage = _micro(folder, "voltage_now", "voltage_avg")
    status = _status(_text(folder / "status"))
    # Where energy is counted instead of charge, the nominal voltage makes one of the other.
    nominal = _first(_micro(folder, "voltage_min_design"), voltage)
    charge, capacity, design = (
        _first(_micro(folder, f"charge_{what}"), _ratio(_micro(folder, f"energy_{what}"), nominal))
        for what in ("now", "full", "full_design")
    )
    fraction = _first(_number(folder / "capacity") / 100, _ratio(charge, capacity))
    current = _first(_micro(folder, "current_now", "current_avg"), _ratio(_micro(folder, "power_now"), voltage))
    return BatteryReading(
        stamp_ns,
        voltage_v=voltage,
        current_a=_signed(current, status),
        charge_ah=charge,
        capacity_ah=capacity,
        design_capacity_ah=design,
        fraction=fraction if math.isnan(fraction) else min(1.0, max(0.0, fraction)),
        temperature_c=_number(folder / "temp") / 10,
        status=status,
        health=_text(folder / "health"),
        technology=_text(folder / "technology"),
        present=_text(folder / "present") != "0",
        serial_number=_text(folder / "serial_number"),
        location=folder.name,
    )


def _signed(current: float, status: BatteryStatus) -> float:
    if status == BatteryStatus.DISCHARGING:
        return -abs(current)
    return abs(current) if status == BatteryStatus.CHARGING else current


def _status(text: str) -> BatteryStatus:
    return BatteryStatus(text) if text in list(BatteryStatus) else BatteryStatus.UNKNOWN


def _first(*values: float) -> float:
    return next((value for value in values if not math.isnan(value)), math.nan)


def _ratio(value: float, by: float) -> float:
    return value / by if by else math.nan


def _micro(folder: Path, *names: str) -> float:
    """The first of some files that holds a number, from millionths; NaN where none does."""
    return _first(*(_number(folder / name) / 1e6 for name in names))


def _number(file: Path) -> float:
    try:
        return float(_text(file) or "nan")
    except ValueError:
        return math.nan


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        if error.errno not in _NOT_NOW:
            raise DeviceError(f"battery file {file} can't be read: {error}; check permissions") from error
        return ""
