"""SHA-256 of files."""

import hashlib
from collections.abc import Callable
from pathlib import Path

_BLOCK = 2**20


def sha256_file(path: Path, progress: Callable[[int], None] = lambda done: None) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits.

    Args:
        path: the file.
        progress: told after each megabyte how many bytes are done; what it raises ends the work.

    Raises:
        OSError: the file can't be read.
    """
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    done = 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            progress(done)
    return digest.hexdigest()
