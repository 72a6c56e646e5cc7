"""The manifest: what a session holds, who recorded it, and what was lost."""

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rig_capture.session.atomic import write_atomic
from rig_capture.session.clocks import ClockEntry
from rig_capture.session.errors import ManifestError, UnsupportedManifestVersion
from rig_capture.session.layout import SessionLayout
from rig_capture.session.levels import ChannelLevels

SCHEMA_VERSION = 4

LARGEST_MANIFEST = 64 * 2**20
"""Bytes; a larger file is no manifest of ours and is not parsed."""

State = Literal["recording", "complete", "recovered", "cancelled", "failed"]
EndReason = Literal["stopped", "duration", "disk_full", "storage_limit", "device_lost", "error", "crash"]
StreamKind = Literal["video", "audio", "topic"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def _sha256_text(text: str) -> str:
    if _SHA256.fullmatch(text) is None:
        raise ValueError("is not a SHA-256 as 64 hex digits")
    return text


def _time_text(text: str) -> str:
    try:
        datetime_of(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:80]!r} is no ISO 8601 time") from error
    return text


def _time_text_or_none(text: str) -> str:
    return text and _time_text(text)


Sha256 = Annotated[str, AfterValidator(_sha256_text)]
Time = Annotated[str, AfterValidator(_time_text)]
"""ISO 8601 UTC, as `iso_time` writes it."""
TimeOrNone = Annotated[str, AfterValidator(_time_text_or_none)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FileEntry(_Record):
    """One file of the session."""

    path: str
    """Relative to the session, with `/`."""
    size: int = Field(ge=0)
    """Bytes."""
    sha256: Sha256
    kind: Literal["bag", "bag_metadata", "video", "audio", "frames", "participant", "health", "report", "merged", "other"]
    stream: str = ""
    """Name of the stream; empty for files of many."""
    started_at: TimeOrNone = ""
    """Of the first sample; empty where there is none."""
    ended_at: TimeOrNone = ""
    """Of the last sample."""


class Loss(_Record):
    """Messages that did not reach the files, counted where each was lost."""

    dds: int = 0
    """Lost by DDS (message_lost events)."""
    sequence: int = 0
    """Missing in publication sequence numbers or in the `seq` of packets and chunks, beyond those counted under `dds`."""
    queue: int = 0
    """Dropped because a writer's queue was full."""
    encoder: int = 0
    """Not given back by an encoder in the recorder."""

    @property
    def total(self) -> int:
        """All together."""
        return self.dds + self.sequence + self.queue + self.encoder


class Gap(_Record):
    """A time without data in a stream."""

    from_ns: int = Field(alias="from")
    """Stamp of the last sample before it, ns."""
    to_ns: int = Field(alias="to")
    """Stamp of the first sample after it, ns."""
    reason: str


class Trigger(_Record):
    """What made the recorder save an event."""

    at: Time
    source: str
    """`service`, `topic NAME` or `health NODE CODE`."""
    label: str = ""


class StreamEntry(_Record):
    """One recorded topic."""

    kind: StreamKind
    topic: str
    type: str
    host: str = ""
    """By whose clock its stamps are, as `clock` names it; empty where that is not known, or several hosts publish it."""
    codec: str = ""
    """Of video (h264, ...) or audio (pcm_s16le, ...); empty for topics."""
    settings: dict[str, Any] = {}
    """What a reader needs to interpret it, such as width, height, sample_rate, channels."""
    messages: int = 0
    bytes: int = 0
    first_stamp_ns: int | None = None
    last_stamp_ns: int | None = None
    rate_hz: float | None = None
    """Mean over the session; None with fewer than two messages."""
    loss: Loss = Loss()
    gaps: tuple[Gap, ...] = ()
    overruns: int = 0
    """Of sound: times that samples were lost before they reached its node, as its levels tell."""
    levels: tuple[ChannelLevels, ...] = ()
    """Of sound: how loud each channel was, as its levels tell."""
    note: str = ""
    """Why it is not recorded, where it could not be."""


class Manifest(_Record):
    """A session's manifest, schema version 4."""

    schema_version: Literal[4] = 4
    recording_id: str = Field(min_length=1)
    recording_hash: Sha256
    content_hash: Sha256 | None = None
    rig: str
    node_hostname: str
    node_id: str = ""
    site: str = ""
    room: str = ""
    organisation: str = ""
    tags: tuple[str, ...] = ()
    started_at: Time
    ended_at: Time | None = None
    state: State
    end_reason: EndReason | None = None
    testing_mode: bool = False
    label: str = ""
    participant: str = ""
    trigger: tuple[Trigger, ...] = ()
    """Events that this session was saved for, or that came while it ran."""
    files: tuple[FileEntry, ...] = ()
    streams: dict[str, StreamEntry] = {}
    clock: dict[str, ClockEntry] = {}
    """By host: the clocks that stamped its streams, and the recorder's."""
    profile: dict[str, Any] = {}
    software: dict[str, str] = {}
    reconstruction: dict[str, Any] | None = None
    signature: dict[str, Any] | None = None

    @property
    def total_bytes(self) -> int:
        """Of all files together."""
        return sum(entry.size for entry in self.files)


def iso_time(stamp_ns: int) -> str:
    """ISO 8601 UTC with microseconds from ns since the epoch."""
    seconds, rest = divmod(stamp_ns, 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000).isoformat(timespec="microseconds")


def parse_time(text: str) -> int:
    """Ns since the epoch from ISO 8601, as `datetime_of` reads it."""
    whole = datetime_of(text)
    return int(whole.replace(microsecond=0).timestamp()) * 10**9 + whole.microsecond * 1000


def datetime_of(text: str) -> datetime:
    """The time of an ISO 8601 text, in UTC, which is also meant where it names no zone.

    Raises:
        ValueError, OverflowError: it is none; never of times in a `Manifest`, which were checked.
    """
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def recording_hash(recording_id: str, rig: str) -> str:
    """SHA-256 over recording id and rig name, the same on every node of one recording."""
    return _hash_json({"recording_id": recording_id, "rig": rig})


def content_hash(files: Iterable[FileEntry]) -> str:
    """SHA-256 over the sorted (path, size, sha256) rows of one node."""
    return _hash_json(sorted([entry.path, entry.size, entry.sha256] for entry in files))


def _hash_json(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(session: Path) -> Manifest:
    """The manifest of a session's folder.

    Raises:
        UnsupportedManifestVersion: another schema version.
        ManifestError: missing, unreadable, or not what it should be.
        UnsafePath: it names a file outside the folder.
    """
    layout = SessionLayout(session)
    values = _read_json(layout.manifest)
    version = values.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise UnsupportedManifestVersion(layout.manifest, version, SCHEMA_VERSION)
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()[:5])
        remedy = "it was edited or damaged; move it elsewhere, and `rig reconstruct` makes a new one"
        raise ManifestError(f"{layout.manifest}: {problems}; {remedy}") from error
    seen: set[str] = set()
    for entry in manifest.files:
        place = layout.place(entry.path)
        if place in seen:
            raise ManifestError(f"{layout.manifest}: names {entry.path} twice")
        seen.add(place)
    return manifest


def _read_json(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        if size > LARGEST_MANIFEST:
            raise ManifestError(f"{path}: {size} bytes is too large for a manifest (at most {LARGEST_MANIFEST})")
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: there is no manifest; the session can be reconstructed from its files") from error
    except OSError as error:
        raise ManifestError(f"{path}: can't be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ManifestError(f"{path}: not a JSON object")
    return values


def manifest_bytes(manifest: Manifest) -> bytes:
    """A manifest as it is written: UTF-8, keys sorted."""
    values = manifest.model_dump(mode="json", by_alias=True)
    return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_manifest(session: Path, manifest: Manifest) -> str:
    """Writes a session's manifest atomically.

    Returns:
        SHA-256 of what was written.

    Raises:
        OSError: it could not be written; the old one is still there.
    """
    data = manifest_bytes(manifest)
    write_atomic(SessionLayout(session).manifest, data)
    return hashlib.sha256(data).hexdigest()
