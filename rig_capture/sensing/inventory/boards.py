"""What sits on a board's buses: IIO sensors, I2C, GPIO."""

import ctypes
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rig_capture.sensing.battery.ina219 import CONFIGURATION
from rig_capture.sensing.i2c import I2cBus as OpenedBus
from rig_capture.sensing.imu.iio_device import IioDevice as IioFolder
from rig_capture.sensing.imu.mpu6050 import KIN, WHO_AM_I
from rig_capture.sensing.inventory.items import GpioChip, I2cBus, I2cPart, IioDevice, profile_line
from rig_capture.sensing.inventory.places import Absent, Places, text_of

MPU_ADDRESSES = (0x68, 0x69)
INA219_ADDRESSES = range(0x40, 0x50)
_INA219_RESERVED = 1 << 14
"""Bit 14 of its configuration register can't be set; bit 15 resets it and reads as 0."""


class ChipInfo(ctypes.Structure):
    """struct gpiochip_info of linux/gpio.h."""

    _fields_ = [("name", ctypes.c_char * 32), ("label", ctypes.c_char * 32), ("lines", ctypes.c_uint32)]


GET_CHIPINFO = 2 << 30 | ctypes.sizeof(ChipInfo) << 16 | 0xB4 << 8 | 1


def iio(places: Places) -> tuple[IioDevice, ...]:
    """Sensors of the Industrial I/O subsystem. Raises Absent."""
    folders = sorted((places.sysfs / "bus/iio/devices").glob("iio:device*"))
    if not folders:
        raise Absent("the kernel knows no IIO device")
    return tuple(_iio_device(IioFolder(folder)) for folder in folders)


def _iio_device(device: IioFolder) -> IioDevice:
    channels = {re.sub(r"_(raw|input)$", "", file.name) for file in device.folder.glob("in_*") if file.name.endswith(("_raw", "_input"))}
    rates = {
        float(number) for file in device.folder.glob("*sampling_frequency_available") for number in re.findall(r"[\d.]+", text_of(file))
    }
    moves = device.triple("accel") or device.triple("anglvel")
    usable = [rate for rate in rates if 0 < rate <= 8000]
    settings = {"driver": "iio", "iio_device": device.name, "rate_hz": min(usable, key=lambda rate: abs(rate - 200)) if usable else 200.0}
    return IioDevice(
        name=device.name,
        device=device.folder.name,
        channels=tuple(sorted(channels)),
        rates_hz=tuple(sorted(rates)),
        profile=profile_line("imus", device.name, settings) if moves else "",
    )


def i2c(places: Places, *, probe: bool) -> tuple[I2cBus, ...]:
    """Buses, and the parts that kernel drivers have; with `probe` also parts that this software knows. Raises Absent."""
    root = places.sysfs / "bus/i2c/devices"
    adapters = sorted(root.glob("i2c-*"), key=lambda folder: int(folder.name[4:]))
    if not adapters:
        raise Absent("the kernel knows no I2C bus; where the board has one, enable it in the board's configuration")
    return tuple(_bus(places, root, adapter, probe=probe) for adapter in adapters)


def _bus(places: Places, root: Path, adapter: Path, *, probe: bool) -> I2cBus:
    number = int(adapter.name[4:])
    node = places.dev / f"i2c-{number}"
    parts = [_driven(folder) for folder in sorted(root.glob(f"{number}-*")) if re.fullmatch(r"\d+-[0-9a-f]{4}", folder.name)]
    usable = os.access(node, os.R_OK | os.W_OK)
    if probe and usable:
        taken = {part.address for part in parts}
        parts += [part for part in _answering(places, number) if part.address not in taken]
    return I2cBus(name=text_of(adapter / "name") or adapter.name, number=number, usable=usable, parts=tuple(parts))


def _driven(folder: Path) -> I2cPart:
    driver = folder / "driver"
    return I2cPart(
        address=int(folder.name.rpartition("-")[2], 16),
        name=text_of(folder / "name"),
        driver=driver.resolve().name if driver.exists() else "",
    )


def _answering(places: Places, number: int) -> Iterator[I2cPart]:
    """Parts that identify themselves. The bus refuses addresses that a kernel driver has, and nothing is written to any."""
    try:
        bus = places.open_bus(number)
    except OSError:
        return
    try:
        yield from (part for address in MPU_ADDRESSES if (part := _mpu(bus, number, address)))
        yield from (part for address in INA219_ADDRESSES if (part := _ina219(bus, number, address)))
    finally:
        bus.close()


def _mpu(bus: OpenedBus, number: int, address: int) -> I2cPart | None:
    try:
        identity = bus.read_byte_data(address, WHO_AM_I)
    except OSError:
        return None
    name = KIN.get(identity)
    if name is None:
        return I2cPart(address=address, name=f"something that is no MPU-6050 or kin ({identity:#x})")
    line = profile_line("imus", f"imu_{address:x}", {"driver": "mpu6050", "i2c_bus": number, "i2c_address": address})
    return I2cPart(address=address, name=name, profile=line)


def _ina219(bus: OpenedBus, number: int, address: int) -> I2cPart | None:
    """It has no identity register, but bits of its configuration that are always 0."""
    try:
        high, low = bus.read_i2c_block_data(address, CONFIGURATION, 2)
    except OSError:
        return None
    configuration = high << 8 | low
    if configuration & (1 << 15 | _INA219_RESERVED) or not configuration:
        return I2cPart(address=address, name="something that is no INA219")
    line = profile_line("batteries", f"battery_{address:x}", {"driver": "ina219", "i2c_bus": number, "i2c_address": address})
    return I2cPart(address=address, name="maybe an INA219", profile=line)


def gpio(places: Places) -> tuple[GpioChip, ...]:
    """Chips with pins. Raises Absent."""
    paths = sorted(places.dev.glob("gpiochip*"))
    if not paths:
        raise Absent(f"no GPIO chip below {places.dev}")
    return tuple(_chip(places, path) for path in paths)


def _chip(places: Places, path: Path) -> GpioChip:
    info = ChipInfo()
    try:
        chip = places.kernel.open(str(path))
        try:
            places.kernel.ioctl(chip, GET_CHIPINFO, info)
        finally:
            places.kernel.close(chip)
    except OSError as error:
        return GpioChip(name=f"{error.strerror}; is your user in the group gpio?", path=str(path))
    return GpioChip(name=info.label.decode(errors="replace") or info.name.decode(errors="replace"), path=str(path), lines=info.lines)
