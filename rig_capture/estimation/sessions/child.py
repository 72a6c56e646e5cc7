"""The process that estimates one stream of a session, so that a model that crashes takes nothing else with it.

Run as `python -m rig_capture.estimation.sessions.child`, by `EstimateProcess`. It tells on standard output, in lines of JSON: how many
frames are done, and at the end what came of it. From standard input it takes `p` (pause after the batch) and `g` (go on); once that
is closed, nobody wants its results any more, and it ends.
"""

import argparse
import json
import logging
import os
import select
import sys
import time
from pathlib import Path
from typing import IO, Any, Literal

from rig_capture.estimation.errors import ExtraMissing, ModelMissing, UnknownModel
from rig_capture.session.errors import SessionLocked

logger = logging.getLogger(__name__)

Blame = Literal["stream", "model", "session"]
"""What failed: this stream; the model, which would fail at any other too; or nothing, since the session is in use just now."""

_LOCK_S = 20.0
"""A session that is in use is waited for so long, with results at hand."""
_LOCK_POLL_S = 0.2


class Unwanted(SystemExit):
    """Nobody waits for the results any more."""


class Control:
    """What the other end of standard input wants."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def check(self, wait_s: float = 0.0) -> None:
        """Waits while it is to pause, and `wait_s` besides. Raises Unwanted."""
        while select.select([self._descriptor], [], [], wait_s)[0]:
            wanted = os.read(self._descriptor, 4096)
            if not wanted:
                raise Unwanted(1)
            if wanted.endswith(b"g"):
                return
            select.select([self._descriptor], [], [])


def main() -> int:
    """Estimates, and tells what came of it."""
    given = _arguments()
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # models may print
    _step_back(given.nice)
    control = Control(sys.stdin.fileno())
    try:
        answer = _estimate(given, told, control)
    except Exception as error:
        logger.debug("failed", exc_info=True)
        _tell(told, blame=_blame(error), error=f"{type(error).__name__}: {error}")
        return 1
    _tell(told, **answer)
    return 0


def _estimate(given: argparse.Namespace, told: IO[str], control: Control) -> dict[str, Any]:
    # Not before its priority is low: these take long to import.
    from rig_capture.estimation.estimator import DEFAULT_BATCH, Estimator
    from rig_capture.estimation.models.registry import load_model
    from rig_capture.estimation.results import write_results
    from rig_capture.estimation.video import find_videos

    begin = time.monotonic()
    # Streams of depth hold no pictures, unless they are asked for by name.
    source = next((source for source in find_videos(given.session) if source.stream == given.stream), None)
    if source is None:
        return {"skipped": f"{given.stream} holds no pictures"}
    estimator = Estimator(load_model(given.model, given.model_file), batch=given.batch or DEFAULT_BATCH)

    def progress(done: int, total: int | None) -> None:
        _tell(told, frames=done, total=total)
        control.check()

    predictions = estimator.process_video(source, progress=progress)
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            added = write_results(given.session, predictions, parquet=given.parquet)
            break
        except SessionLocked:
            if time.monotonic() > deadline:
                raise
            control.check(_LOCK_POLL_S)
    files = [f"estimates/{addition.path}" for addition in added]
    return {"files": files, "done": predictions.video.frames, "elapsed_s": round(time.monotonic() - begin, 3)}


def _blame(error: Exception) -> Blame:
    if isinstance(error, ExtraMissing | ModelMissing | UnknownModel):
        return "model"
    return "session" if isinstance(error, SessionLocked) else "stream"


def _tell(told: IO[str], **what: object) -> None:
    try:
        print(json.dumps(what), file=told, flush=True)
    except BrokenPipeError:
        raise Unwanted(1) from None


def _step_back(nice: int) -> None:
    """Gives way to whatever records: processor and disk are for others first."""
    import psutil

    own = psutil.Process()
    own.nice(max(nice, own.nice()))
    own.ionice(psutil.IOPRIO_CLASS_IDLE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("session", type=Path)
    parser.add_argument("stream")
    parser.add_argument("model")
    parser.add_argument("--model-file", default="")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--no-parquet", dest="parquet", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
