"""How many small requests are under way at once.

More at once is faster where each one waits for a far service, and slower where a near one is busy with them already. Which of the
two it is, is found out by trying: one more at once is kept only where clearly more get through by it, and one less where no fewer do.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FIRST = 2
_WINDOW = 100
"""Requests after which the rate is looked at."""
_GAIN = 1.1
"""What one more at once must bring, as a factor of the rate."""
_LOSS = 0.97
"""What one less at once may cost, as a factor of the rate."""
_REST = 10
"""Windows between two tries."""


class Pace:
    """A gate for requests of many threads; see the module."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Lets at most `most` requests through at once, and fewer to begin with."""
        self._most = most
        self._clock = clock
        self._changed = threading.Condition()
        self._limit = self._kept = min(_FIRST, most)
        self._running = self._done = 0
        self._begin = 0.0
        self._rate = 0.0
        self._rest = 0
        self._step = 1

    @property
    def limit(self) -> int:
        """Requests that may be under way at once now."""
        return self._limit

    @contextmanager
    def request(self) -> Iterator[None]:
        """Waits until one more may begin; it is under way while the block runs."""
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._limit)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._count()
                self._changed.notify_all()

    def _count(self) -> None:
        if self._done == 0:
            self._begin = self._clock()
        self._done += 1
        if self._done > _WINDOW:
            self._judge(_WINDOW / max(self._clock() - self._begin, 1e-9))
            self._done = 0

    def _judge(self, rate: float) -> None:
        """Decides how many may be under way in the next window by the rate of this one, in requests per second."""
        tried = self._limit - self._kept
        if tried and rate < (_GAIN if tried > 0 else _LOSS) * self._rate:
            self._limit, self._step, self._rest = self._kept, -tried, _REST
            return
        self._kept, self._rate = self._limit, rate
        self._rest -= 1
        if self._rest <= 0:
            self._limit = min(max(self._kept + self._step, min(_FIRST, self._most)), self._most)
            if self._limit == self._kept:
                self._step, self._rest = -self._step, _REST
