"""What the machine itself is doing: disk, processor, temperature, memory, load (psutil)."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

PROCESSOR_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "acpitz")
"""hwmon names of the processor's temperature, the closest to it first: Intel, AMD, Arm boards, and the mainboard's."""


@dataclass(frozen=True)
class StorageReading:
    """The file system that holds a folder; bytes."""

    total: int
    used: int
    available: int
    """To users other than root."""


@dataclass(frozen=True)
class MachineReading:
    """One look at a machine."""

    cpu_percent: float
    """Of all cores together since the look before, 0 to 100."""
    cpu_percent_per_core: tuple[float, ...]
    cpu_temperature: float | None
    """Degrees Celsius, the hottest sensor of the processor; None where there is none."""
    load_1min: float
    memory_total: int
    """Bytes."""
    memory_used: int
    memory_available: int
    """What programs can have without swapping."""


class MachineMeter:
    """Looks at the machine; shares are taken between two looks of the same meter. For one thread."""

    def __init__(self) -> None:
        self._before = _core_times()

    def read(self) -> MachineReading:
        """The machine now."""
        now = _core_times()
        # Cores may be switched on and off.
        shares = [_busy(before, after) for before, after in zip(self._before, now, strict=False)]
        self._before = now
        memory = psutil.virtual_memory()
        return MachineReading(
            cpu_percent=sum(shares) / len(shares) if shares else 0.0,
            cpu_percent_per_core=tuple(shares),
            cpu_temperature=_temperature(),
            load_1min=os.getloadavg()[0],
            memory_total=memory.total,
            memory_used=memory.used,
            memory_available=memory.available,
        )


def read_storage(folder: Path) -> StorageReading:
    """The file system that holds a folder, or would hold it once it is made. Raises OSError."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    usage = psutil.disk_usage(str(existing))
    return StorageReading(usage.total, usage.used, usage.free)


def _core_times() -> list[tuple[float, float]]:
    """Seconds of each core, in all and idle. Time of guests is in that of users already (proc_stat(5))."""
    times = psutil.cpu_times(percpu=True)
    return [(sum(core) - core.guest - core.guest_nice, core.idle + core.iowait) for core in times]


def _busy(before: tuple[float, float], after: tuple[float, float]) -> float:
    total, idle = after[0] - before[0], after[1] - before[1]
    return min(100.0, max(0.0, 100 * (1 - idle / total))) if total > 0 else 0.0


def _temperature() -> float | None:
    sensors = psutil.sensors_temperatures()
    readings = next((sensors[name] for name in PROCESSOR_SENSORS if sensors.get(name)), [])
    return max((reading.current for reading in readings), default=None)
