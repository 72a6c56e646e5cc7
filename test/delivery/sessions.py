"""Sessions for tests, made with the session room's own functions."""

import hashlib
from pathlib import Path
from typing import Any

from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import FileEntry, Manifest, content_hash, recording_hash, write_manifest

RECORDING_ID = "rec_20260507_143022_a1b2"
STARTED, ENDED = "2026-05-07T14:30:22.000000+00:00", "2026-05-07T14:31:22.000000+00:00"

FILES = {"bag/metadata.yaml": b"version: 9\n", "bag/bag_0.mcap": bytes(range(256)) * 40, "camera_front/00000.mkv": b"frames" * 1000}


def file_entry(path: str, data: bytes) -> FileEntry:
    """An entry as the recorder writes it."""
    kind = {".mcap": "bag", ".mkv": "video", ".yaml": "bag_metadata", ".txt": "participant"}.get(Path(path).suffix, "other")
    return FileEntry.model_validate(
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "kind": kind, "started_at": STARTED}
    )


def make_session(
    folder: Path,
    files: dict[str, bytes] | None = None,
    *,
    recording_id: str = RECORDING_ID,
    host: str = "host-a",
    participant: str = "",
    complete: bool = True,
    **fields: Any,
) -> Path:
    """A session's folder with these files, a manifest that fits them, and the completion mark."""
    contents = dict(FILES if files is None else files)
    if participant:
        contents["participant.txt"] = f"{participant}\n".encode()
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)
    entries = tuple(file_entry(path, data) for path, data in contents.items())
    values: dict[str, Any] = {
        "recording_id": recording_id,
        "rig": "rig1",
        "node_hostname": host,
        "started_at": STARTED,
        "ended_at": ENDED,
        "state": "complete",
        "end_reason": "stopped",
        "files": entries,
        "content_hash": content_hash(entries),
        **fields,
    }
    values.setdefault("recording_hash", recording_hash(recording_id, values["rig"]))
    write_manifest(folder, Manifest(**values))
    if complete:
        SessionLayout(folder).complete_mark.touch()
    return folder
