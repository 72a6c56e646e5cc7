"""When frames are due, and when they were captured: time lines laid onto the system clock."""

import threading
import time
from collections.abc import Callable

LONGEST_WAIT_S = 0.5
MAX_LATE_NS = 1_000_000_000
"""A frame that is processed later than this after its capture is given up, so that a slow machine loses frames, not time."""
_STEP_NS = 500_000_000
"""A difference between system and monotonic clock that grows by more than this is a clock set anew, not a clock that drifts."""

Clock = Callable[[], int]


class Pacer:
    """Releases events of a time line on the system clock; where that is set anew, the time line goes along."""

    def __init__(self, clock: Clock = time.time_ns, monotonic: Clock = time.monotonic_ns) -> None:
        """The time line starts with `start`.

        Args:
            clock: the system clock in ns since the epoch.
            monotonic: a clock in ns that nobody sets.
        """
        self._clock = clock
        self._monotonic = monotonic
        self._interrupted = threading.Event()
        self._start_ns = 0
        self._difference_ns = 0

    def start(self) -> None:
        """Lays the time line's zero on now."""
        self._start_ns = self._clock()
        self._difference_ns = self._start_ns - self._monotonic()

    def stamp(self, offset_ns: int) -> int:
        """When an event is due, in ns since the epoch."""
        return self._start_ns + offset_ns

    def monotonic(self, offset_ns: int) -> int:
        """When an event is due, by the clock that nobody sets, ns."""
        return self._start_ns - self._difference_ns + offset_ns

    def elapsed_ns(self) -> int:
        """How far the time line has come."""
        self._follow_clock()
        return self._clock() - self._start_ns

    def wait(self, offset_ns: int) -> bool:
        """Waits until an event is due, but not longer than `LONGEST_WAIT_S`; True once it is due."""
        wait_s = (offset_ns - self.elapsed_ns()) / 1e9
        if wait_s <= 0:
            return not self._interrupted.is_set()
        return not self._interrupted.wait(min(wait_s, LONGEST_WAIT_S)) and wait_s <= LONGEST_WAIT_S

    def interrupt(self) -> None:
        """Ends a wait in another thread, and all later ones."""
        self._interrupted.set()

    def _follow_clock(self) -> None:
        difference_ns = self._clock() - self._monotonic()
        if abs(difference_ns - self._difference_ns) > _STEP_NS:
            self._start_ns += difference_ns - self._difference_ns
            self._difference_ns = difference_ns


class LiveClock:
    """Stamps for frames that a source dates by its own clock and that reach us after a varying delay.

    The frame with the least delay tells best how the source's clock relates to ours, so the estimate follows the least
    difference seen; it may rise slowly, because the clocks drift apart.
    """

    _RISE_PER_NS = 200e-6

    def __init__(self) -> None:
        self._offset_ns: float | None = None
        self._last_pts_ns = 0
        self._last_stamp_ns = 0

    def stamp(self, pts_ns: int, arrival_ns: int) -> int:
        """Capture time in ns since the epoch of a frame with the source's time `pts_ns`; later than that of any frame before."""
        seen = float(arrival_ns - pts_ns)
        if self._offset_ns is None or abs(seen - self._offset_ns) > 5e9:  # the source began anew, or a clock was set
            self._offset_ns = seen
        else:
            self._offset_ns = min(seen, self._offset_ns + max(0, pts_ns - self._last_pts_ns) * self._RISE_PER_NS)
        self._last_pts_ns = pts_ns
        self._last_stamp_ns = max(self._last_stamp_ns + 1, round(pts_ns + self._offset_ns))
        return self._last_stamp_ns
