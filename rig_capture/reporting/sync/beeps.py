"""When beeps began, by the stamps of a stream of sound."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rig_capture.reading.audio import AudioStream, Sound
from rig_capture.reporting.sync.errors import NothingFound
from rig_capture.reporting.sync.flashes import Onsets

_STEP_S = 0.0005
_WINDOW = 10
"""Steps over which loudness is taken: 5 ms, several waves of the beep."""
_AFTER = 30
"""Steps after the rise within which a beep has its full loudness."""
_QUIET = 100
"""Steps of less than the threshold, 50 ms, that come before a beep; the room's echo is no further one."""
_LEAST_LEVEL = 1e-3
"""-60 dBFS."""
_ABOVE_NOISE = 6.0

Floats = npt.NDArray[np.float64]


def find_beeps(stream: AudioStream, beep_hz: float, channel: int = 0) -> Onsets:
    """When beeps of a frequency began.

    The sound is multiplied with a wave of that frequency and averaged over 5 ms; a beep began where that has come to half of what it comes
    to a little later, since then half of the window is filled.

    Args:
        stream: sound.
        beep_hz: frequency of the beep.
        channel: which one is listened to.

    Raises:
        NothingFound: there are no beeps.
        Incomplete: sound is missing.
    """
    stamps, level = _levels(stream.blocks(), beep_hz, channel)
    if not len(level):
        raise NothingFound(f"{stream.name}: has too little sound to look for beeps, or no channel {channel}")
    loudest, usual = float(level.max()), float(np.median(level))
    if loudest < max(_LEAST_LEVEL, _ABOVE_NOISE * usual):
        raise NothingFound(
            f"{stream.name}: no beep of {beep_hz:g} Hz found: it is at most {loudest:.5f} there (full scale 1), and mostly {usual:.5f}; "
            "bring the loudspeaker near, or give the frequency that it plays (--beep-hz)"
        )
    is_loud = level > 0.3 * loudest
    rises = np.flatnonzero(is_loud[1:] & ~is_loud[:-1]) + 1
    found = [_date(int(rise), stamps, level) for rise in rises if rise > _QUIET and not is_loud[rise - _QUIET : rise].any()]
    if not found:
        raise NothingFound(f"{stream.name}: no beep of {beep_hz:g} Hz found that begins after some silence; record longer")
    return Onsets(stream.name, np.array(found, np.int64))


def _date(rise: int, stamps: npt.NDArray[np.int64], level: Floats) -> int:
    """When a beep began, ns, of which the level has risen at a step."""
    full = float(level[rise : rise + _AFTER].max())
    first = max(0, rise - _WINDOW)
    over = np.flatnonzero(level[first : rise + _AFTER] >= full / 2)
    after = first + int(over[0])
    if after == 0:
        return int(stamps[0])
    low, high = level[after - 1], level[after]
    share = (full / 2 - low) / (high - low) if high > low else 1.0
    return int(stamps[after - 1]) + round(share * float(stamps[after] - stamps[after - 1]))


def _levels(blocks: Iterable[Sound], beep_hz: float, channel: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Stamps (N,) of the middles of windows, ns, and how loud a frequency is in them (N,), full scale 1."""
    stamps: list[npt.NDArray[np.int64]] = []
    levels: list[Floats] = []
    for pieces in _unbroken(blocks, channel):
        rate = pieces[0].sample_rate
        step = max(1, round(rate * _STEP_S))
        samples = np.concatenate([piece.as_float[:, channel] for piece in pieces]).astype(np.float64)
        count = len(samples) // step
        if count < _WINDOW:
            continue
        wave = np.exp(-2j * np.pi * (beep_hz / rate) * np.arange(count * step))
        sums = (samples[: count * step] * wave).reshape(count, step).sum(1)
        windows = np.convolve(sums, np.ones(_WINDOW), "valid") / (_WINDOW * step)
        firsts = np.cumsum([0, *(len(piece.samples) for piece in pieces[:-1])])
        middles = (np.arange(len(windows)) + _WINDOW / 2) * step
        base_ns = pieces[0].stamp_ns
        # Each block by its own stamp: on the common clock the sample clock drifts against them.
        block = np.searchsorted(firsts, middles, "right") - 1
        offsets = np.array([piece.stamp_ns - base_ns for piece in pieces])[block] + (middles - firsts[block]) * 1e9 / rate
        stamps.append(base_ns + np.rint(offsets).astype(np.int64))
        levels.append(2 * np.abs(windows))
    return (np.concatenate(stamps), np.concatenate(levels)) if stamps else (np.empty(0, np.int64), np.empty(0))


def _unbroken(blocks: Iterable[Sound], channel: int) -> Iterable[list[Sound]]:
    """Blocks in runs without missing samples, none longer than a minute, so that little is held."""
    run: list[Sound] = []
    for block in blocks:
        if channel >= block.samples.shape[1]:
            continue
        if run:
            last = run[-1]
            follows = (last.segment, last.first_sample + len(last.samples)) == (block.segment, block.first_sample)
            if not follows or block.first_sample - run[0].first_sample > 60 * block.sample_rate:
                yield run
                run = []
        run.append(block)
    if run:
        yield run
