"""What a transfer obeys and reports to: bandwidth, the wish to stop, and progress."""

import hashlib
import io
import os
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from rig_capture.delivery.errors import ContentMismatch, FileMissing, TransferStopped

_STOP_CHECK_S = 0.1


class Throttle:
    """A limit in bytes per second over all transfers that share it. Safe from any thread."""

    def __init__(self, bytes_per_s: int) -> None:
        self._rate = bytes_per_s
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._limits = 0

    def limit(self, bytes_per_s: int) -> None:
        """Another limit from now on, also for those that wait; 0: none."""
        with self._lock:
            if bytes_per_s == self._rate:
                return
            self._rate, self._free_at, self._limits = bytes_per_s, 0.0, self._limits + 1

    def take(self, count: int, check: Callable[[], None]) -> None:
        """Waits until `count` bytes may go; `check` is called while waiting, and ends it by raising."""
        while self._rate and not self._wait(count, check):
            pass

    def _wait(self, count: int, check: Callable[[], None]) -> bool:
        """Whether the bytes may go; not so where the limit has changed meanwhile."""
        with self._lock:
            if not self._rate:
                return True
            limits, start = self._limits, max(self._free_at, time.monotonic())
            self._free_at = start + count / self._rate
        while (wait := start - time.monotonic()) > 0:
            check()
            time.sleep(min(wait, _STOP_CHECK_S))
            if limits != self._limits:
                return False
        return True


class Brake:
    """Asks `should_stop` at most ten times a second, however many threads move bytes; once true, it stays so."""

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop
        self._next = 0.0
        self._stopped = False

    def pull(self) -> None:
        """From now on every check stops."""
        self._stopped = True

    def check(self) -> None:
        """Raises TransferStopped where a stop was asked for."""
        now = time.monotonic()
        if not self._stopped and now >= self._next:
            self._next = now + _STOP_CHECK_S
            self._stopped = self._should_stop()
        if self._stopped:
            raise TransferStopped


class Transfer:
    """One file on its way. Stores call `advance` before they send bytes."""

    def __init__(self, throttle: Throttle, brake: Brake, on_bytes: Callable[[int], None]) -> None:
        self._throttle = throttle
        self._brake = brake
        self._on_bytes = on_bytes
        self._furthest = 0

    def advance(self, count: int, position: int) -> None:
        """`count` bytes go out, after which the file is sent up to `position`; a retry may come back to an earlier one.

        Raises:
            TransferStopped: a stop was asked for.
        """
        self._brake.check()
        self._throttle.take(count, self._brake.check)
        self.reach(position)

    def part(self, start: int) -> "Transfer":
        """Of bytes of the same file from `start` on, which go beside others."""
        part = Transfer(self._throttle, self._brake, self._on_bytes)
        part._furthest = start
        return part

    def reach(self, position: int) -> None:
        """Reports progress up to `position` for bytes that needn't be sent."""
        if position > self._furthest:
            self._on_bytes(position - self._furthest)
            self._furthest = position


@dataclass(frozen=True)
class Payload:
    """Bytes to put: those of a file, or of `data` where it is given."""

    path: str
    """The file's; for messages too."""
    size: int
    """Bytes."""
    sha256: str
    """Hex."""
    data: bytes | None = None

    @classmethod
    def of_bytes(cls, path: str, data: bytes) -> "Payload":
        """Bytes at hand."""
        return cls(path, len(data), hashlib.sha256(data).hexdigest(), data=data)

    def open(self) -> BinaryIO:
        """The bytes, unbuffered.

        Raises:
            FileMissing: no such file, or not a regular one that can be read.
            ContentMismatch: its size is not the expected one.
        """
        return io.BytesIO(self.data) if self.data is not None else os.fdopen(self._descriptor(), "rb", buffering=0)

    def _descriptor(self) -> int:
        try:
            # Not blocking, so that a pipe put in a file's place can't hold us.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise FileMissing(f"{self.path}: the manifest names this file, and it can't be read: {error.strerror}") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != self.size:
            os.close(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FileMissing(f"{self.path}: the manifest names this file, and it is not a regular one")
            raise ContentMismatch(self._mismatch(f"{status.st_size} bytes", f"{self.size} bytes"))
        return descriptor

    def read(self) -> bytes:
        """All of it, known to be what is expected; for small ones, of which there may be thousands.

        Raises:
            FileMissing, ContentMismatch: as `open` and `check`.
        """
        if self.data is not None:
            return self.data
        descriptor = self._descriptor()
        try:
            data = os.read(descriptor, self.size + 1)
            while len(data) < self.size and (more := os.read(descriptor, self.size + 1 - len(data))):
                data += more
        finally:
            os.close(descriptor)
        self.check(hashlib.sha256(data).hexdigest(), len(data))
        return data

    def check(self, sha256: str, size: int) -> None:
        """Compares what was read with what was expected. Raises ContentMismatch."""
        if (sha256, size) != (self.sha256, self.size):
            raise ContentMismatch(self._mismatch(f"{size} bytes, SHA-256 {sha256}", f"{self.size} bytes, SHA-256 {self.sha256}"))

    def _mismatch(self, found: str, expected: str) -> str:
        return (
            f"{self.path}: the file has {found}, the manifest says {expected}; "
            "it was changed or damaged after the recording. Run `rig verify` on the session"
        )


def read_fully(file: BinaryIO, count: int) -> bytes:
    """Up to `count` bytes; fewer only at the end."""
    blocks: list[bytes] = []
    while count and (block := file.read(count)):
        blocks.append(block)
        count -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
