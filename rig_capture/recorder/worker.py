"""A file's own thread: a queue bounded in bytes, its items written in order, and a tick for what is to be done in time."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from rig_capture.owned_thread import OwnedThread

ItemT = TypeVar("ItemT")

_REST_S = 0.05
"""Rest after each batch, so that many items are written at a time; waking for each would cost more than writing it."""
_WAKE_BYTES = 1_000_000
"""So much is not left waiting."""


class WriterThread(Generic[ItemT]):
    """Takes items from any thread and hands them, in order, to `write` in a thread of its own.

    A failure of `write`, `tick` or `close` ends the work: what comes later is refused (and counted by who put it), and
    `on_failure` is told at once, in this thread.
    """

    def __init__(
        self,
        name: str,
        *,
        write: Callable[[ItemT], None],
        tick: Callable[[], None],
        close: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        limit_bytes: int,
        tick_s: float,
    ) -> None:
        """Starts nothing yet.

        Args:
            name: of the thread.
            write: writes one item.
            tick: called about every `tick_s` seconds, also when nothing comes.
            close: called once at the end, after the last item.
            on_failure: told what the thread died of.
            limit_bytes: most bytes that wait; one item is always taken, however large.
            tick_s: seconds between ticks.
        """
        self._write, self._tick, self._close, self._on_failure = write, tick, close, on_failure
        self._limit = limit_bytes
        self._tick_s = tick_s
        self._items: deque[tuple[ItemT, int]] = deque()
        self._waiting_bytes = 0
        self._condition = threading.Condition()
        self._asleep = False
        """Rested, and nothing waits: the next item wakes the thread."""
        self._ending = False
        self._failed = False
        self._thread = OwnedThread(name, self._run, self._fail)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def put_all(self, items: Sequence[tuple[ItemT, int]]) -> int:
        """Leaves items, each with its bytes, to be written; returns how many were dropped: the queue is full, or the thread has failed."""
        dropped = 0
        with self._condition:
            for item in items:
                if self._failed or self._ending or (self._items and self._waiting_bytes + item[1] > self._limit):
                    dropped += 1
                else:
                    self._items.append(item)
                    self._waiting_bytes += item[1]
            if self._asleep or self._waiting_bytes >= _WAKE_BYTES:
                self._condition.notify()
        return dropped

    def put(self, item: ItemT, size: int) -> bool:
        """Leaves one; False where it was dropped."""
        return self.put_all([(item, size)]) == 0

    def end(self) -> None:
        """Asks the thread to write what waits, and close; returns at once."""
        with self._condition:
            self._ending = True
            self._condition.notify()

    def join(self) -> None:
        """Waits until the thread has closed its file."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as failure:  # noqa: BLE001  # told before the file is closed, which may take its time
            self._fail(failure)
        self._close()

    def _work(self) -> None:
        due = time.monotonic() + self._tick_s
        while True:
            batch = self._wait(due)
            if batch is None:
                return
            self._write_all(batch)
            if time.monotonic() >= due:
                self._tick()
                due = time.monotonic() + self._tick_s

    def _write_all(self, batch: deque[tuple[ItemT, int]]) -> None:
        # Nothing holds an item longer than it takes to write: its memory serves the next message while it is in the cache.
        written = 0
        while batch:
            item, size = batch.popleft()
            self._write(item)
            del item
            written += size
            if written >= _WAKE_BYTES or not batch:
                with self._condition:
                    self._waiting_bytes -= written
                written = 0

    def _wait(self, due: float) -> deque[tuple[ItemT, int]] | None:
        """All items that wait, or none where the tick is due; None at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._ending or self._waiting_bytes >= _WAKE_BYTES, min(_REST_S, due - time.monotonic()))
            self._asleep = not self._items
            self._condition.wait_for(lambda: self._ending or self._items, due - time.monotonic())
            self._asleep = False
            if self._ending and not self._items:
                return None
            batch, self._items = self._items, deque()
        return batch

    def _fail(self, failure: BaseException) -> None:
        with self._condition:
            first, self._failed = not self._failed, True
        if first:
            self._on_failure(failure)
