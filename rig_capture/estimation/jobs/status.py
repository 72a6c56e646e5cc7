"""What became of each job: `out/status.json`, replaced atomically; and `out/JOB/results.json`, all results of one job."""

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rig_capture.estimation.jobs.errors import JobError
from rig_capture.estimation.predictions import ModelIdentity, VideoMetadata
from rig_capture.session.atomic import write_atomic

JobState = Literal["processing", "completed", "failed"]
Stage = Literal["", "unpacking", "estimating", "finishing"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobEntry(_Record):
    """One job."""

    state: JobState
    stage: Stage = ""
    """What is being done, of one that is processed; else what was done last."""
    source: str
    """What it was called in the folder of incoming jobs."""
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    video: str = ""
    """That is being estimated, or was last."""
    videos_done: int = Field(0, ge=0)
    videos_total: int = Field(0, ge=0)
    frames_done: int = Field(0, ge=0)
    """Of this video."""
    frames_total: int | None = Field(None, ge=0)
    """Of this video; None where it is not known."""
    error: str = ""
    """TYPE: MESSAGE, of one that failed."""
    results: str = ""
    """Of one that is completed: its results.json, relative to the data folder."""
    quarantined: tuple[str, ...] = ()
    """Of one that failed: what it came with, relative to the data folder."""


class JobsStatus(_Record):
    """All jobs by name."""

    schema_version: Literal[1] = 1
    jobs: dict[str, JobEntry] = {}

    def changed(self, name: str, entry: JobEntry, kept: int) -> "JobsStatus":
        """With one job as it is now; the oldest that are over are forgotten beyond `kept`."""
        jobs = {**{known: other for known, other in self.jobs.items() if known != name}, name: entry}
        over = [known for known, other in jobs.items() if other.state != "processing"]
        for old in over[: max(0, len(over) - kept)]:
            del jobs[old]
        return JobsStatus(jobs=jobs)


class VideoResult(_Record):
    """One video of a job."""

    path: str
    """Relative to the job's folder."""
    predictions: tuple[str, ...]
    """Files with what the model made of it, relative to the job's folder."""
    video: VideoMetadata
    model: ModelIdentity
    elapsed_s: float = Field(ge=0)


class JobResults(_Record):
    """All results of one job."""

    schema_version: Literal[1] = 1
    job: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    videos: tuple[VideoResult, ...]


def read_status(path: Path) -> JobsStatus:
    """What became of each job; nothing where there is no file yet. Raises JobError."""
    try:
        return JobsStatus.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return JobsStatus()
    except (OSError, ValidationError) as error:
        raise JobError(f"{path}: can't be read: {error}; mend it, or move it away: then no job is known to be over") from error


def read_results(path: Path) -> JobResults:
    """The results of a job. Raises JobError."""
    try:
        return JobResults.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise JobError(f"{path}: can't be read: {error}; give the job in again") from error


def write_record(path: Path, record: JobsStatus | JobResults, *, durable: bool = True) -> None:
    """Writes either atomically. Raises OSError."""
    write_atomic(path, record.model_dump_json(indent=1).encode() + b"\n", durable=durable)
