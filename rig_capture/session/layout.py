"""Names and places inside a session's folder, and of sessions inside a storage folder."""

import os
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rig_capture.session.errors import UnsafePath

CHUNK_NAME = re.compile(r"\d{5}\.mkv")
"""What chunks are called: see `SessionLayout.chunk`."""
_RECORDING_ID = re.compile(r"rec_\d{8}_\d{6}_[0-9a-f]{4}")


def new_recording_id(now_ns: int) -> str:
    """A recording id, ``rec_<UTC date>_<UTC time>_<4 hex>``, for a start at `now_ns` (ns since the epoch)."""
    return f"rec_{datetime.fromtimestamp(now_ns // 10**9, UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(2)}"


def is_recording_id(name: str) -> bool:
    """Whether a name is that of a recording."""
    return _RECORDING_ID.fullmatch(name) is not None


@dataclass(frozen=True)
class SessionLayout:
    """Places inside one session's folder."""

    path: Path

    @property
    def manifest(self) -> Path:
        """What the session holds."""
        return self.path / "manifest.json"

    @property
    def lock(self) -> Path:
        """Held (flock) while the session is recorded."""
        return self.path / "session.lock"

    @property
    def complete_mark(self) -> Path:
        """Empty; written last, when everything is on disk."""
        return self.path / ".rig_complete"

    @property
    def finishing(self) -> Path:
        """What is left to do with a session that was stopped in order; there from its stop to its completion mark."""
        return self.path / ".finishing.json"

    @property
    def merged(self) -> Path:
        """All streams in one Matroska file, where the profile asks for it."""
        return self.path / "recording.mkv"

    @property
    def reserve(self) -> Path:
        """Room set apart while the session is recorded, so that it can be finished on a full disk."""
        return self.path / ".reserve"

    @property
    def participant(self) -> Path:
        """One line, as the operator typed it."""
        return self.path / "participant.txt"

    @property
    def health(self) -> Path:
        """Health events while it was recorded, and the problems that were open at its start, one JSON object per line."""
        return self.path / "health.jsonl"

    @property
    def bag(self) -> Path:
        """The rosbag2 bag."""
        return self.path / "bag"

    def stream(self, name: str) -> Path:
        """The folder of one video or audio stream."""
        return self.path / name

    def frames(self, name: str) -> Path:
        """The frame table of one video or audio stream."""
        return self.stream(name) / "frames.csv"

    def chunk(self, name: str, index: int) -> Path:
        """One Matroska chunk of one video or audio stream."""
        return self.stream(name) / f"{index:05d}.mkv"

    def resolve(self, relative: str) -> Path:
        """The place of a path from a manifest. Raises UnsafePath, as `place`."""
        return Path(self.place(relative))

    def place(self, relative: str) -> str:
        """`resolve` as text, at half its cost: a session may have ten thousand files.

        Raises:
            UnsafePath: it is absolute, holds `..`, or leads out of the folder through a link.
        """
        parts = [part for part in relative.split("/") if part not in ("", ".")]
        if not parts or relative.startswith("/") or ".." in parts or "\\" in relative or "\0" in relative:
            raise UnsafePath(f"{self.path}: the manifest names {relative!r}, which is not a plain path inside the session; refused")
        place = "/".join((str(self.path), *parts))
        try:
            inside = not _has_link(self.path, parts) or Path(place).resolve().is_relative_to(self.path.resolve())
        except (OSError, ValueError, RuntimeError) as error:
            # Too long, no text that a file system can hold, or a link that leads to itself.
            raise UnsafePath(
                f"{self.path}: the manifest names {relative[:200]!r}, which can't be a file's path ({error}); refused"
            ) from error
        if not inside:
            raise UnsafePath(f"{self.path}: {relative!r} leads out of the session's folder through a link; refused")
        return place


def _has_link(folder: Path, parts: Sequence[str]) -> bool:
    """Whether something on the way from a folder to a path below it is a link; what does not exist is none."""
    place = str(folder)
    for part in parts:
        place = f"{place}/{part}"
        try:
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return True
        except (FileNotFoundError, NotADirectoryError):
            return False
    return False


def looks_like_session(folder: Path) -> bool:
    """Whether a folder is called like a recording, or holds what a recorder makes: it may have been renamed, and its manifest lost."""
    layout = SessionLayout(folder)
    marks = (layout.manifest, layout.lock, layout.complete_mark, layout.finishing, layout.bag / "metadata.yaml")
    if folder.name.startswith("rec_") or any(mark.exists() for mark in marks):
        return True
    return any(True for pattern in ("bag/*.mcap", "*/frames.csv") for _ in folder.glob(pattern))


def sessions_in(root: Path) -> list[Path]:
    """All sessions of a storage folder, by name, which is the order in which they were recorded; none that are being removed."""
    if not root.is_dir():
        return []
    entries = (entry for entry in root.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in entries if entry.is_dir() and (entry / "manifest.json").is_file())
