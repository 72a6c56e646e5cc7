"""`health.jsonl` of a session: the health events of the rig while it was recorded, and the problems that were open at its start."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from rig_capture.health.events import Event
from rig_capture.health.problems import Seen
from rig_capture.recorder.files import FinishedFile, OnFinished
from rig_capture.recorder.sinks import WriterJobs

log = logging.getLogger(__name__)


class HealthFile:
    """Takes events from any thread; they are written in a writer's thread. It is there from the first event on.

    No recording ends for want of its health events: a file that can't be written is given up, and that is logged.
    """

    def __init__(self, path: Path, on_finished: OnFinished) -> None:
        """Writes nothing yet; `on_finished` is told of the file when it is closed."""
        self._path, self._on_finished = path, on_finished
        self._seen = Seen()
        self._file: BinaryIO | None = None
        self._first_ns = self._last_ns = 0
        self._dirty = self._failed = False
        self.thread: WriterJobs | None = None
        """Does the writing; set by its owner, which also calls `sync` and `close` in it."""

    def put(self, event: Event) -> bool:
        """Leaves an event to be written; never waits. False where the queue is full, and the event is dropped."""
        assert self.thread is not None
        data = event.line().encode() + b"\n"
        return self.thread.put((lambda line, stamp_ns: self._write(event, line), data, event.stamp_ns), len(data))

    def sync(self) -> None:
        """Brings what was written to the disk."""
        if self._dirty and self._file is not None:
            self._guarded(lambda: os.fdatasync(self._opened().fileno()))
            self._dirty = False

    def close(self) -> None:
        """Closes the file, and tells of it where there is one. Raises OSError."""
        if self._file is not None:
            self._file.close()
            self._on_finished(FinishedFile(self._path, "health", "", self._first_ns, self._last_ns))

    def _write(self, event: Event, line: bytes) -> None:
        if event not in self._seen and not self._failed:
            self._seen.add(event)
            self._guarded(lambda: self._opened().write(line))
            self._dirty = True
            self._first_ns = min(self._first_ns or event.stamp_ns, event.stamp_ns)
            self._last_ns = max(self._last_ns, event.stamp_ns)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
        return self._file

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            self._failed = True
            log.warning("%s: can't be written: %s; the session goes on without its health events", self._path, error)
