"""Work on a session in a process of its own: `python -m rig_capture.console.work verify|report SESSION [PAGE]`.

It steps back behind everything else, in processor and disk, and tells how far it is as lines of JSON: {"progress", "detail"}, and at
the end {"result"} or {"error"}.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from rig_capture.session.errors import SessionError

_NICE = 5
"""Beside that of the console itself."""
_TOLD_S = 0.2
_MOST_LINES = 100


def verify(session: Path, page: Path | None, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Reads a session again. Raises SessionError."""
    from rig_capture.recorder.verify.verify import verify_session

    verdict = verify_session(session, progress=progress)
    lines = verdict.damages or [verdict.line.partition(": ")[2]]
    lines += [f"lost while recording, on record: {loss}" for loss in verdict.losses]
    return {"ok": verdict.whole, "text": lines[:_MOST_LINES]}


def report(session: Path, page: Path | None, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Writes the quality report. Raises SessionError, OSError."""
    from rig_capture.reporting.analyse import analyse_session
    from rig_capture.reporting.page import render_html
    from rig_capture.session.atomic import write_atomic

    found = analyse_session(session, progress)
    assert page is not None
    page.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(page, render_html(found).encode(), 0o600, durable=False)
    return {"ok": found.whole, "text": list(found.problems[:_MOST_LINES])}


WORK = {"verify": verify, "report": report}


def main() -> int:
    """Entry point."""
    os.nice(_NICE)
    psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    kind, session, page = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None
    told_at, rounds = 0.0, 0

    def progress(what: str, done: int, total: int) -> None:
        nonlocal told_at, rounds
        now = time.monotonic()
        if now - told_at >= _TOLD_S:
            told_at = now
            # A report first verifies, then reads each stream once more.
            share = (done / total if total else 0.0) if kind == "verify" else (rounds + (done / total if total else 0.0)) / 2
            _tell({"progress": round(min(share, 1.0), 3), "detail": what})
        rounds += what == "done"

    try:
        _tell({"result": WORK[kind](session, page, progress)})
    except (SessionError, OSError) as error:
        _tell({"error": str(error)})
    return 0


def _tell(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
