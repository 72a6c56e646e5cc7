"""SHA-256 of files."""

import contextlib
import hashlib
import mmap
import os
import secrets
from collections.abc import Callable
from pathlib import Path

_BLOCK = 2**20


def sha256_file(path: Path, progress: Callable[[int], None] = lambda done: None, *, spare_cache: bool = False) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits.

    Args:
        path: the file.
        progress: told after each megabyte how many bytes are done; what it raises ends the work.
        spare_cache: reads a file that is not in the page cache past it (O_DIRECT), which takes the kernel a third of the processor
            time or less; for files that nobody reads again soon.

    Raises:
        OSError: the file can't be read.
    """
    digest = hashlib.sha256()
    buffer = memoryview(mmap.mmap(-1, _BLOCK))  # aligned, as O_DIRECT wants it
    done = 0
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(path.open("rb", buffering=0))
        direct = _open_direct(path, file.fileno()) if spare_cache else None
        if direct is not None:
            closing.callback(os.close, direct)
        while count := _read_direct(direct, buffer, done):
            digest.update(buffer[:count])
            done += count
            progress(done)
        file.seek(done)  # what is left, where the file system wants another alignment; else nothing
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            progress(done)
    return digest.hexdigest()


def _open_direct(path: Path, descriptor: int) -> int | None:
    """None where the file is in the page cache, or its file system has no such reads."""
    # Anywhere: to ask for a place brings it into the cache, and who broke off before may have asked.
    place = secrets.randbelow(max(1, os.fstat(descriptor).st_size))
    try:
        os.preadv(descriptor, [bytearray(1)], place, os.RWF_NOWAIT)
    except BlockingIOError:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:  # can't be told
        return None
    return None


def _read_direct(descriptor: int | None, buffer: memoryview, offset: int) -> int:
    """Bytes read; 0 at the end, and where the offset is none that can be read from."""
    if descriptor is None or offset % _BLOCK:
        return 0
    try:
        return os.preadv(descriptor, [buffer], offset)
    except OSError:
        return 0  # whoever reads on the ordinary way is told
