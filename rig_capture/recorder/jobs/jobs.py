"""Recordings that are to come: a queue on disk, shared by the recorder and the command `rig jobs`.

One JSON file per job, written atomically; whoever changes one holds the lock of the folder. So the queue outlasts crashes, and
can be filled while no recorder runs.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rig_capture.recorder.errors import JobError, NothingWaits, UnknownJob
from rig_capture.session.atomic import write_atomic

JobState = Literal["queued", "scheduled", "running", "done", "failed", "cancelled", "missed"]

WAITING: frozenset[JobState] = frozenset({"queued", "scheduled"})
OVER: frozenset[JobState] = frozenset({"done", "failed", "cancelled", "missed"})

KEPT = 200
"""So many jobs that are over are kept for `rig jobs list`; older ones are forgotten."""


class Job(BaseModel):
    """A recording that is to be made, is being made, or was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{6}$")
    state: JobState
    """queued: as soon as the recorder is free; scheduled: at `start_at`."""
    created_at: AwareDatetime
    start_at: AwareDatetime | None = None
    duration_s: float = Field(gt=0, allow_inf_nan=False)
    label: str = ""
    participant: str = ""
    testing_mode: bool = False
    topics: tuple[str, ...] = ()
    grace_s: float = Field(60.0, ge=0, allow_inf_nan=False)
    """A scheduled job may begin so late; later it counts as missed."""
    repeat_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    """A scheduled job comes again after so long; whole days keep the time of day. 0: once."""
    cancel: Literal["", "drop", "keep"] = ""
    """What the operator wants done with the data of a running job that is to end."""
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    recording_id: str = ""
    reason: str = ""
    """Why it ended as it did."""

    def is_late(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.start_at is not None and now > self.start_at + timedelta(seconds=self.grace_s)

    def is_due(self, now: datetime) -> bool:
        """Whether it may begin."""
        return self.state in WAITING and (self.start_at is None or self.start_at <= now) and not self.is_late(now)

    def ended(self, state: JobState, now: datetime, reason: str, **changes: object) -> "Job":
        """The job when it is over."""
        return self.model_copy(update={"state": state, "ended_at": now, "reason": reason, **changes})

    def again(self, now: datetime) -> "Job | None":
        """The next one of a job that repeats: the first time that lies ahead; None where it comes once."""
        if self.start_at is None or not self.repeat_s:
            return None
        start = self.start_at
        # What nobody could have attended is left out at once.
        if (behind := (now - start).total_seconds()) > self.repeat_s:
            start = _later(start, self.repeat_s, int(behind // self.repeat_s))
        while start <= now or start == self.start_at:
            start = _later(start, self.repeat_s, 1)
        fresh = {"id": new_id(), "state": "scheduled", "created_at": now, "start_at": start, "cancel": "", "reason": ""}
        return self.model_copy(update=fresh | {"started_at": None, "ended_at": None, "recording_id": ""})


def _later(start: datetime, repeat_s: float, times: int) -> datetime:
    step = timedelta(seconds=repeat_s) * times
    if repeat_s % 86400:
        return start + step
    # By the clock on the wall: nine o'clock stays nine o'clock when summer time begins.
    return (start.astimezone().replace(tzinfo=None) + step).astimezone()


def new_id() -> str:
    """An id that is easily typed."""
    return secrets.token_hex(3)


class JobStore:
    """The jobs of one rig. Safe from many processes and threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, now: datetime, **fields: object) -> Job:
        """Puts a job with these fields on the queue; it is scheduled where it has a `start_at`.

        Raises:
            JobError: a field is wrong.
            OSError: it can't be written.
        """
        state = "scheduled" if fields.get("start_at") is not None else "queued"
        try:
            job = Job.model_validate({"id": new_id(), "state": state, "created_at": now, **fields})
        except ValidationError as error:
            raise JobError(
                "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']} (it is {p['input']!r})" for p in error.errors())
            ) from error
        with self._locked():
            self._write(job)
        return job

    def jobs(self) -> list[Job]:
        """All jobs: those to come or running by time, after those that are over.

        Raises:
            JobError: a file is damaged; the message names it.
        """
        jobs = [_read(path) for path in self._folder.glob("*.json")]
        return sorted(jobs, key=lambda job: (job.state not in OVER, job.started_at or job.start_at or job.created_at))

    def job(self, job_id: str) -> Job:
        """A job; its first characters are enough where they are those of one job only. Raises UnknownJob, JobError."""
        return _read(self._find(job_id))

    def changed_ns(self) -> int:
        """When jobs were last changed, by the clock of the file system; 0 where there never were any."""
        try:
            return self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def change(self, job_id: str, step: Callable[[Job], Job]) -> Job:
        """Changes a job as it is on disk now.

        Args:
            job_id: which; its first characters are enough where they are those of one job only.
            step: gives the changed job; what it raises is raised, and nothing is changed.

        Raises:
            UnknownJob: there is none, or several.
            JobError, OSError: it can't be read or written.
        """
        with self._locked():
            before = _read(self._find(job_id))
            after = step(before)
            if after != before:
                self._write(after)
        return after

    def end(self, job_id: str, state: JobState, now: datetime, reason: str, **changes: object) -> Job:
        """Ends a job, and puts the next one of it on the queue where it repeats; nothing happens to one that is over already."""
        with self._locked():
            job = _read(self._find(job_id))
            if job.state in OVER:
                return job
            following = job.again(now)
            job = job.ended(state, now, reason, **changes)
            if following is not None:
                self._write(following)
            self._write(job)
            self._forget_old()
        return job

    def miss(self, now: datetime, why: str) -> list[Job]:
        """Ends all jobs that wait and whose time is over; returns them."""
        late = [job for job in self.jobs() if job.state in WAITING and job.is_late(now)]
        return [self.end(job.id, "missed", now, why) for job in late]

    def claim(self, now: datetime, only: str = "") -> Job | None:
        """Takes the job whose turn it is, as running; None where none is due. With the id of a job, it is that one's turn or none's."""
        with self._locked():
            due = [job for job in self.jobs() if job.is_due(now) and only in ("", job.id)]
            # Who has an appointment comes before who only waits.
            due.sort(key=lambda job: (job.start_at is None, job.start_at or job.created_at))
            if not due:
                return None
            job = due[0].model_copy(update={"state": "running", "started_at": now})
            self._write(job)
            return job

    def cancel(self, job_id: str, now: datetime, *, keep_data: bool) -> Job:
        """Cancels a job that waits; of one that runs it says so, and the recorder ends it.

        Raises:
            UnknownJob: there is none, or several.
            JobError: it is over.
        """

        def step(job: Job) -> Job:
            if job.state in OVER:
                raise JobError(f"job {job.id} is {job.state} already")
            if job.state == "running":
                return job.model_copy(update={"cancel": "keep" if keep_data else "drop"})
            return job.ended("cancelled", now, "cancelled before it began")

        return self.change(job_id, step)

    def hurry(self, now: datetime) -> Job:
        """Lets the next job that waits begin as soon as the recorder is free; one that repeats comes at its time as well.

        The next one is the one that is due, else the oldest on the queue, else the first that is scheduled.

        Raises:
            NothingWaits: none does, or it is too late for those that do.
            JobError: it has begun meanwhile.
        """
        waiting = [job for job in self.jobs() if job.state in WAITING and not job.is_late(now)]
        if not waiting:
            raise NothingWaits("no job waits; add one with `rig jobs add`")
        first = min(waiting, key=lambda job: (not (job.start_at and job.is_due(now)), bool(job.start_at), job.start_at or job.created_at))
        if first.is_due(now):
            return first
        at_once: dict[str, object] = {"state": "queued", "start_at": None, "repeat_s": 0.0}
        if first.repeat_s:
            extra = first.model_copy(update={**at_once, "id": new_id(), "created_at": now})
            with self._locked():
                self._write(extra)
            return extra

        def step(job: Job) -> Job:
            if job.state not in WAITING:
                raise JobError(f"job {job.id} has begun meanwhile")
            return job.model_copy(update=at_once)

        return self.change(first.id, step)

    def reconcile(self, now: datetime, look_for: Callable[[Job], tuple[str, bool]]) -> list[Job]:
        """To be called by a recorder that has just started: what ran cannot run any more, what passed was missed.

        Args:
            now: the time.
            look_for: finds the session of a job that ran; gives its recording id ("" for none) and whether it is complete.

        Returns:
            Jobs that were changed.
        """
        changed = []
        for job in self.jobs():
            if job.state == "running":
                recording_id, complete = look_for(job)
                state: JobState = "done" if complete else "failed"
                reason = "complete; the recorder ended before it took note" if complete else _lost(recording_id)
                changed.append(self.end(job.id, state, now, reason, recording_id=recording_id))
        return changed + self.miss(now, "its time passed while no recorder ran")

    def _find(self, job_id: str) -> Path:
        found = [path for path in self._folder.glob("*.json") if path.stem.startswith(job_id)] if job_id.isalnum() else []
        if len(found) != 1:
            what = "several jobs begin so" if found else "there is no such job"
            raise UnknownJob(f"job {job_id!r}: {what}; `rig jobs list` shows all")
        return found[0]

    def _write(self, job: Job) -> None:
        write_atomic(self._folder / f"{job.id}.json", job.model_dump_json(indent=1).encode() + b"\n")

    def _forget_old(self) -> None:
        over = [job for job in self.jobs() if job.state in OVER]
        for job in over[: max(0, len(over) - KEPT)]:
            (self._folder / f"{job.id}.json").unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _lost(recording_id: str) -> str:
    if recording_id:
        return f"the recorder ended while it ran; what was written is in {recording_id}"
    return "the recorder ended while it ran; no session of it was found"


def _read(path: Path) -> Job:
    try:
        return Job.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise JobError(f"{path}: can't be read as a job: {error}; remove it, or mend it") from error
