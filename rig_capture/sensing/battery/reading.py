"""One reading of a battery; NaN stands for what is not measured."""

import math
from dataclasses import dataclass
from enum import StrEnum


class BatteryStatus(StrEnum):
    """What the battery does, in the words of the Linux power-supply class."""

    UNKNOWN = "Unknown"
    CHARGING = "Charging"
    DISCHARGING = "Discharging"
    NOT_CHARGING = "Not charging"
    FULL = "Full"


@dataclass(frozen=True)
class BatteryReading:
    """SI units; the current is negative while discharging (sensor_msgs/BatteryState)."""

    stamp_ns: int
    voltage_v: float = math.nan
    current_a: float = math.nan
    charge_ah: float = math.nan
    capacity_ah: float = math.nan
    """Charge when full, as last measured."""
    design_capacity_ah: float = math.nan
    fraction: float = math.nan
    """State of charge, 0 to 1."""
    temperature_c: float = math.nan
    status: BatteryStatus = BatteryStatus.UNKNOWN
    health: str = ""
    """In the words of the Linux power-supply class, such as ``Good``; empty: unknown."""
    technology: str = ""
    """Likewise, such as ``Li-ion``."""
    present: bool = True
    serial_number: str = ""
    location: str = ""
