"""Files as they are finished: made durable, hashed once, and put on the list."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rig_capture.session.hashing import sha256_file
from rig_capture.session.manifest import FileEntry, iso_time

FileKind = Literal["bag", "bag_metadata", "video", "audio", "frames", "participant", "health", "merged", "other"]


@dataclass(frozen=True)
class FinishedFile:
    """A file that its writer has closed."""

    path: Path
    kind: FileKind
    stream: str = ""
    first_ns: int | None = None
    """Stamp of its first sample, ns; None where it has none."""
    last_ns: int | None = None

    def entry(self, session: Path, sha256: str = "") -> FileEntry:
        """Its row in the manifest: makes it durable and reads it once, while it is still in the page cache.

        Args:
            session: its folder.
            sha256: of the file, where it is known; it is not read then.

        Raises:
            OSError: it can't be synced or read.
        """
        sync_file(self.path)
        return FileEntry(
            path=self.path.relative_to(session).as_posix(),
            size=self.path.stat().st_size,
            sha256=sha256 or sha256_file(self.path),
            kind=self.kind,
            stream=self.stream,
            started_at="" if self.first_ns is None else iso_time(self.first_ns),
            ended_at="" if self.last_ns is None else iso_time(self.last_ns),
        )


OnFinished = Callable[[FinishedFile], None]
"""Told of each file when its writer has closed it, in the writer's thread."""


def sync_file(path: Path) -> None:
    """Brings a file's data to the disk (fdatasync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
