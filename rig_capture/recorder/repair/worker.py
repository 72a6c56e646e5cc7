"""At its start the recorder repairs what an earlier one left, in a thread of its own, while recordings go on."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.repair.repair import Repair, interrupted_sessions, repair_session
from rig_capture.session.errors import SessionError
from rig_capture.session.removal import finish_removals

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The recorder ends; the repair is done again at its next start."""


class RepairWorker:
    """Repairs the interrupted sessions of a storage folder, one after another, from `start` to `stop`."""

    def __init__(self, root: Path, on_repaired: Callable[[RecordingSummary], None]) -> None:
        """Starts nothing yet.

        Args:
            root: folder of all sessions.
            on_repaired: told of each session that is whole again, in this thread.
        """
        self._root = root
        self._on_repaired = on_repaired
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="repair")
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
        if self._thread.ident is not None:
            self._thread.join()

    def join(self) -> None:
        """Waits until everything is repaired."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for name in finish_removals(self._root):
                log.info("%s: removed what was left of it", name)
            sessions = interrupted_sessions(self._root)
        except OSError as error:
            self._fail(f"{self._root}: {error}")
            return
        for session in sessions:
            if self._ending.is_set():
                return
            self._repair(session)

    def _repair(self, session: Path) -> None:
        self.current = session.name
        try:
            log.info("%s was interrupted; it is being repaired", session.name)
            repair = repair_session(session, progress=self._check)
        except _Stopped:
            log.info("%s: its repair is put off to the next start", session.name)
            return
        except (SessionError, RecordingError) as error:
            self._fail(str(error))
            return
        finally:
            self.current = ""
        log.info("%s", repair.line)
        if repair.changed and repair.manifest.state != "cancelled":
            self._on_repaired(_summary(repair))

    def _check(self, what: str, done: int, total: int) -> None:
        if self._ending.is_set():
            raise _Stopped

    def _fail(self, reason: str) -> None:
        self.failed.append(reason)
        log.error("a session can't be repaired: %s", reason)


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
