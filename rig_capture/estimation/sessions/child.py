"""The process that estimates streams of sessions, so that a model that crashes takes nothing else with it.

Run as `python -m rig_capture.estimation.sessions.child`, by `EstimateProcess`. It loads the model and tells its name; then it takes one
stream after the other. Standard input brings, line by line: `p` (pause after the batch), `g` (go on), or a JSON list of session and
stream; once it is closed, nobody wants its results any more, and it ends. Standard output tells, in lines of JSON, how many frames are
done, and what came of each stream.
"""

import argparse
import json
import logging
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rig_capture.session.errors import SessionLocked

if TYPE_CHECKING:
    from rig_capture.estimation.estimator import Estimator

logger = logging.getLogger(__name__)

Blame = Literal["stream", "session"]
"""What failed: this stream, or nothing, since the session is in use just now."""

Tell = Callable[..., None]

_LOCK_S = 20.0
"""A session that is in use is waited for so long, with results at hand."""
_LOCK_POLL_S = 0.2


class Unwanted(SystemExit):
    """Nobody waits for results any more."""


class Control:
    """What the other end of standard input wants."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._paused = False
        self._tasks: list[tuple[Path, str]] = []

    def next(self) -> tuple[Path, str]:
        """Waits for a session and a stream. Raises Unwanted."""
        while not self._tasks or self._paused:
            self._read()
        return self._tasks.pop(0)

    def check(self, wait_s: float = 0.0) -> None:
        """Waits while it is to pause, and `wait_s` besides. Raises Unwanted."""
        while self._paused or select.select([self._descriptor], [], [], wait_s)[0]:
            self._read()

    def _read(self) -> None:
        data = os.read(self._descriptor, 65536)
        if not data:
            raise Unwanted(0)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line in (b"p", b"g"):
                self._paused = line == b"p"
            else:
                session, stream = json.loads(line)
                self._tasks.append((Path(session), stream))


def main() -> int:
    """Estimates what it is given, until nobody wants any more."""
    given = _arguments()
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # models may print
    _step_back(given.nice)

    def tell(**what: object) -> None:
        try:
            print(json.dumps(what), file=told, flush=True)
        except BrokenPipeError:
            raise Unwanted(0) from None

    try:
        estimator = _load(given)
    except Exception as error:
        logger.debug("failed", exc_info=True)
        tell(error=f"{type(error).__name__}: {error}")
        return 1
    tell(model=estimator.model.identity.name)
    control = Control(sys.stdin.fileno())
    while True:
        session, stream = control.next()
        try:
            answer = _estimate(estimator, session, stream, tell, control, parquet=given.parquet)
        except Exception as error:
            logger.debug("failed", exc_info=True)
            blame: Blame = "session" if isinstance(error, SessionLocked) else "stream"
            answer = {"error": f"{type(error).__name__}: {error}", "blame": blame}
        tell(**answer)


def _load(given: argparse.Namespace) -> "Estimator":
    # Not before its priority is low: these take long to import.
    from rig_capture.estimation.estimator import DEFAULT_BATCH, Estimator
    from rig_capture.estimation.models.registry import load_model

    return Estimator(load_model(given.model, dict(text.split("=", 1) for text in given.set)), batch=given.batch or DEFAULT_BATCH)


def _estimate(estimator: "Estimator", session: Path, stream: str, tell: Tell, control: Control, *, parquet: bool) -> dict[str, Any]:
    from rig_capture.estimation.results import write_results
    from rig_capture.estimation.video import find_videos

    begin = time.monotonic()
    # Streams of depth hold no pictures, unless they are asked for by name.
    source = next((source for source in find_videos(session) if source.stream == stream), None)
    if source is None:
        return {"skipped": f"{stream} holds no pictures"}

    def progress(done: int, total: int | None) -> None:
        tell(frames=done, total=total)
        control.check()

    predictions = estimator.process_video(source, progress=progress)
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            added = write_results(session, predictions, parquet=parquet)
            break
        except SessionLocked:
            if time.monotonic() > deadline:
                raise
            control.check(_LOCK_POLL_S)
    files = [f"estimates/{addition.path}" for addition in added]
    return {"files": files, "done": predictions.video.frames, "elapsed_s": round(time.monotonic() - begin, 3)}


def _step_back(nice: int) -> None:
    """Gives way to whatever records: processor and disk are for others first."""
    import psutil

    own = psutil.Process()
    own.nice(max(nice, own.nice()))
    own.ionice(psutil.IOPRIO_CLASS_IDLE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--no-parquet", dest="parquet", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
