"""Interrupted sessions are made whole again: every byte that can be read is kept, and the manifest says what was lost.

A session is interrupted where its completion mark is missing and nobody holds its lock. It can be repaired again where a repair
was itself interrupted; a session that is whole is not touched.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.finishing.finishing import finish_session
from rig_capture.recorder.repair.contents import MendedContents, mend_contents
from rig_capture.session.atomic import write_atomic
from rig_capture.session.completion import mark_complete
from rig_capture.session.errors import ManifestError, UnsupportedManifestVersion
from rig_capture.session.hashing import sha256_file
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock, is_locked
from rig_capture.session.manifest import EndReason, Manifest, State, content_hash, iso_time, parse_time, read_manifest, write_manifest

OnProgress = Callable[[str, int, int], None]
"""Told which file is being mended, and how many of how many bytes are done."""

_NOTES = ".repair.json"


class RepairFailed(RecordingError):
    """A session that could not be repaired. Whatever was there still is."""


@dataclass(frozen=True)
class Repair:
    """What became of one session."""

    path: Path
    """Of the session that is whole now: the copy, where one was made."""
    manifest: Manifest
    manifest_sha256: str
    changed: bool
    """Something was to be done."""
    crash_gaps: dict[str, float]
    """Per stream: seconds from its last sample to the crash."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return self.manifest.total_bytes

    @property
    def duration_s(self) -> float:
        """From the start to the crash."""
        manifest = self.manifest
        return (parse_time(manifest.ended_at) - parse_time(manifest.started_at)) / 1e9 if manifest.ended_at else 0.0

    @property
    def line(self) -> str:
        """In one line."""
        name = self.manifest.recording_id
        if not self.changed:
            return f"{name}: nothing to mend"
        messages = sum(stream.messages for stream in self.manifest.streams.values())
        lost = f", at most {max(self.crash_gaps.values()):.2f} s lost per stream" if self.crash_gaps else ""
        return f"{name}: {self.manifest.state}: {len(self.manifest.files)} files, {messages} messages{lost}"

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {
            "path": str(self.path),
            "recording_id": self.manifest.recording_id,
            "state": self.manifest.state,
            "end_reason": self.manifest.end_reason,
            "changed": self.changed,
            "files": len(self.manifest.files),
            "bytes": self.bytes,
            "crash_gaps_s": self.crash_gaps,
        }


def is_interrupted(session: Path) -> bool:
    """Whether a session's recorder died while recording: no mark, no note of a stop, lock not held. Raises OSError."""
    at = SessionLayout(session)
    return not at.complete_mark.exists() and not at.finishing.exists() and not is_locked(session)


def repair_session(
    session: Path, *, out: Path | None = None, anew: bool = False, progress: OnProgress = lambda what, done, total: None
) -> Repair:
    """Repairs an interrupted session; one that is whole is left alone.

    Args:
        session: its folder.
        out: folder in which a copy is made, which is then repaired; None: the session itself.
        anew: also a session that has its completion mark, because it has been damaged since.
        progress: told as the work goes on.

    Raises:
        SessionError: there is no manifest that can be read, or the session is being recorded.
        RepairFailed: a file can't be read or written; nothing is lost.
    """
    _readable(session)
    try:
        if out is not None:
            session = _copy(session, out)
        with SessionLock(session):
            return _repair(SessionLayout(session), anew=anew, progress=progress)
    except OSError as error:
        raise RepairFailed(f"{session}: can't be repaired: {error}; nothing is lost, repair it again once that is mended") from error


def _readable(session: Path) -> None:
    try:
        read_manifest(session)
    except UnsupportedManifestVersion:
        raise
    except ManifestError as error:
        raise ManifestError(f"{error}; without it nothing can be repaired, but the session can be reconstructed from its files") from error


