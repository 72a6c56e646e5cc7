"""What looks at a machine say about its health: each finding is a code, and whether it is a problem now. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from rig_capture.health.catalogue import (
    CLOCK_OFFSET,
    CLOCK_SKEW,
    CLOCK_UNSYNCHRONISED,
    CPU_PRESSURE,
    DISK_FULL,
    DISK_LOW,
    LOAD_PRESSURE,
    MEMORY_PRESSURE,
    TOO_HOT,
    Code,
)
from rig_capture.health.tracker import AT_ONCE, Above, Below, Hold
from rig_capture.profiles.settings.health import HealthSettings
from rig_capture.profiles.units import format_bytes

IsOpen = Callable[[Code, str], bool]
"""Whether a problem is open, by its code and subject."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; what `HealthReporter.set` takes."""

    code: Code
    problem: bool
    message: str
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)
    subject: str = ""
    hold: Hold = AT_ONCE


def of_disk(folder: str, total: int, available: int, settings: HealthSettings, is_open: IsOpen) -> Iterator[Finding]:
    """The disk of a folder; bytes."""
    free = 100.0 * available / total if total else 0.0
    message = f"{folder}: {format_bytes(available)} of {format_bytes(total)} are free ({free:.1f} %); `rig offload` makes room"
    evidence: dict[str, JsonValue] = {"free_percent": round(free, 2), "free_bytes": available}
    for code, limit in (
        (DISK_LOW, Below(settings.disk_low_on, settings.disk_low_off)),
        (DISK_FULL, Below(settings.disk_full_on, settings.disk_full_off)),
    ):
        yield Finding(code, limit.passed(free, is_open=is_open(code, folder)), message, evidence, folder)


def of_processor(
    busy_percent: float, load_1min: float, cores: int, celsius: float | None, settings: HealthSettings, is_open: IsOpen
) -> Iterator[Finding]:
    """Processor: busy share of all cores together, load average of a minute, and temperature, where it is known."""
    hold = Hold(settings.pressure_on_s, settings.pressure_off_s)
    busy = Above(settings.cpu_on, settings.cpu_off).passed(busy_percent, is_open=is_open(CPU_PRESSURE, ""))
    message = f"the processor is busy to {busy_percent:.0f} %; `top` shows with what"
    yield Finding(CPU_PRESSURE, busy, message, {"cpu_percent": round(busy_percent, 1)}, hold=hold)
    load = load_1min / max(1, cores)
    loaded = Above(settings.load_on, settings.load_off).passed(load, is_open=is_open(LOAD_PRESSURE, ""))
    message = f"the load is {load_1min:.1f} on {cores} cores: more work waits than they can do; `top` shows which"
    yield Finding(LOAD_PRESSURE, loaded, message, {"load_1min": round(load_1min, 2), "cores": cores}, hold=hold)
    if celsius is not None:
        hot = Above(settings.temperature_on, settings.temperature_off).passed(celsius, is_open=is_open(TOO_HOT, ""))
        message = f"the processor has {celsius:.0f} °C, and may slow itself down; give it air"
        yield Finding(TOO_HOT, hot, message, {"celsius": round(celsius, 1)}, hold=hold)


def of_memory(total: int, available: int, settings: HealthSettings, is_open: IsOpen) -> Iterator[Finding]:
    """Memory; bytes."""
    free = 100.0 * available / total if total else 0.0
    short = Below(settings.memory_on, settings.memory_off).passed(free, is_open=is_open(MEMORY_PRESSURE, ""))
    message = f"{format_bytes(available)} of {format_bytes(total)} memory are available ({free:.1f} %); `top -o %MEM` shows who has it"
    hold = Hold(settings.pressure_on_s, settings.pressure_off_s)
    yield Finding(MEMORY_PRESSURE, short, message, {"available_percent": round(free, 2), "available_bytes": available}, hold=hold)


def of_other_clock(
    host: str, reference: str, offset_ns: int, round_trip_ns: int, settings: HealthSettings, is_open: IsOpen
) -> Iterator[Finding]:
    """A machine's clock against the reference machine's; of the offset, half the round trip is not known."""
    apart_ms = max(0.0, abs(offset_ns) - round_trip_ns / 2) / 1e6
    skewed = Above(settings.skew_on_ms, settings.skew_off_ms).passed(apart_ms, is_open=is_open(CLOCK_SKEW, host))
    message = f"the clock of {host} is {offset_ns / 1e6:.1f} ms apart from {reference}'s; keep both right by NTP (chrony)"
    evidence: dict[str, JsonValue] = {"offset_ms": offset_ns / 1e6, "round_trip_ms": round_trip_ns / 1e6, "reference": reference}
    yield Finding(CLOCK_SKEW, skewed, message, evidence, host)


def of_ntp(synchronised: bool, offset_s: float | None, source: str, settings: HealthSettings, is_open: IsOpen) -> Iterator[Finding]:
    """This machine's clock against NTP or PTP, as `source` tells; `offset_s` is None where it is not known."""
    message = f"{source}: the clock is {'' if synchronised else 'not '}kept right by NTP or PTP"
    remedy = "" if synchronised else "; is chrony, systemd-timesyncd or ptp4l running, and its server reached?"
    yield Finding(CLOCK_UNSYNCHRONISED, not synchronised, message + remedy, {"source": source}, hold=Hold(settings.ntp_on_s, 0.0))
    if synchronised and offset_s is not None:
        off_ms = abs(offset_s) * 1e3
        apart = Above(settings.ntp_offset_on_ms, settings.ntp_offset_off_ms).passed(off_ms, is_open=is_open(CLOCK_OFFSET, ""))
        drawn = "; it is being drawn near" if apart else ""
        message = f"{source}: the clock is {offset_s * 1e3:.1f} ms apart from the time it is kept by{drawn}"
        yield Finding(CLOCK_OFFSET, apart, message, {"offset_ms": offset_s * 1e3, "source": source})
