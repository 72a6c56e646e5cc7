"""What the catalog tells, as frozen models."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from rig_capture.session.manifest import FileEntry


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRow(_Row):
    """One file of one node."""

    path: str
    """Relative to the session, with `/`; the object's key is the node's prefix and this."""
    size: int
    """Bytes."""
    sha256: str
    kind: str
    stream: str
    started_at: datetime | None
    ended_at: datetime | None
    etag: str
    """As the store told it when the file was put."""


class NodeRow(_Row):
    """What one machine recorded."""

    name: str
    """The manifest's node id, or the host's name."""
    hostname: str
    site: str
    room: str
    state: str
    """complete, recovered or failed."""
    end_reason: str | None
    started_at: datetime
    ended_at: datetime | None
    content_hash: str
    file_count: int
    bytes: int
    store: str
    """The store's address."""
    prefix: str
    """What the keys of its objects begin with."""
    manifest_sha256: str
    registered_at: datetime


class RecordingRow(_Row):
    """One recording, of all its nodes."""

    recording_hash: str
    recording_id: str
    rig: str
    organisation: str
    label: str
    testing_mode: bool
    started_at: datetime
    """The earliest of all nodes."""
    ended_at: datetime | None
    """The latest of all nodes."""
    participants: tuple[str, ...]
    """Names, sorted."""
    tags: tuple[str, ...]
    """Sorted."""
    nodes: tuple[NodeRow, ...]
    """By name."""
    registered_at: datetime
    updated_at: datetime


class Registration(_Row):
    """What the catalog is told of one node's session, once all of it is in the store."""

    recording_hash: str
    recording_id: str
    rig: str
    organisation: str
    label: str
    testing_mode: bool
    participant: str | None
    tags: tuple[str, ...]
    node: NodeRow
    files: tuple[FileEntry, ...]
    etags: dict[str, str]
    """As the store told them when the files were put, by path."""
