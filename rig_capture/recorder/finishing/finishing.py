"""What is left to do when a recording has stopped: hashes, the merged file where one is wished for, the final manifest, the mark.

A stop answers at once: all files are closed and on the disk, and a note in the session's folder (`.finishing.json`) says what is
still to be done. `finish_session` does it, from what is on the disk alone, so it can be broken off at any moment and done anew,
by the same process or the next. The chunks go last, and only where the merged file is proven, listed and on the disk.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.files import FileKind, FinishedFile
from rig_capture.recorder.finishing.interrupt import BrokenOff, Interrupted, look, never
from rig_capture.recorder.finishing.merge import OPUS, MergeFailed, merge_session
from rig_capture.session.atomic import sync_folder, write_atomic
from rig_capture.session.completion import mark_complete
from rig_capture.session.hashing import sha256_file
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock, is_locked
from rig_capture.session.manifest import EndReason, FileEntry, Manifest, State, content_hash, parse_time, read_manifest, write_manifest

log = logging.getLogger(__name__)

_NOTE_S = 2.0
"""The note on disk tells the progress this often."""
_FOR_HASHES = 0.1
"""Share of the work where there is also a file to be merged."""

OnProgress = Callable[[float], None]
"""Told how much is done, from 0 to 1."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClosedFile(_Record):
    """A file that is closed and on the disk, but not hashed yet."""

    path: str
    """Relative to the session."""
    kind: FileKind
    stream: str = ""
    first_ns: int | None = None
    last_ns: int | None = None

    @classmethod
    def of(cls, file: FinishedFile, session: Path) -> "ClosedFile":
        """From what a writer says of it."""
        path = file.path.relative_to(session).as_posix()
        return cls(path=path, kind=file.kind, stream=file.stream, first_ns=file.first_ns, last_ns=file.last_ns)

    def finished(self, layout: SessionLayout) -> FinishedFile:
        """As its writer said it."""
        return FinishedFile(layout.resolve(self.path), self.kind, self.stream, self.first_ns, self.last_ns)


class MergeWish(_Record):
    """Which merged file a session is to have."""

    keep_chunks: bool = True
    topics: tuple[str, ...] = ("*",)
    """Names or patterns of the topics that become subtitle tracks."""


class FinishingNote(_Record):
    """What is left to do with a session whose manifest is final but for its files, its hash and its state."""

    state: State
    """What it will have at its end."""
    files: tuple[ClosedFile, ...] = ()
    merge: MergeWish | None = None
    progress: float = 0.0
    """For people who look."""


@dataclass(frozen=True)
class RecordingSummary:
    """How a recording ended."""

    recording_id: str
    recording_hash: str
    path: Path
    state: State
    end_reason: EndReason
    duration_s: float
    bytes: int
    """Of all files."""
    manifest_sha256: str
    """Empty while it is being finished."""
    detail: str = ""
    """What did not go as wished, such as a merge that failed."""


class FinishingError(RecordingError):
    """A session that could not be finished; nothing is lost, and it is tried again at the recorder's next start."""


def unfinished_sessions(root: Path) -> list[Path]:
    """Sessions of a storage folder that were stopped in order, and whose finishing nobody works on; oldest first."""
    if not root.is_dir():
        return []
    found = (path.parent for path in root.glob("*/.finishing.json"))
    return sorted(session for session in found if not is_locked(session))


def write_note(session: Path, note: FinishingNote) -> None:
    """Writes a session's note, atomically. Raises OSError."""
    write_atomic(SessionLayout(session).finishing, (note.model_dump_json(indent=1) + "\n").encode())


def read_note(session: Path) -> FinishingNote:
    """A session's note. Raises FinishingError."""
    path = SessionLayout(session).finishing
    try:
        return FinishingNote.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise FinishingError(f"{path}: can't be read ({error}); remove it, and `rig repair {session}` finishes the session") from error


def summary_of(
    session: Path, manifest: Manifest, state: State, digest: str = "", detail: str = "", bytes_left: int = 0
) -> RecordingSummary:
    """The summary of a session that has its end in its manifest; `bytes_left` of files that are not listed yet."""
    ended_at = manifest.ended_at or manifest.started_at
    return RecordingSummary(
        recording_id=manifest.recording_id,
        recording_hash=manifest.recording_hash,
        path=session,
        state=state,
        end_reason=manifest.end_reason or "stopped",
        duration_s=(parse_time(ended_at) - parse_time(manifest.started_at)) / 1e9,
        bytes=manifest.total_bytes + bytes_left,
        manifest_sha256=digest,
        detail=detail,
    )


