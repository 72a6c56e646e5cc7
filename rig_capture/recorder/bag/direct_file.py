"""A bag's file, written past the page cache while much comes.

Copying raw images into the page cache, and writing them back from there within a second, takes the kernel about twice as long
as everything else that is done for them together (`bench recorder`). Whole blocks from aligned memory with O_DIRECT (open(2))
need neither. What comes slowly, a sudden burst, and what makes no whole block at a push go the ordinary way, so that all that
was pushed is in the file, to the byte, also after a kill.
"""

import contextlib
import errno
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

_BLOCK = 4096
"""Offsets and lengths are multiples of it; no disk in use has larger sectors."""
_BUFFER = 4 * 2**20
_MOST_PARTS = 1024
"""Of one call (IOV_MAX, writev(2))."""
_MUCH = 2**20
"""Bytes between two pushes from which on the page cache costs more than waiting for the disk."""


class DirectFile:
    """A file whose bytes come in order. For one thread."""

    def __init__(self, path: Path) -> None:
        """Makes the file. Raises OSError, also where it exists."""
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._direct = _open_direct(path)
        self._buffer = memoryview(_large_pages(_BUFFER))
        self._held = 0
        """Bytes in the buffer; where there are any, they begin a block of the file."""
        self._position = 0
        """Bytes that the kernel has."""
        self._since_push = 0
        self._much = False
        self.failure: OSError | None = None
        """Why a write failed."""

    @property
    def position(self) -> int:
        """Offset of the next byte."""
        return self._position + self._held

    def write(self, *parts: bytes) -> None:
        """Takes bytes; they are in the file after the next `push` at the latest.

        Raises OSError; once a write failed, ever again, so that nothing is written behind bytes that are missing.
        """
        self._check()
        self._since_push += sum(map(len, parts))
        if self._much or self._held:
            for part in parts:
                self._take(memoryview(part))
        else:
            self._put_vector(parts)

    def push(self) -> None:
        """Hands all that was written to the kernel; to be called several times a second. Raises OSError, as `write` does."""
        self._check()
        whole = self._held - self._held % _BLOCK
        self._put(self._buffer[:whole], direct=True)
        self._put(self._buffer[whole : self._held], direct=False)
        self._held = 0
        self._much = self._since_push >= _MUCH and self._direct is not None
        self._since_push = 0

    def sync(self) -> None:
        """Brings what was pushed to the disk (fdatasync). Raises OSError."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Pushes what is left, and closes. Raises OSError; the file is closed in any case."""
        if self._file < 0:
            return
        try:
            if self.failure is None:
                self.push()
        finally:
            for descriptor in (self._file, self._direct):
                if descriptor is not None:
                    os.close(descriptor)
            self._file, self._direct = -1, None

    def _take(self, given: memoryview) -> None:
        taken = 0
        if not self._held:
            taken = min(len(given), -self._position % _BLOCK)  # what is missing of the block
            self._put(given[:taken], direct=False)
        while taken < len(given):
            part = given[taken : taken + _BUFFER - self._held]
            self._buffer[self._held : self._held + len(part)] = part
            self._held += len(part)
            taken += len(part)
            if self._held == _BUFFER:
                self._put(self._buffer, direct=True)
                self._held = 0

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _put_vector(self, parts: Sequence[bytes]) -> None:
        for first in range(0, len(parts), _MOST_PARTS):
            some = parts[first : first + _MOST_PARTS]
            try:
                done = os.pwritev(self._file, some, self._position)
            except OSError as failure:
                self.failure = failure
                raise
            self._position += done
            if done < sum(map(len, some)):
                self._put(memoryview(b"".join(some))[done:], direct=False)

    def _put(self, data: memoryview, *, direct: bool) -> None:
        try:
            done = self._put_direct(data) if direct and data else 0
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self._position + done)
        except OSError as failure:
            self.failure = failure
            raise
        self._position += len(data)

    def _put_direct(self, data: memoryview) -> int:
        """How much of it was written; nothing where the file system wants another alignment than is known here."""
        if self._direct is None:
            return 0
        try:
            return os.pwrite(self._direct, data, self._position)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            os.close(self._direct)
            self._direct = None
            return 0


def _large_pages(size: int) -> mmap.mmap:
    """Memory of its own in pages as large as there are: the kernel holds each page for each write, which costs more than the write."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel that has no such pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _open_direct(path: Path) -> int | None:
    """None where the file system has no such writes."""
    with contextlib.suppress(OSError):
        return os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
    return None
