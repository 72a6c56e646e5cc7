"""Room set apart for the end of a session."""

import os
from pathlib import Path

RESERVE_BYTES = 4 * 2**20
"""Enough for the end of a bag, frame tables and the manifest."""


class SpaceReserve:
    """Room in the session's own folder, so that it can still be finished where somebody else fills the disk to the brim."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> None:
        """Sets the room apart. Raises OSError where there is none."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        except OSError as error:
            reason = f"{os.strerror(error.errno or 0)}: no room for a session; free some space"
            raise OSError(error.errno, reason, str(self._path)) from error
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Gives the room back. Raises OSError."""
        self._path.unlink(missing_ok=True)
