"""What one ingest has to do: the session checked, and each of its files with its key."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rig_capture.delivery import keys
from rig_capture.delivery.errors import IncompleteManifest, SessionNotComplete, UnsafeName
from rig_capture.delivery.rows import NodeRow, Registration
from rig_capture.delivery.store import StoredObject
from rig_capture.delivery.transfer import Payload
from rig_capture.session.additions import with_additions
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import FileEntry, Manifest, content_hash, datetime_of, read_manifest, recording_hash

INGESTED_STATES = frozenset({"complete", "recovered", "failed"})


@dataclass(frozen=True)
class PlannedFile:
    """One file and its key."""

    entry: FileEntry
    key: str
    payload: Payload


@dataclass(frozen=True)
class Plan:
    """A session that may be sent, and where to."""

    manifest: Manifest
    """Of the session, with the files that were added to it afterwards."""
    content_hash: str
    """Over all of these files."""
    node: str
    prefix: str
    files: tuple[PlannedFile, ...]
    manifest_payload: Payload

    @property
    def manifest_key(self) -> str:
        """Where the manifest goes, last of all."""
        return self.prefix + keys.MANIFEST

    @property
    def total_bytes(self) -> int:
        """Of all files."""
        return sum(file.payload.size for file in self.files)

    def registration(self, store: str, stored: dict[str, StoredObject], participant: str | None) -> Registration:
        """What the catalog is told once everything is in the store; `stored` by key."""
        manifest, now = self.manifest, datetime.now(UTC)
        node = NodeRow(
            name=self.node,
            hostname=manifest.node_hostname,
            site=manifest.site,
            room=manifest.room,
            state=manifest.state,
            end_reason=manifest.end_reason,
            started_at=datetime_of(manifest.started_at),
            ended_at=_time(manifest.ended_at),
            content_hash=self.content_hash,
            file_count=len(self.files),
            bytes=self.total_bytes,
            store=store,
            prefix=self.prefix,
            manifest_sha256=self.manifest_payload.sha256,
            registered_at=now,
        )
        return Registration(
            recording_hash=manifest.recording_hash,
            recording_id=manifest.recording_id,
            rig=manifest.rig,
            organisation=manifest.organisation,
            label=manifest.label,
            testing_mode=manifest.testing_mode,
            participant=participant,
            tags=manifest.tags,
            node=node,
            files=tuple(file.entry for file in self.files),
            etags={file.entry.path: stored[file.key].etag for file in self.files},
        )


def make_plan(manifest_path: Path, source_dir: Path) -> Plan:
    """Reads and checks a session; nothing outside `source_dir` will be read.

    Raises:
        SessionError: the manifest is missing, of another version, unreadable, or names paths outside the folder.
        SourceError: the session is not complete, or its manifest has no files, or hashes or names that can't be.
    """
    own = read_manifest(manifest_path.parent)
    layout = SessionLayout(source_dir)
    _check_complete(own, layout)
    manifest = with_additions(source_dir, own)
    for text in _texts(manifest):
        keys.check_text(text)
    prefix = keys.prefix_of(manifest)
    files = tuple(_planned(entry, prefix, layout) for entry in manifest.files)
    _check_hashes(own, manifest_path)
    registered = Payload.of_bytes(str(manifest_path), manifest_path.read_bytes())
    plan = Plan(manifest, manifest.content_hash or "", keys.node_name(manifest), prefix, files, registered)
    # Made once for nothing, so that what the catalog can't take is found before anything is sent.
    plan.registration("", {file.key: StoredObject(file.key, 0, "") for file in files}, None)
    return plan


def _planned(entry: FileEntry, prefix: str, layout: SessionLayout) -> PlannedFile:
    if entry.path == keys.MANIFEST:
        raise UnsafeName(f"{layout.path}: the manifest names itself among its files; refused")
    key = keys.key_of(prefix, entry.path)
    return PlannedFile(entry, key, Payload(layout.place(entry.path), entry.size, entry.sha256))


def _check_complete(manifest: Manifest, layout: SessionLayout) -> None:
    if is_locked(layout.path):
        raise SessionNotComplete(f"{layout.path}: is being recorded; ingest it when the recording has ended")
    if manifest.state == "cancelled":
        raise SessionNotComplete(f"{layout.path}: the recording was cancelled, and cancelled ones are not ingested")
    if manifest.state not in INGESTED_STATES or not layout.complete_mark.exists():
        found = f"state {manifest.state}, {'' if layout.complete_mark.exists() else 'no '}completion mark"
        remedy = "start the recorder on its storage folder, which repairs it"
        raise SessionNotComplete(f"{layout.path}: the recording was interrupted ({found}); {remedy}")


def _check_hashes(manifest: Manifest, path: Path) -> None:
    if not manifest.files:
        raise IncompleteManifest(f"{path}: missing 'files': this node holds nothing to upload; look whether another node of the rig does")
    if manifest.content_hash is None:
        raise IncompleteManifest(f"{path}: missing 'content_hash'; reconstruct the session from its files")
    if content_hash(manifest.files) != manifest.content_hash:
        raise IncompleteManifest(f"{path}: content_hash does not fit the files it lists; the manifest was edited or damaged")
    if manifest.recording_hash != recording_hash(manifest.recording_id, manifest.rig):
        raise IncompleteManifest(f"{path}: recording_hash does not fit recording_id and rig; the manifest was edited or damaged")


def _texts(manifest: Manifest) -> list[str]:
    """What the catalog keeps as text."""
    entries = [text for entry in manifest.files for text in (entry.stream, entry.kind)]
    fields = [manifest.organisation, manifest.label, manifest.site, manifest.room, manifest.node_hostname, manifest.participant]
    return [*fields, *manifest.tags, *entries]


def _time(text: str | None) -> datetime | None:
    return datetime_of(text) if text else None
