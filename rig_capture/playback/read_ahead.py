"""Reading ahead, so that a slow disk or a large chunk does not make anything late."""

import threading
from collections import deque
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Self

from rig_capture.playback.items import Item


class ReadAhead:
    """Takes items out of a sequence in a thread of its own, so many seconds and so many bytes ahead of who asks for them."""

    def __init__(self, items: Iterator[Item], *, ahead_s: float, most_bytes: int) -> None:
        """Starts with `with`.

        Args:
            items: in order; an error of theirs is raised by `next`.
            ahead_s: how far the last item lies before the next one at most.
            most_bytes: of all items that wait; at least one does.
        """
        self._items = items
        self._ahead_ns, self._most_bytes = int(ahead_s * 1e9), most_bytes
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._bytes = 0
        self._ended = self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="read ahead")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def waiting_bytes(self) -> int:
        """Of what was read and not yet asked for."""
        with self._changed:
            return self._bytes

    def next(self) -> Item | None:
        """The next item, waited for; None after the last one. Raises what reading died of, once all before it is given."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            if not self._waiting:
                if self._failure is not None:
                    raise self._failure
                return None
            item = self._waiting.popleft()
            self._bytes -= item.size
            self._changed.notify_all()
            return item

    def _read(self) -> None:
        try:
            self._read_all()
        except BaseException as error:  # noqa: BLE001  # raised again by `next`
            self._failure = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_all(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        finally:
            if isinstance(self._items, Generator):
                self._items.close()  # and with it the files

    def _put(self, item: Item) -> bool:
        """False where it is to stop."""
        with self._changed:
            while self._waiting and not self._stopping and self._is_full(item):
                self._changed.wait()
            self._waiting.append(item)
            self._bytes += item.size
            self._changed.notify_all()
            return not self._stopping

    def _is_full(self, item: Item) -> bool:
        return self._bytes + item.size > self._most_bytes or item.due_ns - self._waiting[0].due_ns > self._ahead_ns
