"""The sessions on this machine, as the page lists and opens them."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rig_capture.console.errors import ConsoleError, NotThere
from rig_capture.delivery.ledger import LedgerEntry, LedgerError, read_entries
from rig_capture.health.events import Event, EventError
from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.files import Part, parts_of
from rig_capture.profiles.places import ledger_path
from rig_capture.reading.listing import delivery, describe
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import FileEntry, Manifest, StreamEntry, parse_time, read_manifest

REPORT = "attachments/quality_report.html"
VIDEO = {"h264": "mp4", "hevc": "mp4", "av1": "mp4"}
"""Codecs that browsers play, and the files they take them from."""
SOUND = {"pcm_s16le": "wav", "pcm_s24le": "wav", "pcm_s32le": "wav", "pcm_f32le": "wav", "flac": "flac", "opus": "webm"}
_STATES = {"interrupted": "incomplete", "unreadable": "damaged"}
_MOST_EVENTS = 200
_MOST_KNOWN = 10_000

Fingerprint = tuple[object, ...]


class SessionBook:
    """Reads sessions, and remembers what it read until they change. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Path, tuple[Fingerprint, dict[str, Any]]] = OrderedDict()
        self._damaged: dict[Path, Fingerprint] = {}

    def rows(self, root: Path, uploading: str) -> list[dict[str, Any]]:
        """All sessions of a folder, the newest first.

        Args:
            root: the folder.
            uploading: recording id of the one on its way to the store; empty: none.

        Raises:
            ConsoleError: the folder can't be read.
        """
        try:
            sessions = sessions_in(root)
        except OSError as error:
            raise ConsoleError(
                f"{root}: the sessions can't be listed: {error.strerror}; see that the disk is well and connected"
            ) from error
        ledger = _ledger()
        return [self._row(session, ledger.get(session.name), uploading) for session in reversed(sessions)]

    def found(self, root: Path, name: str) -> Path:
        """The folder of a session. Raises NotThere."""
        # Nothing of a request becomes a path: only names that are there are looked for.
        session = next((session for session in sessions_in(root) if session.name == name), None)
        if session is None:
            raise NotThere(f"{name[:200]!r}: there is no such session in {root}")
        return session

    def detail(self, root: Path, name: str, uploading: str) -> dict[str, Any]:
        """Everything of one session. Raises NotThere; one that is damaged has what can be told."""
        session = self.found(root, name)
        row = self._row(session, _ledger().get(name), uploading)
        try:
            manifest = read_manifest(session)
        except SessionError as error:
            return row | {"error": str(error), "files": [], "streams": [], "video": [], "audio": [], "loss": [], "events": []}
        begin_ns = _begin_ns(manifest)
        return row | {
            "rig": manifest.rig,
            "host": manifest.node_hostname,
            "ended_at": manifest.ended_at,
            "tags": list(manifest.tags),
            "testing_mode": manifest.testing_mode,
            "software": manifest.software,
            "files": [{"path": entry.path, "bytes": entry.size, "kind": entry.kind} for entry in manifest.files],
            "streams": [_stream(name, stream) for name, stream in manifest.streams.items()],
            "loss": list(_losses(manifest, begin_ns)),
            "events": _events(session, manifest, begin_ns),
            "video": _played(session, manifest, "video", begin_ns),
            "audio": _played(session, manifest, "audio", begin_ns),
        }

    def part(self, root: Path, name: str, stream: str, chunk: str) -> tuple[Part, str]:
        """The file of a chunk, and how that for browsers ends. Raises NotThere, ConsoleError."""
        session = self.found(root, name)
        try:
            manifest = read_manifest(session)
            entry = manifest.streams.get(stream)
            suffix = _suffix(entry) if entry is not None else ""
            part = next((part for known, part in _parts(session, manifest, stream) if known == chunk), None) if suffix else None
        except (SessionError, PlaybackError) as error:
            raise ConsoleError(str(error)) from error
        if part is None:
            raise NotThere(f"{name}: {stream}: there is no chunk {chunk[:100]!r} that a browser could play")
        return part, suffix

    def note_verdict(self, session: Path, *, whole: bool) -> None:
        """A session was verified."""
        with self._lock:
            if whole:
                self._damaged.pop(session, None)
            else:
                self._damaged[session] = _fingerprint(session)

    def _row(self, session: Path, entry: LedgerEntry | None, uploading: str) -> dict[str, Any]:
        mark = _fingerprint(session)
        with self._lock:
            known = self._known.get(session)
            damaged = self._damaged.get(session) == mark
        if known is None or known[0] != mark:
            known = (mark, describe(session))
            with self._lock:
                self._known[session] = known
                if len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
        told = dict(known[1])
        told["name"] = told.pop("session")
        state = _STATES.get(told.pop("state"), known[1]["state"])
        states = [state] + (["damaged"] if damaged and state != "damaged" else [])
        if uploading and uploading == told.get("recording_id"):
            states.append("uploading")
        elif entry is not None and entry.registration == "registered":
            states.append("uploaded")
        if told.get("estimates"):
            states.append("estimated")
        return told | delivery(entry) | {"states": states, "has_report": (session / REPORT).is_file()}


