"""Moving sessions to a disk that travels: copied, read back, compared, and only then removed here.

A copy grows under a name that no session has, and gets its own when every byte of it was read back from the disk. Whatever ends
it in between, the session here is untouched, and the next run goes on with the files that are there.
"""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rig_capture.delivery.errors import ContentMismatch, DeliveryError, SourceError
from rig_capture.delivery.volumes import Volume
from rig_capture.session.additions import with_additions
from rig_capture.session.atomic import sync_folder
from rig_capture.session.errors import SessionError, SessionLocked
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock, is_locked
from rig_capture.session.manifest import read_manifest
from rig_capture.session.removal import remove_session

logger = logging.getLogger(__name__)

UNFINISHED = ".offloading-"
"""What the names of copies on their way begin with."""

_BLOCK = 2**20
_ROOM = 64 * 2**20
"""Bytes that stay free on the disk."""

OnBytes = Callable[[int], None]


class OffloadOutcome(BaseModel):
    """What became of one session, or would."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Literal["moved", "copied", "planned", "in_progress", "failed"]
    bytes: int = 0
    target: str = ""
    """Folder on the disk."""
    error: str = ""


@dataclass(frozen=True)
class Move:
    """A session and where it goes."""

    session: Path
    target: Path
    bytes: int


def sessions_to_move(root: Path) -> list[Path]:
    """All folders of a storage folder that are sessions or called like one, by name."""
    if not root.is_dir():
        return []
    folders = (entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."))
    return sorted(folder for folder in folders if SessionLayout(folder).manifest.is_file() or folder.name.startswith("rec_"))


def plan_move(session: Path, volume: Volume) -> Move:
    """Where a session goes: its own name, or one with its host's where another session has that name.

    Raises:
        SessionError: its manifest can't be read.
        OSError: a folder can't be read.
    """
    target = volume.mount / session.name
    if target.exists() and not _is_copy(session, target):
        target = volume.mount / f"{session.name}_{_host(session)}"
    return Move(session, target, sum(path.stat().st_size for path in _files(session)))


def offload(
    sessions: Iterable[Path], volume: Volume, *, keep: bool, dry_run: bool, on_bytes: OnBytes = lambda n: None
) -> list[OffloadOutcome]:
    """Moves each session for itself; one that fails does not stop the others, save where the disk is gone.

    Args:
        sessions: folders.
        volume: where they go.
        keep: copy and verify, and remove nothing.
        dry_run: only say what would be done.
        on_bytes: told of bytes as they are copied or found there.
    """
    return [_outcome(session, volume, keep=keep, dry_run=dry_run, on_bytes=on_bytes) for session in sessions]


def _outcome(session: Path, volume: Volume, *, keep: bool, dry_run: bool, on_bytes: OnBytes) -> OffloadOutcome:
    if is_locked(session):
        return OffloadOutcome(name=session.name, status="in_progress", error="is being recorded, or held by another program; it stays")
    try:
        volume.check()
        move = plan_move(session, volume)
        if not dry_run:
            _move(move, volume, keep=keep, on_bytes=on_bytes)
    except SessionLocked as error:
        return OffloadOutcome(name=session.name, status="in_progress", error=str(error))
    except (DeliveryError, SessionError, OSError) as error:
        return OffloadOutcome(name=session.name, status="failed", error=f"{type(error).__name__}: {error}; the session stays")
    status: Literal["planned", "copied", "moved"] = "planned" if dry_run else "copied" if keep else "moved"
    return OffloadOutcome(name=session.name, status=status, bytes=move.bytes, target=str(move.target))


def _move(move: Move, volume: Volume, *, keep: bool, on_bytes: OnBytes) -> None:
    # Held to the end, so that no recorder or repair changes what is being copied, and removed.
    with SessionLock(move.session):
        files = list(_files(move.session))
        unfinished = move.target if move.target.exists() else move.target.with_name(UNFINISHED + move.target.name)
        hashes = {path: _copy(path, _place(path, move.session, unfinished), volume, on_bytes) for path in files}
        _check_manifest(move.session, hashes)
        for path, digest in hashes.items():
            _read_back(_place(path, move.session, unfinished), digest)
        for folder in {_place(path, move.session, unfinished).parent for path in files}:
            sync_folder(folder)
        volume.check()
        if unfinished != move.target:
            unfinished.rename(move.target)
        sync_folder(volume.mount)
        logger.info("%s: %d files are at %s, read back and compared", move.session.name, len(files), move.target)
        if not keep:
            if set(_files(move.session)) != set(files):
                raise SourceError(f"{move.session}: got other files while it was copied; it stays, run this again")
            remove_session(move.session)


def _files(session: Path) -> Iterator[Path]:
    """All files, the lock's excepted; a session with anything else in it is refused, since that would be lost."""
    layout = SessionLayout(session)
    for path in sorted(session.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise SourceError(f"{path}: is neither file nor folder, and can't be moved; take it out of the session")
        if path.is_file() and path != layout.lock:
            yield path


def _place(path: Path, session: Path, target: Path) -> Path:
    return target / path.relative_to(session)


def _copy(source: Path, target: Path, volume: Volume, on_bytes: OnBytes) -> str:
    """Copies a file durably, or leaves what a former run copied; returns the source's SHA-256."""
    volume.check()
    status = source.stat()
    if target.is_file() and target.stat().st_size == status.st_size:
        # Whether it is the same is seen when it is read back.
        found = _hash(source, on_bytes)
        if _hash(target) == found:
            return found
        target.unlink()
    if volume.free < status.st_size + _ROOM:
        raise SourceError(f"{volume.mount}: no room for {source} ({status.st_size} bytes, {volume.free} free)")
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(_BLOCK):
            digest.update(block)
            writing.write(block)
            on_bytes(len(block))
        writing.flush()
        os.fsync(writing.fileno())
        # So that it is read back from the disk, not from memory.
        os.posix_fadvise(writing.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return digest.hexdigest()


def _hash(path: Path, on_bytes: OnBytes = lambda n: None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()


def _check_manifest(session: Path, hashes: dict[Path, str]) -> None:
    """What was read must be what was recorded; a damaged session is for its owner to look at, not to be moved on."""
    layout = SessionLayout(session)
    if not layout.complete_mark.exists():
        return
    for entry in with_additions(session, read_manifest(session)).files:
        if hashes.get(layout.resolve(entry.path)) != entry.sha256:
            raise ContentMismatch(f"{session}: {entry.path} is missing or not what the manifest says; run `rig verify` on the session")


def _read_back(path: Path, digest: str) -> None:
    if _hash(path) != digest:
        raise ContentMismatch(f"{path}: what was read back is not what was written; the disk or its cable is bad")


def _is_copy(session: Path, target: Path) -> bool:
    """Whether a folder on the disk is this session, from a run that ended before its removal here."""
    own, other = SessionLayout(session).manifest, SessionLayout(target).manifest
    if own.is_file() and other.is_file():
        return own.read_bytes() == other.read_bytes()
    return {path.relative_to(session) for path in _files(session)} == {path.relative_to(target) for path in _files(target)}


def _host(session: Path) -> str:
    name = read_manifest(session).node_hostname if SessionLayout(session).manifest.is_file() else os.uname().nodename
    return re.sub(r"[^A-Za-z0-9._-]", "-", name) or "node"
