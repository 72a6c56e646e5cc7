"""Progress of one ingest: events for a callback, and lines for a named logger."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("rig_capture.delivery.progress")
"""Says the same as the callback, at most once a second (level INFO) save for first and last."""

EVENT_BYTES = 256 * 2**10
"""After so many bytes there is an event."""
_LOG_INTERVAL_S = 1.0


@dataclass(frozen=True)
class UploadProgress:
    """How far one ingest is. Bytes that were there already count as processed."""

    recording_id: str
    bytes_processed: int
    """Cumulative; never falls."""
    bytes_total: int
    files_done: int
    files_total: int
    current_file: str
    """The file that moved last."""


ProgressCallback = Callable[[UploadProgress], None]


class ProgressCounter:
    """Counts what many threads move, and tells it in order."""

    def __init__(self, recording_id: str, bytes_total: int, files_total: int, callback: ProgressCallback | None) -> None:
        self._recording_id, self._bytes_total, self._files_total = recording_id, bytes_total, files_total
        self._callback = callback
        self._lock = threading.Lock()
        self._bytes = self._files = self._told = 0
        self._next_line = 0.0

    def moved(self, name: str, count: int) -> None:
        """Some bytes of a file are through."""
        with self._lock:
            self._bytes += count
            if self._bytes - self._told >= EVENT_BYTES:
                self._tell(name)

    def finished(self, name: str, count: int = 0) -> None:
        """A file is through, with so many bytes that were not told as `moved`."""
        with self._lock:
            self._bytes += count
            self._files += 1
            self._tell(name)

    def _tell(self, name: str) -> None:
        self._told = self._bytes
        now = time.monotonic()
        if now >= self._next_line or self._files == self._files_total:
            self._next_line = now + _LOG_INTERVAL_S
            percent = 100 * self._bytes / max(self._bytes_total, 1)
            logger.info("%s: %.1f %%, %d of %d files, %s", self._recording_id, percent, self._files, self._files_total, name)
        if self._callback is not None:
            self._callback(UploadProgress(self._recording_id, self._bytes, self._bytes_total, self._files, self._files_total, name))
