"""A made-up battery: it empties in an hour, charges in another, and so on."""

import math
import threading
import time

from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery.reading import BatteryReading, BatteryStatus
from rig_capture.sensing.pacing import Pacer

PERIOD_S = 7200.0
CAPACITY_AH = 5.2
LOWEST = 0.15
"""It turns here: a rig that is never told its battery is flat is the quieter one."""


class SyntheticBattery:
    """Charge over time is a triangle, starting full and discharging."""

    def __init__(self, settings: BatterySettings) -> None:
        self._settings = settings
        self._stop = threading.Event()

    def open(self) -> None:
        self._start = time.monotonic()
        self._pacer = Pacer(self._settings.rate_hz, self._stop, at_once=True)

    def read(self) -> BatteryReading | None:
        if not self._pacer.wait_latest():
            return None
        return reading_at(time.monotonic() - self._start, time.time_ns(), self._settings)

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        self._stop.set()


def reading_at(seconds: float, stamp_ns: int, settings: BatterySettings) -> BatteryReading:
    """The battery so many seconds after it was full."""
    phase = seconds / PERIOD_S % 1.0
    discharging = phase < 0.5
    fraction = LOWEST + (1 - LOWEST) * abs(1 - 2 * phase)
    current = CAPACITY_AH * (1 - LOWEST) * 2 / (PERIOD_S / 3600)
    return BatteryReading(
        stamp_ns,
        voltage_v=settings.empty_v + (settings.full_v - settings.empty_v) * fraction,
        current_a=math.copysign(current, -1 if discharging else 1),
        charge_ah=CAPACITY_AH * fraction,
        capacity_ah=CAPACITY_AH,
        design_capacity_ah=CAPACITY_AH,
        fraction=fraction,
        temperature_c=25.0,
        status=BatteryStatus.DISCHARGING if discharging else BatteryStatus.CHARGING,
        health="Good",
        technology="Li-ion",
        location="synthetic",
    )
