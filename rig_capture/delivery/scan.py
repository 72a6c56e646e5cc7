"""What lies in a folder of sessions, and which of it can be ingested."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rig_capture.session.layout import SessionLayout, looks_like_session
from rig_capture.session.lock import is_locked


class CandidateKind(Enum):
    """What a sub-folder is."""

    INGESTABLE = "ingestable"
    """Has a manifest and is not being recorded; whether it is complete and sound is for the ingest to say."""
    IN_PROGRESS = "in_progress"
    """Is being recorded."""
    NEEDS_RECONSTRUCTION = "needs_reconstruction"
    """Called like a recording, or holding what a recorder makes, without a manifest."""


@dataclass(frozen=True)
class Candidate:
    """A sub-folder that is or might be a session."""

    path: Path
    kind: CandidateKind


def scan_folder(root: Path) -> list[Candidate]:
    """Every immediate sub-folder that is or might be a session, by name; where `root` is a session itself, that one.

    Raises:
        OSError: the folder can't be read.
    """
    if SessionLayout(root).manifest.exists() or SessionLayout(root).complete_mark.exists():
        return [Candidate(root, _kind(root))]
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir())
    return [Candidate(folder, _kind(folder)) for folder in folders if looks_like_session(folder)]


def _kind(folder: Path) -> CandidateKind:
    if is_locked(folder):
        return CandidateKind.IN_PROGRESS
    return CandidateKind.INGESTABLE if SessionLayout(folder).manifest.exists() else CandidateKind.NEEDS_RECONSTRUCTION
