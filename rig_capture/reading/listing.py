"""Sessions of a folder as a list shows them: state, length, size, losses, what became of them."""

from pathlib import Path
from typing import Any

from rig_capture.delivery.ledger import LedgerEntry
from rig_capture.estimation.listing import estimated_by
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import Manifest, parse_time, read_manifest


def duration_s(manifest: Manifest) -> float | None:
    """Seconds from start to end; None while it is recorded."""
    return None if manifest.ended_at is None else (parse_time(manifest.ended_at) - parse_time(manifest.started_at)) / 1e9


def describe(session: Path) -> dict[str, Any]:
    """One session as the list shows it; one whose manifest can't be read has the state ``unreadable`` and an error."""
    try:
        manifest = read_manifest(session)
        length = duration_s(manifest)
    except SessionError as error:
        return {"session": session.name, "path": str(session), "state": "unreadable", "error": str(error)}
    state: str = manifest.state
    if state == "recording" and not is_locked(session):
        state = "interrupted"
    return {
        "session": session.name,
        "path": str(session),
        "recording_id": manifest.recording_id,
        "state": state,
        "end_reason": manifest.end_reason,
        "complete": SessionLayout(session).complete_mark.exists(),
        "started_at": manifest.started_at,
        "duration_s": length,
        "bytes": manifest.total_bytes,
        "streams": len(manifest.streams),
        "lost": sum(stream.loss.total for stream in manifest.streams.values()),
        "label": manifest.label,
        "participant": manifest.participant,
        "estimates": _estimates(session),
    }


def delivery(entry: LedgerEntry | None) -> dict[str, str]:
    """What this machine's ledger notes of the session's way to store and catalog."""
    return {"delivery": entry.text if entry else "", "delivery_error": entry.error if entry else ""}


def _estimates(session: Path) -> dict[str, list[str]]:
    """Models whose estimates lie in a session, by stream; what is wrong with them is for `rig verify` to say."""
    try:
        return {stream: list(models) for stream, models in estimated_by(session).items()}
    except SessionError:
        return {}
