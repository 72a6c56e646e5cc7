"""When a light went on, by the stamps of a stream of video, finer than its frames."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rig_capture.reading.video import Frame, VideoStream
from rig_capture.reporting.sync.errors import NothingFound

_ROWS, _COLUMNS = 9, 16
"""The picture in blocks; those count in which the light is seen, since a screen may fill only part of it."""
_LEAST_CONTRAST = 12.0
"""Steps of luma, of 255."""
_BRIGHTEST = 3
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601."""
_AROUND = 4
"""Frames before an edge that must be there, and dark but for the last."""

Floats = npt.NDArray[np.float64]
Stamps = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Onsets:
    """When something began, in one stream."""

    stream: str
    stamps_ns: Stamps
    """(N,) ns since the epoch."""
    skipped: int = 0
    """Such beside which a frame is missing, so that they can't be dated."""


def find_flashes(stream: VideoStream) -> Onsets:
    """When a light went on.

    Each frame is taken for the light of one frame interval around its stamp. Where the light went on within that time, the frame is part
    as bright as the next one, and how bright tells when. Of shutters that are open for less, two frames show that it went on between them,
    and the middle is taken: that is wrong by half an interval at most, and right in the middle of many flashes at all phases.

    Args:
        stream: colour or grey pictures.

    Raises:
        NothingFound: it gets nowhere brighter, or there are no pictures.
        Incomplete: pictures are missing.
    """
    stamps, blocks = _blocks(stream.frames())
    if len(stamps) <= 2 * _AROUND:
        raise NothingFound(f"{stream.name}: has {len(stamps)} colour pictures, too few to look for flashes")
    signal = _signal(blocks)
    dark, bright = float(np.median(signal)), float(np.sort(signal)[-_BRIGHTEST:].mean())
    if bright - dark < _LEAST_CONTRAST:
        raise NothingFound(
            f"{stream.name}: no flash found: it gets only {bright - dark:.1f} of 255 brighter than it mostly is; point it at the light, "
            "and darken the room or fix the exposure"
        )
    is_lit = signal > (dark + bright) / 2
    edges = np.flatnonzero(is_lit[1:] & ~is_lit[:-1]) + 1
    interval_ns = float(np.median(np.diff(stamps)))
    dated = [_date(int(edge), stamps, signal, interval_ns) for edge in edges]
    found = [stamp for stamp in dated if stamp is not None]
    if not found:
        raise NothingFound(f"{stream.name}: no flash found that begins and has all frames around it; record longer")
    return Onsets(stream.name, np.array(found, np.int64), len(dated) - len(found))


def _date(edge: int, stamps: Stamps, signal: Floats, interval_ns: float) -> int | None:
    """When the light went on at an edge; None where frames around it are missing.

    Args:
        edge: the first frame that is more bright than dark.
        stamps: (N,) ns.
        signal: (N,) brightness.
        interval_ns: between two frames.
    """
    first, last = edge - _AROUND, edge + 1
    if first < 0 or last >= len(stamps) or (np.diff(stamps[first : last + 1]) > 1.5 * interval_ns).any():
        return None
    dark = float(signal[first : edge - 1].mean())
    bright = float(max(signal[edge], signal[last]))
    shares = np.clip((signal[[edge - 1, edge]] - dark) / (bright - dark), 0.0, 1.0)
    # From the beginning of the time that the frame before the edge stands for, as long as it was dark.
    return int(stamps[edge - 1]) + round((float((1 - shares).sum()) - 0.5) * interval_ns)


def _blocks(frames: Iterable[Frame]) -> tuple[Stamps, Floats]:
    """Stamps (N,) and the mean luma of blocks of the pictures (N, blocks); depth has none."""
    stamps, means = [], []
    for frame in frames:
        if frame.image.ndim == 3:
            stamps.append(frame.stamp_ns)
            means.append(_means(frame.image))
    return np.array(stamps, np.int64), np.array(means, np.float64).reshape(len(stamps), -1)


def _means(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Mean luma of the blocks of a picture (height, width, 3), of some of its pixels."""
    height, width = image.shape[:2]
    few = image[:: max(1, height // (4 * _ROWS)), :: max(1, width // (4 * _COLUMNS))] @ _LUMA
    rows = np.linspace(0, few.shape[0], min(_ROWS, few.shape[0]), endpoint=False).astype(int)
    columns = np.linspace(0, few.shape[1], min(_COLUMNS, few.shape[1]), endpoint=False).astype(int)
    sums = np.add.reduceat(np.add.reduceat(few, rows, 0), columns, 1)
    counts = np.outer(np.diff([*rows, few.shape[0]]), np.diff([*columns, few.shape[1]]))
    return np.asarray(sums / counts, np.float32).ravel()


def _signal(blocks: Floats) -> Floats:
    """The mean of the blocks in which the light is seen, (N,)."""
    contrast = np.sort(blocks, 0)[-_BRIGHTEST:].mean(0) - np.median(blocks, 0)
    return np.asarray(blocks[:, contrast >= contrast.max() / 2].mean(1))
