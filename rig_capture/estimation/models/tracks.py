"""Who is who from picture to picture, by boxes that overlap."""

from dataclasses import dataclass

import numpy as np

from rig_capture.estimation.columns import Column


@dataclass
class _Track:
    number: int
    box: Column
    missing: int = 0
    """Pictures since it was seen."""


class BoxTracks:
    """Gives boxes the number of the one they overlap most with in the pictures before; others get new numbers, from 0."""

    def __init__(self, overlap: float, patience: int) -> None:
        """Takes the least overlap (intersection over union), and for how many pictures a box may be missing."""
        self._overlap = overlap
        self._patience = patience
        self._tracks: list[_Track] = []
        self._next = 0

    def follow(self, boxes: Column) -> Column:
        """Numbers (N,) of the boxes (N, 4) of the next picture, each x, y, width, height."""
        numbers = np.full(len(boxes), -1, np.int32)
        for track in self._tracks:
            track.missing += 1
        overlaps = overlap_of(boxes, np.array([track.box for track in self._tracks]).reshape(-1, 4))
        # The best pair first; each box and each track once.
        for place in np.argsort(-overlaps, axis=None):
            box, at = divmod(int(place), len(self._tracks))
            track = self._tracks[at]
            if overlaps[box, at] < self._overlap:
                break
            if numbers[box] < 0 and track.missing:
                numbers[box], track.box, track.missing = track.number, boxes[box], 0
        for box in np.flatnonzero(numbers < 0).tolist():
            numbers[box] = self._next
            self._tracks.append(_Track(self._next, boxes[box]))
            self._next += 1
        self._tracks = [track for track in self._tracks if track.missing <= self._patience]
        return numbers


def overlap_of(one: Column, other: Column) -> Column:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4), each x, y, width, height."""
    begin = np.maximum(one[:, None, :2], other[None, :, :2])
    end = np.minimum(one[:, None, :2] + one[:, None, 2:], other[None, :, :2] + other[None, :, 2:])
    common = np.clip(end - begin, 0, None).prod(axis=2)
    together = one[:, 2:].prod(axis=1)[:, None] + other[:, 2:].prod(axis=1)[None, :] - common
    shares: Column = common / np.maximum(together, 1e-9)
    return shares
