"""Repetitions of a movement, found in one signal."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.extra import load
from rig_capture.estimation.analysis.gaps import Floats, Stamps, rate_of, resample, unbroken


class TurningPoint(StrEnum):
    """What lies in the middle of a repetition."""

    HIGH = "high"
    """A peak of the signal, from valley to valley: an arm that is lifted, seen by its height."""
    LOW = "low"
    """A valley, from peak to peak: a squat, seen by the angle of the knee."""


@dataclass(frozen=True)
class Repetition:
    """One repetition."""

    start_ns: int
    turn_ns: int
    """Of the extreme in its middle."""
    end_ns: int
    """The start of the next one, where that follows at once."""
    amplitude: float
    """From the turning point to the mean of start and end, in the unit of the signal."""

    @property
    def duration_s(self) -> float:
        """From start to end."""
        return (self.end_ns - self.start_ns) / 1e9


def repetitions(
    signal: Floats,
    stamps_ns: Stamps,
    *,
    turn: TurningPoint = TurningPoint.HIGH,
    prominence: float = 0.3,
    min_s: float | None = None,
    max_s: float | None = None,
) -> list[Repetition]:
    """The repetitions in a signal, by the extremes that stand out.

    A repetition begins and ends at the lowest point between two extremes (the highest with `TurningPoint.LOW`); the first and the last
    count only if the signal falls by the prominence on their outer side too. A gap ends what is before it.

    Args:
        signal: (T,), any unit, NaN where missing.
        stamps_ns: (T,) ns.
        turn: what lies in the middle of a repetition.
        prominence: how far an extreme must stand out on both sides, as a share of the range of the signal (its 2nd to 98th percentile).
        min_s: least time between two extremes; None: half the period that `period` finds, where it finds one.
        max_s: repetitions that take longer are left out; None: none are.

    Raises:
        AnalysisError: the signal is never seen, or the stamps do not rise.
    """
    if np.isnan(signal).all():
        raise AnalysisError("the signal is missing in all frames; choose another one")
    up = signal if turn is TurningPoint.HIGH else -signal
    low, high = np.nanpercentile(up, [2, 98])
    if high == low:
        return []
    if min_s is None:
        found = period(signal, stamps_ns)
        min_s = found[0] / 2 if found else 0.0
    out: list[Repetition] = []
    for run in unbroken(up):
        if run.stop - run.start >= 3:
            out += _in_run(up[run], stamps_ns[run], prominence * (high - low), min_s)
    return [each for each in out if max_s is None or each.duration_s <= max_s]


def _in_run(up: Floats, stamps_ns: Stamps, prominence: float, min_s: float) -> list[Repetition]:
    distance = max(1, round(min_s * rate_of(stamps_ns)))
    peaks, _ = load("scipy.signal").find_peaks(up, prominence=prominence, distance=distance)
    ends = [0, *peaks.tolist(), len(up) - 1]
    valleys = [left + int(np.argmin(up[left : right + 1])) for left, right in pairwise(ends)]
    return [
        Repetition(int(stamps_ns[start]), int(stamps_ns[peak]), int(stamps_ns[end]), float(up[peak] - (up[start] + up[end]) / 2))
        for start, peak, end in zip(valleys, peaks.tolist(), valleys[1:], strict=False)
    ]


def period(signal: Floats, stamps_ns: Stamps) -> tuple[float, float] | None:
    """How long one repetition takes, by the first peak of the autocorrelation after it has been negative.

    Args:
        signal: (T,), any unit; the longest run without NaN counts.
        stamps_ns: (T,) ns.

    Returns:
        The period, s, and how well the signal repeats itself after it, 0 to 1 (the unbiased autocorrelation there); None where it does not.
    """
    run = max(unbroken(signal), key=lambda each: each.stop - each.start, default=slice(0, 0))
    if run.stop - run.start < 4:
        return None
    rate = rate_of(stamps_ns[run])
    even, _ = resample(signal[run], stamps_ns[run], rate)
    even = even - even.mean()
    if not even.any():
        return None
    scipy = load("scipy.signal")
    count = len(even)
    # Unbiased, so that the repetitions do not fade with the lag; only lags that half of the signal speaks for.
    likeness = scipy.correlate(even, even, mode="full", method="fft")[count - 1 :] / np.arange(count, 0, -1)
    likeness = likeness[: count // 2 + 1] / likeness[0]
    below = np.flatnonzero(likeness < 0)
    if not len(below):
        return None
    peaks, _ = scipy.find_peaks(likeness[below[0] :], height=0.2)
    if not len(peaks):
        return None
    heights = likeness[below[0] + peaks]
    # The first that is nearly as good as the best: later ones are its multiples.
    lag = below[0] + peaks[np.argmax(heights >= 0.8 * heights.max())]
    return float(lag / rate), float(min(likeness[lag], 1.0))
