"""Absolute deadlines: what is late once is not late for ever."""

import threading
import time


class Pacer:
    """Deadlines at a fixed rate from the moment of construction; rounding and late wake-ups don't add up."""

    def __init__(self, rate_hz: float, stop: threading.Event, *, at_once: bool = False) -> None:
        """Counts from now.

        Args:
            rate_hz: deadlines per second.
            stop: set by another thread to end a wait at once.
            at_once: the first deadline is now, not a period ahead.
        """
        self._period = 1.0 / rate_hz
        self._stop = stop
        self._start = time.monotonic()
        self._next = 0 if at_once else 1
        self.missed = 0
        """Deadlines skipped since the start, because the one before took too long."""

    def wait_all(self, most_s: float = 0.5) -> bool:
        """Waits for the next deadline; those already past are all due, one by one, so that none is left out.

        Returns:
            False where the deadline lies more than `most_s` ahead (it waited so long), or `stop` is set.
        """
        wait = self._start + self._next * self._period - time.monotonic()
        if self._stop.wait(max(0.0, min(wait, most_s))) or wait > most_s:
            return False
        self._next += 1
        return True

    def wait_latest(self, most_s: float = 0.5) -> bool:
        """Like `wait_all`, but deadlines that have passed are skipped and counted: what can't be read again is lost."""
        behind = int((time.monotonic() - self._start) / self._period) - self._next
        if behind > 0:
            self.missed += behind
            self._next += behind
        return self.wait_all(most_s)