def _copy(session: Path, out: Path) -> Path:
    target = out / session.resolve().name
    if target.exists():
        raise RepairFailed(f"{target}: is there already; remove it or name another folder for the copy")
    out.mkdir(parents=True, exist_ok=True)
    unborn = out / f".{target.name}.copying"
    if unborn.exists():
        shutil.rmtree(unborn)
    shutil.copytree(session, unborn, symlinks=True)
    unborn.rename(target)
    return target


def _repair(layout: SessionLayout, *, anew: bool, progress: OnProgress) -> Repair:
    # Read again under the lock: another process may have repaired the session in the meantime.
    manifest = read_manifest(layout.path)
    marked = layout.complete_mark.exists()
    if layout.finishing.exists() and not anew:
        # It was stopped in order, and nothing is torn.
        digest = finish_session(layout.path, lambda fraction: progress("what was left to do", int(fraction * 100), 100)).manifest_sha256
        return Repair(layout.path, read_manifest(layout.path), digest, changed=True, crash_gaps={})
    if marked and not anew:
        return Repair(layout.path, manifest, sha256_file(layout.manifest), changed=False, crash_gaps={})
    if manifest.state != "recording" and not anew and _all_there(layout, manifest):
        # It died between the final manifest and the mark.
        _complete(layout, manifest)
        return Repair(layout.path, manifest, sha256_file(layout.manifest), changed=True, crash_gaps={})
    crashed_ns = _crash_time(layout, manifest)
    layout.reserve.unlink(missing_ok=True)
    layout.complete_mark.unlink(missing_ok=True)
    contents = mend_contents(layout, manifest, crashed_ns, progress)
    state: State = "cancelled" if manifest.state == "cancelled" else "recovered"
    final = final_manifest(manifest, contents, state, manifest.end_reason or "crash", crashed_ns)
    digest = write_manifest(layout.path, final)
    _complete(layout, final)
    return Repair(layout.path, final, digest, changed=True, crash_gaps=dict(_crash_gaps(final)))


def final_manifest(manifest: Manifest, contents: MendedContents, state: State, end_reason: EndReason, ended_ns: int) -> Manifest:
    """The manifest of a session whose contents were mended."""
    return manifest.model_copy(
        update={
            "files": contents.files,
            "streams": contents.streams,
            "content_hash": content_hash(contents.files),
            "state": state,
            "end_reason": end_reason,
            "ended_at": manifest.ended_at or iso_time(max(ended_ns, parse_time(manifest.started_at))),
        }
    )


def _crash_gaps(manifest: Manifest) -> Iterator[tuple[str, float]]:
    for name, stream in manifest.streams.items():
        for gap in stream.gaps:
            if gap.reason == "crash":
                yield name, (gap.to_ns - gap.from_ns) / 1e9


def _all_there(layout: SessionLayout, manifest: Manifest) -> bool:
    for entry in manifest.files:
        path = layout.resolve(entry.path)
        if not path.is_file() or path.stat().st_size != entry.size:
            return False
    return True


def _crash_time(layout: SessionLayout, manifest: Manifest) -> int:
    """The last sign of life: the newest time of a file, ns. Kept, since the repair itself changes files."""
    notes = layout.path / _NOTES
    if notes.is_file():
        try:
            return int(json.loads(notes.read_bytes())["crashed_ns"])
        except (ValueError, KeyError, TypeError):
            notes.unlink()
    if manifest.ended_at is not None:
        crashed_ns = parse_time(manifest.ended_at)
    else:
        files = (path for path in layout.path.rglob("*") if path.is_file() and path != layout.lock)
        crashed_ns = max((path.stat().st_mtime_ns for path in files), default=time.time_ns())
    write_atomic(notes, json.dumps({"crashed_ns": crashed_ns}).encode())
    return crashed_ns


def _complete(layout: SessionLayout, manifest: Manifest) -> None:
    # First, since nobody looks for it in a session that is marked; the final manifest tells the time of the crash, too.
    (layout.path / _NOTES).unlink(missing_ok=True)
    mark_complete(layout, manifest.files)