def _fingerprint(session: Path) -> Fingerprint:
    """Changes whenever what a list says of a session may have changed."""
    layout = SessionLayout(session)
    marks: list[object] = []
    for path in (layout.manifest, layout.complete_mark, session / "estimates", session / "attachments"):
        try:
            found = path.stat()
            marks.append((found.st_mtime_ns, found.st_size))
        except OSError:
            marks.append(None)
    return (*marks, marks[1] is None and is_locked(session))


def _ledger() -> dict[str, LedgerEntry]:
    try:
        return read_entries(ledger_path())
    except LedgerError:
        return {}  # a note for people only; `rig sessions` says what is wrong with it


def _begin_ns(manifest: Manifest) -> int:
    """Time 0 of the page: the first stamp of pictures or sound."""
    stamps = [parse_time(entry.started_at) for entry in manifest.files if entry.kind in ("video", "audio") and entry.started_at]
    return min(stamps, default=parse_time(manifest.started_at))


def _stream(name: str, stream: StreamEntry) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "topic": stream.topic, "kind": stream.kind, "type": stream.type, "codec": stream.codec}
    told |= {"messages": stream.messages, "bytes": stream.bytes, "rate_hz": stream.rate_hz, "lost": stream.loss.total}
    return told | {"gaps": len(stream.gaps), "note": stream.note}


def _losses(manifest: Manifest, begin_ns: int) -> Iterator[dict[str, Any]]:
    for name, stream in manifest.streams.items():
        for kind, count in stream.loss.model_dump().items():
            if count:
                yield {"stream": name, "kind": kind, "count": count}
        for gap in stream.gaps:
            length = (gap.to_ns - gap.from_ns) / 1e9
            yield {"stream": name, "kind": "gap", "at_s": (gap.from_ns - begin_ns) / 1e9, "duration_s": length, "reason": gap.reason}


def _events(session: Path, manifest: Manifest, begin_ns: int) -> list[dict[str, Any]]:
    found = [
        {"t_s": (parse_time(trigger.at) - begin_ns) / 1e9, "message": f"trigger: {trigger.source} {trigger.label}".strip(), "severity": 0}
        for trigger in manifest.trigger
    ]
    try:
        lines = SessionLayout(session).health.read_bytes().splitlines()
    except OSError:
        lines = []
    for line in lines[:_MOST_EVENTS]:
        try:
            event = Event.parse(line)
        except EventError:
            continue
        told = event.model_dump(mode="json", exclude={"evidence", "stamp_ns"})
        found.append(told | {"t_s": (event.stamp_ns - begin_ns) / 1e9, "stamp_s": event.stamp_ns / 1e9})
    return sorted(found, key=lambda event: float(event["t_s"]))


def _suffix(stream: StreamEntry) -> str:
    """How the file for browsers ends; empty where they can't play it."""
    return (VIDEO if stream.kind == "video" else SOUND).get(stream.codec, "")


def _played(session: Path, manifest: Manifest, kind: str, begin_ns: int) -> list[dict[str, Any]]:
    played = []
    for name, stream in manifest.streams.items():
        if stream.kind != kind:
            continue
        suffix = _suffix(stream)
        chunks = [
            {
                "name": f"{chunk}.{suffix or 'mkv'}",
                "start_s": (start_ns - begin_ns) / 1e9,
                "duration_s": max(0.0, (end_ns - start_ns) / 1e9),
            }
            | {
                "playable": bool(suffix),
                "url": f"/api/sessions/{quote(session.name, safe='')}/media/{quote(name, safe='')}/{chunk}.{suffix}",
            }
            for chunk, start_ns, end_ns in _chunks(manifest, name, stream)
        ]
        played.append({"stream": name, "codec": stream.codec, "chunks": chunks})
    return played


def _own(manifest: Manifest, name: str) -> list[FileEntry]:
    entries = [entry for entry in manifest.files if entry.stream == name and entry.kind in ("video", "audio")]
    return sorted(entries, key=lambda entry: entry.path)


def _chunks(manifest: Manifest, name: str, stream: StreamEntry) -> Iterator[tuple[str, int, int]]:
    """Name, first and last stamp of each chunk; where chunks were removed after merging, one that is the whole stream."""
    own = _own(manifest, name)
    for entry in own:
        if entry.started_at and entry.ended_at:
            yield Path(entry.path).stem, parse_time(entry.started_at), parse_time(entry.ended_at)
    merged = any(entry.kind == "merged" for entry in manifest.files)
    if not own and merged and stream.first_stamp_ns is not None and stream.last_stamp_ns is not None:
        yield "merged", stream.first_stamp_ns, stream.last_stamp_ns


def _parts(session: Path, manifest: Manifest, name: str) -> Iterator[tuple[str, Part]]:
    layout = SessionLayout(session)
    own = _own(manifest, name)
    for entry in own:
        yield Path(entry.path).stem, Part(layout.resolve(entry.path), 0, 0, 0)
    if not own:
        for part in parts_of(layout, manifest, name)[:1]:
            yield "merged", part
