"""When the frames of a recorded stream were captured, exactly: by the rows of its frames.csv."""

from pathlib import Path

import numpy as np

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import VideoError

_FARTHEST_NS = 2_000_000
"""Files keep times in whole milliseconds, of merged ones rounded twice; a row farther away is another frame's."""


class FrameStamps:
    """The stamps of a stream, handed out by the times of its frames, which files know only to a millisecond."""

    def __init__(self, path: Path) -> None:
        """Reads the table. Raises VideoError."""
        try:
            self._all = np.loadtxt(path, dtype=np.int64, delimiter=",", skiprows=1, usecols=1, ndmin=1)
        except (OSError, ValueError, IndexError) as error:
            raise VideoError(f"{path}: can't be read: {error}; `rig repair` mends sessions that were interrupted") from error
        self._begin = 0
        self._rows: Column = np.sort(self._all)
        self._next = 0

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, start_ns: int, next_start_ns: int | None) -> None:
        """Goes on with a chunk that begins with the stamp `start_ns`; the rows up to the next chunk's first are its own.

        Stamps may go back from one chunk to the next, where the clock was set; within one they are in order but for frames that the
        encoder reordered.
        """
        self._begin = self._row_of(start_ns, self._begin) or self._begin
        end = None if next_start_ns is None else self._row_of(next_start_ns, self._begin + 1)
        self._rows = np.sort(self._all[self._begin : end])
        self._next = 0

    def take(self, about_ns: int) -> int:
        """The stamp of the frame at a time that is known to a millisecond; frames are asked for in order, none twice."""
        rows, at = self._rows, self._next
        while at + 1 < len(rows) and abs(rows[at + 1] - about_ns) < abs(rows[at] - about_ns):
            at += 1
        if at >= len(rows) or abs(rows[at] - about_ns) > _FARTHEST_NS:
            return about_ns
        self._next = at + 1
        return int(rows[at])

    def _row_of(self, stamp_ns: int, begin: int) -> int | None:
        found = np.flatnonzero(self._all[begin:] == stamp_ns)
        return begin + int(found[0]) if len(found) else None
