"""Making room: where it is short, the oldest sessions that are proven to be in store and catalog are removed.

A recording never waits for it: it has a thread of its own. Where store or catalog can't be asked, nothing is removed.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rig_capture.delivery.errors import DeliveryError, TransferStopped
from rig_capture.profiles.places import sessions_dir
from rig_capture.profiles.settings import RecorderParameters
from rig_capture.session.errors import SessionError
from rig_capture.session.hashing import sha256_file
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.lock import SessionLock, is_locked
from rig_capture.session.removal import finish_removals, remove_session

logger = logging.getLogger(__name__)

_LOOK_S = 5.0
_RETRY_S = 30.0
"""A session that could not be proven is asked for again after so long."""


@dataclass(frozen=True)
class RemovedSession:
    """A session that was removed."""

    recording_id: str
    bytes: int
    proof: str


class RoomMaker:
    """Owns the thread that makes room. Every method may be called from any thread."""

    def __init__(
        self,
        settings: RecorderParameters,
        is_short: Callable[[], bool],
        removed: Callable[[RemovedSession], None],
        *,
        look_s: float = _LOOK_S,
        retry_s: float = _RETRY_S,
    ) -> None:
        """Starts nothing yet.

        Args:
            settings: where sessions, store and catalog are.
            is_short: whether room is short now.
            removed: told of each session that is gone.
            look_s: time between looks.
            retry_s: time after which something that failed is tried again.
        """
        self._settings = settings
        self._root = sessions_dir(settings)
        self._is_short = is_short
        self._removed = removed
        self._look_s, self._retry_s = look_s, retry_s
        self._wake = threading.Condition()
        self._stopping = False
        self._asked = 0
        self._looked = 0
        self._interrupt: Callable[[], None] = lambda: None
        self._failure: BaseException | None = None
        self._last_error = ""
        self._thread = threading.Thread(target=self._run, name="make_room")

    @property
    def last_error(self) -> str:
        """Why the last look could not remove what it would have liked to; empty where it could."""
        return self._last_error

    def start(self) -> None:
        """Finishes interrupted removals, then looks."""
        self._thread.start()

    def stop(self) -> None:
        """Ends at once, also while it waits for the other side. Raises what the thread died of."""
        with self._wake:
            self._stopping = True
            self._interrupt()
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of, where it did."""
        if self._failure is not None:
            raise self._failure

    def ask(self) -> Callable[[], bool]:
        """Asks for a look now; what is returned tells whether it is over."""
        with self._wake:
            self._asked += 1
            mine = self._asked
            self._wake.notify_all()
        return lambda: self._looked >= mine or self._failure is not None or self._stopping

    def _run(self) -> None:
        try:
            self._finish_removals()
            while not self._stopping:
                asked = self._asked
                wait_s = self._look_s if self._look() else self._retry_s
                with self._wake:
                    self._looked = asked
                    self._wake.wait_for(lambda asked=asked: self._asked > asked or self._stopping, wait_s)  # type: ignore[misc]
        except TransferStopped:
            return  # asked to
        except BaseException as failure:
            logger.exception("making room failed")
            self._failure = failure

    def _finish_removals(self) -> None:
        try:
            for name in finish_removals(self._root):
                logger.warning("%s: its removal, once interrupted, is finished", name)
        except OSError as error:
            self._trouble(f"{self._root}: an interrupted removal can't be finished: {error}")

    def _look(self) -> bool:
        """Removes what may go until there is room; False where something kept it from that."""
        self._last_error = ""
        if self._settings.offline or not self._settings.make_room or not self._is_short():
            return True
        candidates = [session for session in sessions_in(self._root) if _is_candidate(session)]
        if not candidates:
            return True
        try:
            self._make_room(candidates)
        except (DeliveryError, OSError) as error:
            self._trouble(f"no room can be made: {error}")
        return not self._last_error

    def _make_room(self, candidates: list[Path]) -> None:
        # Not before there is something to ask: most recorders never pay for the database library.
        from rig_capture.delivery.ingest import DataInterface
        from rig_capture.delivery.proof import prove_storage

        with DataInterface.open(self._settings, roles=()) as data:
            with self._wake:
                self._interrupt = data.store.interrupt
            try:
                for session in candidates:
                    if self._stopping or not self._is_short():
                        return
                    try:
                        proof = prove_storage(session, data)
                        self._remove(session, proof.manifest_sha256, RemovedSession(proof.recording_id, proof.bytes, proof.text))
                    except (DeliveryError, SessionError) as error:
                        self._trouble(str(error))
            finally:
                with self._wake:
                    self._interrupt = lambda: None

    def _remove(self, session: Path, manifest_sha256: str, removed: RemovedSession) -> None:
        """Under the session's lock, so that nobody begins to change it; and only if it still is what was proven."""
        with SessionLock(session):
            if sha256_file(SessionLayout(session).manifest) != manifest_sha256:
                raise SessionError(f"{session}: changed while it was looked for in the store; it stays")
            remove_session(session)
        logger.warning("removed %s (%d bytes) to make room; %s", session, removed.bytes, removed.proof)
        self._removed(removed)

    def _trouble(self, text: str) -> None:
        if text != self._last_error:
            logger.info("%s", text)
        self._last_error = text


def _is_candidate(session: Path) -> bool:
    return SessionLayout(session).complete_mark.exists() and not is_locked(session)
