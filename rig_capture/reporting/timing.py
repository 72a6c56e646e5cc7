"""Stamps of a stream over time: rates, and how regular they are; values over time."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rig_capture.reporting.models import Axis, Jitter, Series
from rig_capture.session.manifest import Manifest, parse_time

Stamps = npt.NDArray[np.int64]

_BINS = range(12, 241)
"""How many bins there may be; they are not shorter than a second where that allows it."""
_STRAY_NS = {"video": 3600 * 10**9, "audio": 3600 * 10**9, "topic": 5 * 10**9}
"""Stamps so far outside of the recording are no reason to show more of the time; of topics, what is kept for late subscribers was said
any time before."""
_BARS = 41
_LEAST_FOR_JITTER, _LEAST_RATE_HZ = 20, 4.0
"""Stamps and rate of streams whose regularity means something; what is slower comes when something happens."""
_NARROWEST_MS = 0.01
"""Half the width of the narrowest histogram: stamps that are computed have no jitter but rounding."""


def axis_of(manifest: Manifest) -> Axis:
    """From the start of the recording, or the first stamp before it, to its end, or the last stamp after it."""
    ends = [(entry.kind, stamp_ns) for entry in manifest.streams.values() for stamp_ns in (entry.first_stamp_ns, entry.last_stamp_ns)]
    stamps = [(kind, stamp_ns) for kind, stamp_ns in ends if stamp_ns is not None]
    start_ns = parse_time(manifest.started_at)
    stop_ns = parse_time(manifest.ended_at) if manifest.ended_at else max([start_ns, *(stamp_ns for _, stamp_ns in stamps)])
    near = [stamp_ns for kind, stamp_ns in stamps if start_ns - _STRAY_NS[kind] <= stamp_ns <= stop_ns + _STRAY_NS[kind]]
    start_ns, stop_ns = min([start_ns, *near]), max([stop_ns, *near])
    stop_ns = max(stop_ns, start_ns + 1_000_000)
    return Axis(start_ns=start_ns, stop_ns=stop_ns, bins=min(max(_BINS[0], (stop_ns - start_ns) // 10**9), _BINS[-1]))


def rates(stamps: Stamps, axis: Axis) -> tuple[float, ...]:
    """Stamps per second in each bin.

    Args:
        stamps: (N,) ns since the epoch.
        axis: the bins.
    """
    inside = stamps[(stamps >= axis.start_ns) & (stamps <= axis.stop_ns)]
    places = np.minimum(((inside - axis.start_ns) / (axis.stop_ns - axis.start_ns) * axis.bins).astype(np.int64), axis.bins - 1)
    return tuple(shortened(count / axis.bin_s) for count in np.bincount(places, minlength=axis.bins).tolist())


def jitter(stamps: Stamps) -> Jitter | None:
    """How regular stamps are; None of streams that are slow or short.

    Args:
        stamps: (N,) ns since the epoch, in the order in which they came.
    """
    if len(stamps) < _LEAST_FOR_JITTER:
        return None
    steps_ms = np.diff(stamps) / 1e6
    nominal_ms = float(np.median(steps_ms))
    if not 0 < nominal_ms <= 1000 / _LEAST_RATE_HZ:
        return None
    deviations = steps_ms - nominal_ms
    p99_ms = float(np.percentile(np.abs(deviations), 99))
    half = max(1.5 * p99_ms, _NARROWEST_MS)
    counts, edges = np.histogram(np.clip(deviations, -half, half), _BARS, (-half, half))
    return Jitter(
        nominal_ms=shortened(nominal_ms),
        std_ms=shortened(float(deviations.std())),
        p99_ms=shortened(p99_ms),
        largest_ms=shortened(float(steps_ms.max())),
        edges_ms=tuple(shortened(edge) for edge in edges.tolist()),
        counts=tuple(counts.tolist()),
    )


class Means:
    """The mean of values in each bin."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self._sums, self._weights = np.zeros(axis.bins), np.zeros(axis.bins)

    def add(self, stamp_ns: int, value: float, weight: float = 1.0) -> None:
        """Takes a value; what is no number or outside of the time is left out."""
        place = self._axis.bin_of(stamp_ns)
        if place is not None and np.isfinite(value):
            self._sums[place] += value * weight
            self._weights[place] += weight

    @property
    def series(self) -> Series:
        """So far."""
        return series(total / weight if weight else None for total, weight in zip(self._sums.tolist(), self._weights.tolist(), strict=True))


def series(values: Iterable[float | None]) -> Series:
    """Values with as many digits as a report needs."""
    return tuple(None if value is None else shortened(value) for value in values)


def shortened(value: float) -> float:
    """With six digits."""
    return float(f"{value:.6g}")
