"""Quality reports of finished sessions, made in the background by processes of low priority that rest while something is recorded."""

import contextlib
import logging
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from rig_capture.owned_thread import OwnedThread
from rig_capture.session.additions import read_additions
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.manifest import read_manifest

log = logging.getLogger(__name__)

ATTACHED = "quality_report.html"
"""Name of the page among a session's attachments."""

_LOOK_S = 0.2
_TRIES, _RETRY_S = 3, 5.0
"""Another program may be adding something to the session."""
_LONGEST_REASON = 500


class ReportWorker:
    """Owns the thread, and the process that it waits for, from `start` to `stop`. What was left undone is done after the next start."""

    def __init__(self, root: Path, busy: Callable[[], bool]) -> None:
        """Makes nothing yet.

        Args:
            root: folder of the sessions.
            busy: whether something is recorded.
        """
        self._root, self._busy = root, busy
        self._waiting: list[Path] = []
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._thread = OwnedThread("reports", self._run, self._died)
        self.failed: list[str] = []
        """Why sessions have no report, one line each."""

    def start(self) -> None:
        """Begins, with sessions whose profile asks for a report that they lack."""
        self._thread.start()

    def put(self, session: Path) -> None:
        """Leaves a finished session to be reported on."""
        with self._changed:
            self._waiting.append(session)
            self._changed.notify_all()

    def stop(self) -> None:
        """Breaks off what is under way, and joins."""
        self._ending.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        for session in sessions_in(self._root):
            if self._ending.is_set():
                return
            with self._alone(session):
                if _lacks_report(session):
                    self.put(session)
        while (next_one := self._next()) is not None:
            with self._alone(next_one):
                self._report(next_one)

    @contextlib.contextmanager
    def _alone(self, session: Path) -> Iterator[None]:
        """What goes wrong with one session keeps no other from its report."""
        try:
            yield
        except Exception as error:
            log.exception("%s: no report could be made", session.name)
            text = f"{session.name}: {type(error).__name__}: {error}"
            self.failed.append(f"{text}; it is tried again at the recorder's next start, and by `rig report {session} --attach`")

    def _died(self, failure: BaseException) -> None:
        self.failed.append(f"{self._root}: no report is made any more before the recorder's next start: {failure}")

    def _next(self) -> Path | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._ending.is_set())
            return None if self._ending.is_set() else self._waiting.pop(0)

    def _report(self, session: Path) -> None:
        reason = ""
        for attempt in range(_TRIES):
            if attempt and self._ending.wait(_RETRY_S):
                return
            reason = self._made(session)
            if self._ending.is_set() or not session.is_dir() or has_report(session):
                return
        self.failed.append(f"{session.name}: {reason}")
        log.error("%s: no report could be made: %s", session.name, reason)

    def _made(self, session: Path) -> str:
        """Runs the command; what it said where it failed."""
        command = [sys.executable, "-P", "-m", "rig_capture.cli", "report", str(session), "--attach"]
        with tempfile.TemporaryFile() as errors:
            # In a session of its own: Ctrl-C at a terminal is for its owner, who ends it.
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True) as process:
                self._wait(process)
            errors.seek(0)
            return errors.read().decode(errors="replace").strip()[-_LONGEST_REASON:]

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).nice(19)
            psutil.Process(process.pid).ionice(psutil.IOPRIO_CLASS_IDLE)
        is_resting = False
        while process.poll() is None:
            if self._ending.is_set():
                process.kill()
                return
            if self._busy() != is_resting:
                is_resting = not is_resting
                process.send_signal(signal.SIGSTOP if is_resting else signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)


def has_report(session: Path) -> bool:
    """Whether a session has a report among its attachments."""
    try:
        return any(file.path == ATTACHED for file in read_additions(session, "attachments").files)
    except SessionError:
        return False


def _lacks_report(session: Path) -> bool:
    """Whether a finished session's own profile asked for a report that it lacks."""
    if not SessionLayout(session).complete_mark.exists():
        return False
    try:
        manifest = read_manifest(session)
    except SessionError:
        return False
    recorder = manifest.profile.get("recorder")
    return isinstance(recorder, dict) and recorder.get("report") is True and manifest.state == "complete" and not has_report(session)
