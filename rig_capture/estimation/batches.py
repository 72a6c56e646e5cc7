"""Decoding beside the model: the next batches of pictures are made in a thread while the model works on the last one."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from types import TracebackType
from typing import Any

from rig_capture.estimation.pictures import Picture, Pictures

_MOST_BYTES = 64 * 2**20
"""Of pictures in one batch; of large pictures fewer fit. Three batches are there at a time."""


class BatchReader:
    """Owns the thread that decodes, from `__enter__` to `__exit__`."""

    def __init__(self, pictures: Pictures, batch: int, ahead: int = 1) -> None:
        """Takes the pictures, how many make a batch at most, and how many batches may wait."""
        self._pictures = pictures
        self._batch = batch
        self._ahead = ahead
        self._ready: deque[list[Picture]] = deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="decoding")
        self.decode_s = 0.0
        """Spent on decoding, by the clock; complete at the end."""

    def __enter__(self) -> "BatchReader":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[list[Picture]]:
        """The batches, in order; raises what the decoding raised."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._ended)
                if not self._ready:
                    break
                batch = self._ready.popleft()
                self._changed.notify_all()
            yield batch
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._decode()
        except BaseException as error:  # noqa: BLE001 - raised again in the owner's thread
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _decode(self) -> None:
        batch: list[Picture] = []
        pictures: Any = iter(self._pictures)
        begun = time.perf_counter()
        with closing(pictures):
            for picture in pictures:
                batch.append(picture)
                if len(batch) < self._batch and len(batch) * picture.rgb.nbytes < _MOST_BYTES:
                    continue
                self.decode_s += time.perf_counter() - begun
                if not self._hand_over(batch):
                    return
                batch, begun = [], time.perf_counter()
        self.decode_s += time.perf_counter() - begun
        if batch:
            self._hand_over(batch)

    def _hand_over(self, batch: list[Picture]) -> bool:
        """Waits for room; False once nobody wants any more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._ahead or self._stopped)
            self._ready.append(batch)
            self._changed.notify_all()
            return not self._stopped
