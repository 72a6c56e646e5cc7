"""The time of a session while it is played."""

import threading
import time


class PlayClock:
    """Where playing is on the session's time line: it runs at a rate, stands still, and may be set. Used by several threads."""

    def __init__(self, position_ns: int, *, rate: float = 1.0, paused: bool = False) -> None:
        self._changed = threading.Condition()
        self._rate, self._paused = rate, paused
        self._position_ns, self._at_ns = position_ns, time.monotonic_ns()
        self._interrupts = 0

    @property
    def position_ns(self) -> int:
        """Now, ns since the epoch."""
        with self._changed:
            return self._now()

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        with self._changed:
            return self._paused

    @property
    def interrupts(self) -> int:
        """How often `jump` and `interrupt` were called."""
        with self._changed:
            return self._interrupts

    def run(self, *, rate: float, paused: bool) -> None:
        """Goes on from here at another rate, or stands still."""
        with self._changed:
            self._position_ns, self._at_ns = self._now(), time.monotonic_ns()
            self._rate, self._paused = rate, paused
            self._changed.notify_all()

    def jump(self, position_ns: int) -> None:
        """Goes on from elsewhere; who waits is interrupted."""
        with self._changed:
            self._position_ns, self._at_ns = position_ns, time.monotonic_ns()
            self._interrupts += 1
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Interrupts who waits."""
        with self._changed:
            self._interrupts += 1
            self._changed.notify_all()

    def wait_until(self, due_ns: int, interrupts: int) -> bool:
        """Waits for a moment; False where there was an interrupt since `interrupts` of them had been counted."""
        with self._changed:
            while self._interrupts == interrupts:
                left_s = (due_ns - self._now()) / 1e9 / self._rate
                if left_s <= 0:
                    return True
                self._changed.wait(None if self._paused else left_s)
            return False

    def _now(self) -> int:
        if self._paused:
            return self._position_ns
        return self._position_ns + round((time.monotonic_ns() - self._at_ns) * self._rate)
