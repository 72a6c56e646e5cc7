"""Gaps, rates and noise: what stands between poses as a model saw them and numbers that can be compared."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.extra import load

Floats = npt.NDArray[np.float64]
Stamps = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Filled:
    """Poses whose short gaps are filled, and what was done to them."""

    poses: Floats
    """(T, J, D)"""
    filled: npt.NDArray[np.int64]
    """(J,) how many frames of each joint were made up."""
    missing: npt.NDArray[np.int64]
    """(J,) how many are still missing."""


def seconds(stamps_ns: Stamps) -> Floats:
    """(T,) stamps as seconds from the first one.

    Raises:
        AnalysisError: they do not rise.
    """
    steps = np.diff(stamps_ns)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise AnalysisError(f"the stamp of frame {at + 1} is not later than that of frame {at}; such a video can't be analysed over time")
    elapsed: Floats = (stamps_ns - stamps_ns[0]) / 1e9 if len(stamps_ns) else np.zeros(0)
    return elapsed


def rate_of(stamps_ns: Stamps) -> float:
    """Frames per second, by the median interval, which frames that were lost do not move.

    Raises:
        AnalysisError: fewer than two frames, or stamps that do not rise.
    """
    elapsed = seconds(stamps_ns)
    if len(elapsed) < 2:
        raise AnalysisError(f"{len(elapsed)} frames have no rate; at least 2 are needed")
    return float(1 / np.median(np.diff(elapsed)))


def seen(poses: Floats) -> npt.NDArray[np.bool_]:
    """(T, J) whether each joint of (T, J, D) was seen in each frame."""
    found: npt.NDArray[np.bool_] = np.logical_not(np.isnan(poses).any(axis=2))
    return found


def fill_gaps(poses: Floats, stamps_ns: Stamps, *, max_gap_s: float) -> Filled:
    """Fills gaps of at most `max_gap_s` on a straight line between the frames around them.

    Args:
        poses: (T, J, D), NaN where missing.
        stamps_ns: (T,) ns.
        max_gap_s: from the last frame that has the joint to the next one that has it. What is missing at the beginning and at the end
            stays missing.
    """
    at = seconds(stamps_ns)
    out = poses.astype(np.float64)
    before = seen(poses)
    for joint in range(poses.shape[1]):
        frames = np.flatnonzero(before[:, joint])
        short = (np.diff(frames) > 1) & (np.diff(at[frames]) <= max_gap_s)
        for left, right in zip(frames[:-1][short], frames[1:][short], strict=True):
            share = ((at[left + 1 : right] - at[left]) / (at[right] - at[left]))[:, None]
            out[left + 1 : right, joint] = (1 - share) * out[left, joint] + share * out[right, joint]
    after = seen(out)
    return Filled(out, np.asarray((after & ~before).sum(axis=0)), np.asarray((~after).sum(axis=0)))


def resample(values: Floats, stamps_ns: Stamps, rate_hz: float) -> tuple[Floats, Stamps]:
    """Values at a constant rate, by linear interpolation between the frames.

    Args:
        values: (T, ...), NaN where missing; a sample beside a missing value is missing.
        stamps_ns: (T,) ns.
        rate_hz: of the result, whose first stamp is the first given one.

    Returns:
        The values (S, ...) and their stamps (S,), ns.
    """
    at = seconds(stamps_ns)
    if len(at) < 2:
        return values.astype(np.float64), stamps_ns.copy()
    # The stamps are rounded: a last frame that is late by less than a thousandth of the interval is in.
    wanted = np.arange(int(at[-1] * rate_hz + 1e-3) + 1) / rate_hz
    columns = values.reshape(len(values), -1)
    out = np.column_stack([np.interp(wanted, at, column) for column in columns.T])
    return out.reshape(len(wanted), *values.shape[1:]), stamps_ns[0] + np.round(wanted * 1e9).astype(np.int64)


def low_pass(values: Floats, rate_hz: float, cutoff_hz: float) -> Floats:
    """Values without what is faster than `cutoff_hz`: a Butterworth filter of second order run forwards and backwards.

    Forwards and backwards it is of fourth order and moves nothing in time, as is usual with movement data (Winter, *Biomechanics and
    Motor Control of Human Movement*, 4th ed., 2009, ch. 3.4.4). Each unbroken run of a column is filtered by itself.

    Args:
        values: (T, ...) at a constant rate, NaN where missing.
        rate_hz: of the values.
        cutoff_hz: where the filter lets half of the power through, run once.

    Raises:
        AnalysisError: the cut-off is not between 0 and half the rate.
    """
    if not 0 < cutoff_hz < rate_hz / 2:
        raise AnalysisError(
            f"a low pass of {cutoff_hz:g} Hz is not possible at {rate_hz:.3g} frames/s; it must be below {rate_hz / 2:.3g} Hz"
        )
    signal = load("scipy.signal")
    filter_ = signal.butter(2, cutoff_hz, fs=rate_hz, output="sos")
    out = values.reshape(len(values), -1).astype(np.float64)
    for column in out.T:
        for run in unbroken(column):
            padding = min(15, run.stop - run.start - 1)
            column[run] = signal.sosfiltfilt(filter_, column[run], padlen=padding)
    return out.reshape(values.shape)


def unbroken(values: Floats) -> list[slice]:
    """The runs of frames in which nothing of (T, ...) is NaN."""
    whole = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], whole, [False])).astype(np.int8)))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def longest(values: Floats) -> slice:
    """The longest run of frames in which nothing of (T, ...) is NaN; empty where there is none."""
    return max(unbroken(values), key=lambda run: run.stop - run.start, default=slice(0, 0))
