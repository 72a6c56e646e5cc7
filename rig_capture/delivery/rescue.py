"""All sessions of a folder, such as a disk that came from a rig, each ingested for itself."""

import logging
from collections.abc import Callable, Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

from rig_capture.delivery.errors import DeliveryError
from rig_capture.delivery.ingest import DataInterface, participant_for
from rig_capture.delivery.plan import make_plan
from rig_capture.delivery.progress import ProgressCallback
from rig_capture.delivery.scan import Candidate, CandidateKind
from rig_capture.session.layout import SessionLayout

logger = logging.getLogger(__name__)

Status = Literal["ok", "failed", "in_progress", "needs_reconstruction"]


class SessionOutcome(BaseModel):
    """What became of one sub-folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Status
    error: str = ""
    """Type and message; for sessions that were not tried, why not."""
    recording_hash: str = ""
    files_uploaded: int = 0
    files_skipped: int = 0
    bytes_uploaded: int = 0


class RescueReport(BaseModel):
    """What became of all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sessions: tuple[SessionOutcome, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def files_uploaded(self) -> int:
        """Of all sessions."""
        return sum(outcome.files_uploaded for outcome in self.sessions)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def files_skipped(self) -> int:
        """Of all sessions."""
        return sum(outcome.files_skipped for outcome in self.sessions)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def bytes_uploaded(self) -> int:
        """Of all sessions."""
        return sum(outcome.bytes_uploaded for outcome in self.sessions)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def failed(self) -> int:
        """Sessions that failed."""
        return self.count("failed")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def need_reconstruction(self) -> int:
        """Sessions without a manifest."""
        return self.count("needs_reconstruction")

    def count(self, status: Status) -> int:
        """Sessions of a status."""
        return sum(outcome.status == status for outcome in self.sessions)


def ingest_all(
    data: DataInterface, candidates: Iterable[Candidate], watch: Callable[[Candidate], ProgressCallback] | None = None
) -> RescueReport:
    """Ingests each session for itself; one that fails does not stop the others.

    Args:
        data: store and catalog, with writes enabled.
        candidates: as `scan_folder` finds them.
        watch: makes the progress callback of each session that is tried; None: nobody watches.
    """
    report = RescueReport(sessions=tuple(_outcome(data, candidate, watch) for candidate in candidates))
    try:
        # Once for all, as each would cost a request.
        data.give_up_unfinished()
    except DeliveryError as error:
        logger.warning("what killed uploads left was not removed, and will be by the next ingest: %s", error)
    return report


def _outcome(data: DataInterface, candidate: Candidate, watch: Callable[[Candidate], ProgressCallback] | None) -> SessionOutcome:
    name = candidate.path.name
    if candidate.kind is CandidateKind.IN_PROGRESS:
        return SessionOutcome(name=name, status="in_progress", error="is being recorded; run this again when it has ended")
    if candidate.kind is CandidateKind.NEEDS_RECONSTRUCTION:
        return SessionOutcome(name=name, status="needs_reconstruction", error="no manifest.json; run `rig reconstruct` on it first")
    try:
        plan = make_plan(SessionLayout(candidate.path).manifest, candidate.path)
        participant = participant_for(candidate.path, plan.manifest)
        result = data.ingest_plan(plan, participant, progress=watch(candidate) if watch else None)
    except Exception as error:
        logger.debug("%s failed", candidate.path, exc_info=True)
        return SessionOutcome(name=name, status="failed", error=f"{type(error).__name__}: {error}")
    return SessionOutcome(
        name=name,
        status="ok",
        recording_hash=plan.manifest.recording_hash,
        files_uploaded=result.files_uploaded,
        files_skipped=result.files_skipped,
        bytes_uploaded=result.bytes_uploaded,
    )
