"""What the estimator tells of itself, and of each stream it is through with."""

from dataclasses import dataclass

IDLE, ESTIMATING, WAITING, PAUSED = "idle", "estimating", "waiting", "paused"


@dataclass(frozen=True)
class EstimatorReport:
    """What the estimator is doing; fields as in the message EstimatorStatus."""

    state: str = IDLE
    detail: str = ""
    model: str = ""
    workers: int = 1
    queued: int = 0
    streams_done: int = 0
    streams_failed: int = 0
    current: tuple[str, ...] = ()
    current_frames: tuple[int, ...] = ()
    current_total: tuple[int, ...] = ()
    rate_frames_s: float = 0.0
    last_error: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one stream; fields as in the message EstimateEvent."""

    recording_id: str
    path: str
    stream: str
    model: str
    success: bool
    error: str = ""
    given_up: bool = False
    files: tuple[str, ...] = ()
    frames: int = 0
    elapsed_s: float = 0.0