def finish_session(session: Path, progress: OnProgress = lambda fraction: None, interrupted: Interrupted = never) -> RecordingSummary:
    """Does what a session's note says, up to the completion mark. The caller holds the session's lock.

    Args:
        session: its folder.
        progress: told how much is done.
        interrupted: asked often; once it says yes, the work ends where it is, to be done anew.

    Raises:
        BrokenOff: `interrupted` said yes.
        FinishingError, SessionError: note or manifest can't be read.
        OSError: a file can't be read or written; nothing is lost.
    """
    layout = SessionLayout(session)
    note, manifest = read_note(session), read_manifest(session)
    if layout.complete_mark.exists():
        # The process died between the mark and the removal of the note.
        layout.finishing.unlink()
        return summary_of(session, manifest, manifest.state)
    report = _Report(session, note, progress)
    share = _FOR_HASHES if note.merge else 1.0
    entries = _hash_files(layout, manifest, note, lambda fraction: report(fraction * share), interrupted)
    detail = ""
    if note.merge is not None and manifest.state == "recording":
        manifest = manifest.model_copy(update={"files": tuple(entries)})
        write_manifest(session, manifest)
        entries, detail = _merge(layout, manifest, note.merge, lambda fraction: report(share + fraction * (1 - share)), interrupted)
    files = tuple(sorted(entries, key=lambda entry: entry.path))
    final = manifest.model_copy(update={"files": files, "content_hash": content_hash(files), "state": note.state})
    digest = write_manifest(session, final)
    if note.merge is not None and not note.merge.keep_chunks:
        _remove_merged_chunks(layout, final)
    mark_complete(layout, final.files)
    return summary_of(session, final, note.state, digest, detail)


def merge_now(
    session: Path, wish: MergeWish, progress: OnProgress = lambda fraction: None, interrupted: Interrupted = never
) -> RecordingSummary:
    """Gives a complete session its merged file. Until that is done it counts as one that is being finished.

    Raises:
        MergeFailed: it is not complete, or can't be merged; it is as it was.
        SessionError: it is being recorded, or has no manifest that can be read.
        BrokenOff: `interrupted` said yes; the recorder, or another call, goes on with it.
        OSError: a file can't be read or written.
    """
    layout = SessionLayout(session)
    manifest = read_manifest(session)
    if not layout.complete_mark.exists() and not layout.finishing.exists():
        raise MergeFailed(f"{session}: is not complete; `rig repair` makes it so")
    if not any(entry.kind in ("video", "audio") for entry in manifest.files):
        raise MergeFailed(f"{session}: has no chunks of video or audio that could be merged")
    with SessionLock(session):
        if not layout.finishing.exists():
            layout.complete_mark.unlink()
            write_note(session, FinishingNote(state=manifest.state, merge=wish))
            write_manifest(session, manifest.model_copy(update={"state": "recording", "content_hash": None}))
            sync_folder(session)
        summary = finish_session(session, progress, interrupted)
    if summary.detail:
        raise MergeFailed(summary.detail)
    return summary


def _hash_files(
    layout: SessionLayout, manifest: Manifest, note: FinishingNote, progress: OnProgress, interrupted: Interrupted
) -> list[FileEntry]:
    entries = list(manifest.files)
    listed = {entry.path for entry in entries}
    left = [] if manifest.state != "recording" else [file.finished(layout) for file in note.files if file.path not in listed]
    total = max(1, sum(file.path.stat().st_size for file in left))
    done = 0
    for file in left:
        entries.append(hashed_entry(file, layout.path, interrupted))
        done += entries[-1].size
        progress(done / total)
    return entries


def hashed_entry(file: FinishedFile, session: Path, interrupted: Interrupted) -> FileEntry:
    """A file's row in the manifest. Raises BrokenOff, OSError."""

    def check(done: int) -> None:
        look(interrupted)

    return file.entry(session, sha256_file(file.path, check, spare_cache=True))


def _merge(
    layout: SessionLayout, manifest: Manifest, wish: MergeWish, progress: OnProgress, interrupted: Interrupted
) -> tuple[list[FileEntry], str]:
    """The entries with the merged file among them; a merge that fails costs nothing but the merged file.

    Chunks of Opus are kept in any case: the lead-in of each is told in its own header only.
    """
    entries = list(manifest.files)
    if not any(entry.kind in ("video", "audio") for entry in entries):
        return entries, ""
    try:
        merged = merge_session(layout.path, topics=wish.topics, progress=progress, interrupted=interrupted)
        entry = hashed_entry(merged, layout.path, interrupted)
    except BrokenOff:
        raise
    except (MergeFailed, OSError) as error:
        log.exception("%s: not merged", layout.path.name)
        return entries, f"not merged: {error}"
    merged_streams = set() if wish.keep_chunks else {name for name, stream in manifest.streams.items() if stream.codec not in OPUS}
    kept = [old for old in entries if old.kind not in ("video", "audio") or old.stream not in merged_streams]
    return [*(old for old in kept if old.path != entry.path), entry], ""


def _remove_merged_chunks(layout: SessionLayout, manifest: Manifest) -> None:
    listed = {entry.path for entry in manifest.files}
    if layout.merged.name not in listed:
        return
    for name, stream in manifest.streams.items():
        if stream.kind == "topic":
            continue
        for path in layout.stream(name).glob("[0-9]*.mkv"):
            if path.relative_to(layout.path).as_posix() not in listed:
                path.unlink()


class _Report:
    """Passes progress on, and now and then writes it into the note."""

    def __init__(self, session: Path, note: FinishingNote, progress: OnProgress) -> None:
        self._session, self._note, self._progress = session, note, progress
        self._written = time.monotonic()

    def __call__(self, fraction: float) -> None:
        self._progress(fraction)
        if time.monotonic() - self._written >= _NOTE_S:
            self._written = time.monotonic()
            write_note(self._session, self._note.model_copy(update={"progress": round(fraction, 4)}))
