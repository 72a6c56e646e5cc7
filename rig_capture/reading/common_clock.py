"""One clock for streams of several hosts: a line per host through what was measured of its clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rig_capture.reading.errors import NoCommonClock
from rig_capture.session.clocks import ClockEntry, ClockReading
from rig_capture.session.manifest import Manifest, StreamEntry

_LEAST_READINGS = 3
_LEAST_SPAN_NS = 5_000_000_000
"""What is known of an offset is a fraction of a millisecond: over less time than this it says nothing about drift."""

Stamps = TypeVar("Stamps", int, npt.NDArray[np.int64])


@dataclass(frozen=True)
class ClockFit:
    """A line through a host's readings, by least squares, each weighed by how sure it is."""

    host: str
    reference: str
    at_ns: int
    """Where the offset is `offset_ns`, by the host's clock."""
    offset_ns: float
    drift_ppm: float
    """How much the offset grows over time; 0 of the reference, and where there are too few readings for a line."""
    is_line: bool
    """Whether there were enough readings; else the surest of them counts for all time."""
    uncertainty_ns: float
    """Half the least round trip: what no reading can tell."""
    residual_ns: float
    """The largest distance of a reading from the line. Far more than its uncertainty: the clock was set meanwhile."""

    def to_common(self, stamps_ns: Stamps) -> Stamps:
        """Stamps of the host, on the reference's clock; one or (N,), ns since the epoch."""
        # Only differences become floats: stamps have more digits than a double.
        slope = self.drift_ppm * 1e-6
        if isinstance(stamps_ns, int):
            return stamps_ns + round(self.offset_ns + slope * (stamps_ns - self.at_ns))
        shifts: npt.NDArray[np.int64] = np.rint(self.offset_ns + slope * (stamps_ns - self.at_ns)).astype(np.int64)
        return stamps_ns + shifts

    def to_host(self, stamp_ns: int) -> int:
        """The host's first stamp that is not before a time of the reference's clock."""
        slope = self.drift_ppm * 1e-6
        found = stamp_ns - round((self.offset_ns + slope * (stamp_ns - self.at_ns)) / (1 + slope))
        while self.to_common(found - 1) >= stamp_ns:
            found -= 1
        while self.to_common(found) < stamp_ns:
            found += 1
        return found


def fit_clock(host: str, entry: ClockEntry) -> ClockFit | None:
    """What lays a host's stamps onto the reference's clock; None where nothing was measured."""
    if entry.method == "reference":
        return ClockFit(host, "", 0, 0.0, 0.0, is_line=True, uncertainty_ns=0.0, residual_ns=0.0)
    readings = entry.series or tuple(each for each in (entry.start, entry.end) if each is not None)
    if not readings:
        return None
    surest = min(readings, key=lambda reading: reading.round_trip_ns)
    at_ns, offset_ns, slope, is_line = surest.at_ns, float(surest.offset_ns), 0.0, False
    times = [reading.at_ns for reading in readings]
    if len(readings) >= _LEAST_READINGS and max(times) - min(times) >= _LEAST_SPAN_NS:
        is_line = True
        offset_ns, slope = _line(readings, at_ns)
    worst = max(abs(reading.offset_ns - offset_ns - slope * (reading.at_ns - at_ns)) for reading in readings)
    return ClockFit(host, entry.reference, at_ns, offset_ns, slope * 1e6, is_line, surest.uncertainty_ns, worst)


def clocks_of(manifest: Manifest) -> dict[str, ClockFit | None]:
    """The fit of each host that a manifest knows; None where its clock was not measured."""
    hosts = {entry.host for entry in manifest.streams.values() if entry.host}
    return {host: fit_clock(host, manifest.clock.get(host, ClockEntry())) for host in sorted({*manifest.clock, *hosts})}


def common_clock(manifest: Manifest) -> tuple[dict[str, ClockFit], str]:
    """What lays a session's stamps onto one clock.

    Returns:
        The fits by host, and why that is not the whole truth; empty where every host that stamped a stream was measured against one clock.
    """
    fits = {host: fit for host, fit in clocks_of(manifest).items() if fit is not None}
    hosts = {entry.host for entry in manifest.streams.values() if entry.host and entry.messages}
    references = sorted({fit.reference for host, fit in fits.items() if host in hosts and fit.reference})
    missing = sorted(hosts - fits.keys())
    if not hosts:
        return (
            fits,
            "the manifest does not say by which host's clock a stream was stamped; it was made by an early version, or without clock nodes",
        )
    if missing:
        return fits, f"the clock of {', '.join(missing)} was not measured against the others; a node `clock` there does (docs/sync.md)"
    if len(references) > 1:
        return fits, f"the clocks were measured against different references: {', '.join(references)}; let all have one"
    return fits, ""


def need_common_clock(manifest: Manifest) -> dict[str, ClockFit]:
    """The fits by host. Raises NoCommonClock where they are not the whole truth."""
    fits, lack = common_clock(manifest)
    if lack:
        raise NoCommonClock(f"{manifest.recording_id}: {lack}")
    return fits


def on_common_clock(entry: StreamEntry, fit: ClockFit) -> StreamEntry:
    """What a manifest says of a stream, with its stamps laid onto the common clock."""
    first, last = (None if stamp is None else fit.to_common(stamp) for stamp in (entry.first_stamp_ns, entry.last_stamp_ns))
    gaps = tuple(gap.model_copy(update={"from_ns": fit.to_common(gap.from_ns), "to_ns": fit.to_common(gap.to_ns)}) for gap in entry.gaps)
    return entry.model_copy(update={"first_stamp_ns": first, "last_stamp_ns": last, "gaps": gaps})


def _line(readings: Iterable[ClockReading], at_ns: int) -> tuple[float, float]:
    """Offset at a time, ns, and slope."""
    points = [(reading.at_ns - at_ns, reading.offset_ns, reading.uncertainty_ns) for reading in readings]
    times, offsets, uncertainties = np.array(points, np.float64).T
    middle = offsets.mean()
    slope, offset = np.polyfit(times, offsets - middle, 1, w=1 / np.maximum(uncertainties, 1.0))
    return float(offset + middle), float(slope)
