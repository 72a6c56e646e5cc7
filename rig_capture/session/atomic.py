"""Files that are there whole or not at all, also after a power cut."""

import os
import re
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")


def sync_folder(folder: Path) -> None:
    """Makes names created, renamed or removed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Writes a file by way of a temporary one: fsync, rename, fsync of the folder.

    Args:
        path: of the file.
        data: all of it.
        mode: of the file.
        durable: without, nothing is waited for: readers still find the old file or the new one, but a power cut may take both.

    Raises:
        OSError: nothing was changed under `path`; the temporary file is gone.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Removes what killed processes left of files in the making, in a folder and all below, where nobody writes now. Raises OSError."""
    for path in folder.rglob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)
