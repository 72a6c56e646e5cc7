"""The table of a stream's packets (frames.csv), looked up by the times of the packets, which files know only to a millisecond."""

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from rig_capture.playback.errors import PlaybackError

_FARTHEST_NS = 2_000_000
"""A row that is farther away than this belongs to another packet. Merged files round times twice."""


class FrameTable:
    """Rows in the order of the packets; each is given once."""

    def __init__(self, rows: npt.NDArray[np.int64]) -> None:
        """Of rows (N, 5): seq, stamp_ns, pts_ns, keyframe, bytes."""
        self.rows = rows
        self._next = 0

    @classmethod
    def read(cls, path: Path) -> Self:
        """The table of a file. Raises PlaybackError."""
        try:
            return cls(np.loadtxt(path, dtype=np.int64, delimiter=",", skiprows=1, ndmin=2).reshape(-1, 5))
        except (OSError, ValueError) as error:
            raise PlaybackError(f"{path}: can't be read: {error}; `rig repair` mends sessions that were interrupted") from error

    @property
    def stamps_ns(self) -> npt.NDArray[np.int64]:
        """(N,) of all rows."""
        return self.rows[:, 1]

    def index_of(self, stamp_ns: int) -> int:
        """The row with this stamp that comes next, or the one that is next anyway."""
        found = np.flatnonzero(self.stamps_ns[self._next :] == stamp_ns)
        return self._next + int(found[0]) if len(found) else self._next

    def enter(self, stamp_ns: int) -> None:
        """Goes on with a file that begins at this stamp. Stamps may go back from one file to the next, where the clock was set."""
        self._next = self.index_of(stamp_ns)

    def take(self, about_ns: int) -> tuple[int, int, int, bool] | None:
        """seq, stamp_ns, pts_ns, keyframe of the packet at a time known to a millisecond; None where the table lacks it."""
        if self._next >= len(self.rows) or abs(int(self.rows[self._next, 1]) - about_ns) > _FARTHEST_NS:
            near = np.flatnonzero(np.abs(self.stamps_ns[self._next :] - about_ns) <= _FARTHEST_NS)
            if not len(near):
                return None
            self._next += int(near[0])
        seq, stamp_ns, pts_ns, keyframe, _ = self.rows[self._next].tolist()
        self._next += 1
        return seq, stamp_ns, pts_ns, bool(keyframe)
