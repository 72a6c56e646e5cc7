"""Lets the recorder work off its jobs, one at a time."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rig_capture.recorder.errors import JobError, RecordingError, Refused
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.jobs.jobs import WAITING, Job, JobState, JobStore
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import RecordingRequest
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.manifest import read_manifest

log = logging.getLogger(__name__)

_CLOCK_NS = 100_000_000


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class JobRunner:
    """Begins jobs whose turn it is, ends cancelled ones, and notes how each ended."""

    def __init__(
        self, store: JobStore, manager: RecordingManager, root: Path, now: Callable[[], datetime] = utc_now, only: str = ""
    ) -> None:
        """Does nothing yet.

        Args:
            store: the jobs.
            manager: records.
            root: folder of all sessions.
            now: the time.
            only: id of the one job that is begun, while all others go on waiting; empty: all are.
        """
        self._store, self._manager, self._root, self._now, self._only = store, manager, root, now, only
        self._seen_ns = -1
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._ends: deque[RecordingSummary] = deque()
        self._looking = threading.Lock()
        self._last_trouble = ""

    def reconcile(self) -> None:
        """To be called once, before the first `look`: brings jobs up to date with what happened meanwhile."""
        try:
            for job in self._store.reconcile(self._now(), self._session_of):
                log.warning("job %s is %s: %s", job.id, job.state, job.reason)
        except (JobError, OSError) as error:
            self._trouble(error)

    def look(self) -> None:
        """Does what is due; to be called often. Returns when a job that begins is being recorded."""
        with self._looking:
            try:
                self._settle()
                self._read_where_changed()
                self._end_where_cancelled()
                self._begin_what_is_due()
            except (JobError, OSError) as error:
                self._trouble(error)

    def ended(self, summary: RecordingSummary) -> None:
        """A recording has ended; noted at the next `look`, or at `close`."""
        self._ends.append(summary)

    def close(self) -> None:
        """To be called when the manager is closed: notes how the job that ran has ended."""
        self.look()

    def _settle(self) -> None:
        while self._ends:
            summary, job = self._ends.popleft(), self._running
            if job is None or job.recording_id != summary.recording_id:
                continue
            self._running = None
            states: dict[str, JobState] = {"stopped": "done", "duration": "done"}
            state = "cancelled" if summary.state == "cancelled" else states.get(summary.end_reason, "failed")
            reason = f"{summary.end_reason} after {summary.duration_s:.1f} of {job.duration_s:g} s"
            self._end(job, state, reason, summary.recording_id)

    def _begin_what_is_due(self) -> None:
        now = self._now()
        if any(job.is_late(now) for job in self._waiting):
            self._miss(now)
        if self._running is None and any(job.is_due(now) for job in self._waiting) and not self._manager.refusal():
            self._begin_next()

    def _read_where_changed(self) -> None:
        changed_ns = self._store.changed_ns()
        if changed_ns == self._seen_ns:
            return
        jobs = self._store.jobs()
        self._waiting = [job for job in jobs if job.state in WAITING]
        running = self._running
        if running is not None:
            self._running = next((job for job in jobs if job.id == running.id), running)
        # The clock of file systems is coarse: two changes at once may bear the same time, and the second must be seen too.
        self._seen_ns = changed_ns if time.time_ns() - changed_ns > _CLOCK_NS else -1

    def _miss(self, now: datetime) -> None:
        for job in self._store.miss(now, "the recorder was busy until its time was over"):
            log.error("job %s is missed: %s", job.id, job.reason)
        self._read_where_changed()

    def _begin_next(self) -> None:
        job = self._store.claim(self._now(), self._only)
        if job is None:
            return
        log.info("job %s begins: %g s %s", job.id, job.duration_s, job.label)
        request = RecordingRequest(job.label, job.participant, job.testing_mode, job.duration_s, job.topics)
        try:
            recording = self._manager.begin(request)
        except (RecordingError, OSError) as error:
            if self._manager.is_closed:
                # The next recorder tries again.
                state: JobState = "queued" if job.start_at is None else "scheduled"
                self._store.change(job.id, lambda job: job.model_copy(update={"state": state, "started_at": None}))
            else:
                self._end(job, "failed", f"start refused: {error}", "")
            return
        recording_id = recording.recording_id
        self._running = self._store.change(job.id, lambda job: job.model_copy(update={"recording_id": recording_id}))

    def _end_where_cancelled(self) -> None:
        job = self._running
        if job is None or not job.cancel:
            return
        try:
            self._manager.cancel(keep_data=job.cancel == "keep", recording_id=job.recording_id)
        except Refused:
            return  # it has just ended; `ended` knows how

    def _end(self, job: Job, state: JobState, reason: str, recording_id: str) -> None:
        try:
            self._store.end(job.id, state, self._now(), reason, recording_id=recording_id)
        except (JobError, OSError) as error:
            self._trouble(error)
        log.log(logging.ERROR if state == "failed" else logging.INFO, "job %s is %s: %s", job.id, state, reason)

    def _session_of(self, job: Job) -> tuple[str, bool]:
        """The session of a job that ran when the recorder ended, and whether it is complete."""
        for session in reversed(sessions_in(self._root)):
            try:
                manifest = read_manifest(session)
            except SessionError:
                continue  # shown by `rig sessions`; it can't be told whose it is
            begun = datetime.fromisoformat(manifest.started_at)
            same = manifest.recording_id == job.recording_id if job.recording_id else manifest.label == job.label and _after(begun, job)
            if same:
                complete = manifest.state == "complete" and SessionLayout(session).complete_mark.exists()
                return manifest.recording_id, complete
        return job.recording_id, False

    def _trouble(self, error: Exception) -> None:
        if str(error) != self._last_trouble:
            log.error("jobs: %s", error)
        self._last_trouble = str(error)


def _after(begun: datetime, job: Job) -> bool:
    return job.started_at is not None and begun >= job.started_at
