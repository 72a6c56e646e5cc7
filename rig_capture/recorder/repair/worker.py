"""At its start the recorder repairs what an earlier one left, in a thread of its own, while recordings go on."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from rig_capture.owned_thread import OwnedThread
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.repair.repair import Repair, is_interrupted, repair_session
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import sessions_in
from rig_capture.session.removal import finish_removals

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The recorder ends; the repair is done again at its next start."""


class RepairWorker:
    """Repairs the interrupted sessions of a storage folder, one after another, from `start` to `stop`."""

    def __init__(self, root: Path, on_repaired: Callable[[RecordingSummary], None], on_failed: Callable[[str, str], None]) -> None:
        """Starts nothing yet.

        Args:
            root: folder of all sessions.
            on_repaired: told of each session that is whole again, in this thread.
            on_failed: told of a session (or of none) that could not be repaired, and why, in this thread.
        """
        self._root = root
        self._on_repaired, self._on_failed = on_repaired, on_failed
        self._ending = threading.Event()
        self._thread = OwnedThread("repair", self._run, self._died)
        self.current = ""
        """The session being repaired."""
        self.failed: list[str] = []
        """Why sessions could not be repaired, one line each."""

    def start(self) -> None:
        """Begins; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the file that is being mended, and joins."""
        self._ending.set()
        self._thread.join()

    def join(self) -> None:
        """Waits until everything is repaired."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for name in finish_removals(self._root):
                log.info("%s: removed what was left of it", name)
        except OSError as error:
            self._fail("", f"{self._root}: an interrupted removal can't be finished: {error}; it is tried again")
        for session in [session for session in sessions_in(self._root) if self._is_interrupted(session)]:
            if self._ending.is_set():
                return
            self.current = session.name
            try:
                self._repair(session)
            except _Stopped:
                log.info("%s: its repair is put off to the next start", session.name)
            except (SessionError, RecordingError) as error:
                self._fail(session.name, str(error))
            except Exception as error:
                # One session that is broken in a way that nobody thought of keeps no other from being repaired.
                log.exception("%s: could not be repaired", session.name)
                text = f"{session.name} could not be repaired: {type(error).__name__}: {error}"
                self._fail(session.name, f"{text}; it is tried again at the recorder's next start, `rig repair` mends a copy of it")
            finally:
                self.current = ""

    def _is_interrupted(self, session: Path) -> bool:
        try:
            return is_interrupted(session)
        except OSError as error:
            self._fail(
                session.name, f"{session.name} can't be looked at: {error}; once that is mended, the recorder's next start repairs it"
            )
            return False

    def _repair(self, session: Path) -> None:
        log.info("%s was interrupted; it is being repaired", session.name)
        repair = repair_session(session, progress=self._check)
        log.info("%s", repair.line)
        if repair.changed and repair.manifest.state != "cancelled":
            self._on_repaired(_summary(repair))

    def _check(self, what: str, done: int, total: int) -> None:
        if self._ending.is_set():
            raise _Stopped

    def _died(self, failure: BaseException) -> None:
        self._fail("", f"{self._root}: repairing has ended: {failure}; it is gone on with at the recorder's next start")

    def _fail(self, session: str, reason: str) -> None:
        self.failed.append(reason)
        log.error("%s", reason)
        self._on_failed(session, reason)


def _summary(repair: Repair) -> RecordingSummary:
    manifest = repair.manifest
    return RecordingSummary(
        recording_id=manifest.recording_id,
        recording_hash=manifest.recording_hash,
        path=repair.path,
        state=manifest.state,
        end_reason=manifest.end_reason or "crash",
        duration_s=repair.duration_s,
        bytes=repair.bytes,
        manifest_sha256=repair.manifest_sha256,
    )
