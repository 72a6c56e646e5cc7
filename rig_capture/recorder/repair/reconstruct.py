"""A manifest for a session that has none, from its files alone, with the hashes that the recorder would have written.

What the files can't tell is marked in the manifest's block `reconstruction`: the participant, where no file names one, and the end,
which is the last sample's stamp, or the newest file's time where there are no stamps.
"""

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from rig_capture import __version__
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.repair.contents import mend_contents
from rig_capture.recorder.repair.repair import RepairFailed, final_manifest
from rig_capture.session.completion import mark_complete
from rig_capture.session.errors import ManifestError, UnsupportedManifestVersion
from rig_capture.session.layout import SessionLayout, looks_like_session
from rig_capture.session.lock import SessionLock, is_locked
from rig_capture.session.manifest import SCHEMA_VERSION, Manifest, iso_time, parse_time, read_manifest, recording_hash, write_manifest

_ID = re.compile(r"rec_\d{8}_\d{6}_[0-9a-f]{4}")
_OLD = "manifest.old.json"

OnProgress = Callable[[str, int, int], None]


class NotReconstructed(RecordingError):
    """A session for which no manifest can be made as things are."""


@dataclass(frozen=True)
class Origin:
    """What files do not tell of where they come from."""

    rig: str
    node: str = ""
    """Host that recorded; empty: what the folder's name has behind the recording id."""
    organisation: str = ""
    site: str = ""
    room: str = ""


def needs_reconstruction(session: Path) -> bool:
    """Whether a folder looks like a session and has no manifest, or one that is older or no JSON; not while it is recorded."""
    layout = SessionLayout(session)
    if is_locked(session):
        return False
    if not layout.manifest.exists():
        return looks_like_session(session)
    try:
        read_manifest(session)
    except UnsupportedManifestVersion as error:
        return isinstance(error.found, int) and error.found < SCHEMA_VERSION
    except ManifestError:
        return True
    return False


def reconstruct_session(session: Path, origin: Origin, progress: OnProgress = lambda what, done, total: None) -> Manifest:
    """Makes manifest and completion mark; unfinished bags and chunks get their end. A manifest that was no good is kept beside.

    Raises:
        NotReconstructed: there are no files, the recording id or the node is not known, or the session has a manifest.
        SessionLocked: it is being recorded.
        RepairFailed: a file can't be read or written; nothing is lost.
    """
    if not needs_reconstruction(session):
        raise NotReconstructed(f"{session}: has a manifest, or is being recorded; `rig repair` mends sessions that have one")
    layout = SessionLayout(session)
    begin = _first_manifest(layout, origin)
    try:
        with SessionLock(session):
            if layout.manifest.exists():
                layout.manifest.rename(session / _OLD)
            return _reconstruct(layout, begin, progress)
    except OSError as error:
        raise RepairFailed(f"{session}: can't be reconstructed: {error}; nothing is lost, try again once that is mended") from error


def _first_manifest(layout: SessionLayout, origin: Origin) -> Manifest:
    session = layout.path
    if not any(path.is_file() and path not in (layout.lock, layout.complete_mark) for path in session.rglob("*")):
        raise NotReconstructed(f"{session}: holds no files; its recording ended before it began")
    recording_id = _recording_id(layout)
    named = session.name.removeprefix(recording_id).strip("_-. ") if session.name.startswith(recording_id) else ""
    node = origin.node or named
    if not node:
        raise NotReconstructed(f"{session}: which machine recorded it is not known; say it with --node, as two nodes must not be mixed up")
    text = layout.participant.read_text("utf-8", "replace") if layout.participant.is_file() else ""
    lines = text.strip().splitlines()
    started = datetime.strptime(recording_id[4:19], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    return Manifest(
        recording_id=recording_id,
        recording_hash=recording_hash(recording_id, origin.rig),
        rig=origin.rig,
        node_hostname=node,
        organisation=origin.organisation,
        site=origin.site,
        room=origin.room,
        started_at=iso_time(int(started.timestamp()) * 10**9),
        state="recording",
        participant=lines[0].strip() if lines else "",
    )


def _recording_id(layout: SessionLayout) -> str:
    """As the bag says, which stays with the session when its folder is renamed; else as the folder is called."""
    name = layout.path.name
    with suppress(OSError, yaml.YAMLError, KeyError, TypeError):  # an old or unfinished bag, or none
        information: Any = yaml.safe_load((layout.bag / "metadata.yaml").read_bytes())["rosbag2_bagfile_information"]
        name = str(information["custom_data"]["recording_id"])
    found = _ID.match(name)
    if found is None:
        raise NotReconstructed(
            f"{layout.path}: neither its bag nor its name tells the recording id; call the folder rec_<date>_<time>_<4 hex digits>"
        )
    return found.group()


def _reconstruct(layout: SessionLayout, begin: Manifest, progress: OnProgress) -> Manifest:
    newest_ns = max((path.stat().st_mtime_ns for path in layout.path.rglob("*") if path.is_file() and path != layout.lock), default=0)
    # Without an end, so that the time since is not taken for a loss: copying may have taken days.
    contents = mend_contents(layout, begin, parse_time(begin.started_at), progress)
    stamps = [stream.last_stamp_ns for stream in contents.streams.values() if stream.last_stamp_ns is not None]
    ended_ns = max(stamps, default=newest_ns)
    block = {
        "tool": f"rig_capture {__version__}",
        "host": socket.gethostname(),
        "requires_participant_backfill": not begin.participant,
        "reconstructed_ended_at": True,
        "ended_at_from": "stamps" if stamps else "file times",
    }
    manifest = final_manifest(begin, contents, "recovered", "crash", ended_ns).model_copy(update={"reconstruction": block})
    write_manifest(layout.path, manifest)
    mark_complete(layout, manifest.files)
    return manifest
