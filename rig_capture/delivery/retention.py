"""Making room: where it is short, the oldest sessions that are proven to be in store and catalog are removed.

While nothing is recorded, so are those that are older than the settings want, or in the way of the free bytes they want. A recording
never waits for it: it has a thread of its own. Where store or catalog can't be asked, nothing is removed. Each removal is in the ledger.
"""

import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rig_capture.delivery.errors import DeliveryError, TransferStopped
from rig_capture.delivery.ledger import Ledger, LedgerError
from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.places import ledger_path, sessions_dir
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.session.additions import with_additions
from rig_capture.session.errors import SessionError
from rig_capture.session.hashing import sha256_file
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.lock import SessionLock, is_locked
from rig_capture.session.manifest import read_manifest
from rig_capture.session.removal import finish_removals, remove_session

if TYPE_CHECKING:
    from rig_capture.delivery.proof import StorageProof

logger = logging.getLogger(__name__)

_LOOK_S = 5.0
_RETRY_S = 30.0
"""A session that could not be proven is asked for again after so long, where room is short."""
_SWEEP_S = 600.0
"""Time between sweeps for age and free bytes."""

SHORT, AGE, FREE = "room was short", "older than keep_days", "fewer bytes free than keep_free"


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
        is_idle: Callable[[], bool] = lambda: True,
        *,
        look_s: float = _LOOK_S,
        retry_s: float = _RETRY_S,
        sweep_s: float = _SWEEP_S,
    ) -> None:
        """Starts nothing yet.

        Args:
            settings: where sessions, store and catalog are.
            is_short: whether room is short now.
            removed: told of each session that is gone.
            is_idle: whether nothing is recorded.
            look_s: time between looks.
            retry_s: time after which something that failed is tried again.
            sweep_s: time between sweeps for age and free bytes.
        """
        self.settings = settings
        """May be replaced while running."""
        self._root = sessions_dir(settings)
        self._is_short = is_short
        self._removed = removed
        self._is_idle = is_idle
        self._look_s, self._retry_s, self._sweep_s = look_s, retry_s, sweep_s
        self._swept_at = -math.inf
        self._wake = threading.Condition()
        self._stopping = False
        self._asked = 0
        self._looked = 0
        self._interrupt: Callable[[], None] = lambda: None
        self._last_error = ""
        self._thread = OwnedThread("make_room", self._run)

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
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of, where it did."""
        self._thread.check()

    def ask(self) -> Callable[[], bool]:
        """Asks for a look now; what is returned tells whether it is over."""
        with self._wake:
            self._asked += 1
            mine = self._asked
            self._wake.notify_all()
        return lambda: self._looked >= mine or self._thread.failure is not None or self._stopping

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

    def _finish_removals(self) -> None:
        try:
            for name in finish_removals(self._root):
                logger.warning("%s: its removal, once interrupted, is finished", name)
                with Ledger(ledger_path()) as ledger:
                    ledger.removed(name)
        except (LedgerError, OSError) as error:
            self._trouble(f"{self._root}: an interrupted removal can't be finished: {error}")

    def _look(self) -> bool:
        """Removes what may go until there is room; False where something kept it from that."""
        settings, is_short = self.settings, self._is_short()
        allowed = settings.make_room and not settings.offline
        if not allowed or not (is_short or self._is_sweep_due()):
            if not (allowed and (settings.keep_days or settings.keep_free)):
                self._last_error = ""  # else what the last sweep met stands until the next
            return True
        self._last_error = ""
        candidates = [
            session for session in sessions_in(self._root) if _is_candidate(session) and (is_short or self._sweep_reason(session))
        ]
        if not candidates:
            return True
        try:
            self._make_room(candidates)
        except (DeliveryError, OSError) as error:
            self._trouble(f"no room can be made: {error}")
        # What a sweep leaves has time until the next one.
        return not (is_short and self._last_error)

    def _is_sweep_due(self) -> bool:
        now = time.monotonic()
        if not (self.settings.keep_days or self.settings.keep_free) or not self._is_idle() or now - self._swept_at < self._sweep_s:
            return False
        self._swept_at = now
        return True

    def _sweep_reason(self, session: Path) -> str:
        """Why a session should go while nothing is recorded; empty where it should not."""
        if not self._is_idle():
            return ""
        try:
            age_s = time.time() - SessionLayout(session).complete_mark.stat().st_mtime
        except FileNotFoundError:
            return ""
        if self.settings.keep_days and age_s > self.settings.keep_days * 86400:
            return AGE
        if self.settings.keep_free and shutil.disk_usage(self._root).free < self.settings.keep_free:
            return FREE
        return ""

    def _make_room(self, candidates: list[Path]) -> None:
        # Not before there is something to ask: most recorders never pay for the database library.
        from rig_capture.delivery.ingest import DataInterface
        from rig_capture.delivery.proof import prove_storage

        with DataInterface.open(self.settings, roles=()) as data:
            with self._wake:
                self._interrupt = data.store.interrupt
            try:
                for session in candidates:
                    if self._stopping:
                        return
                    if not (reason := SHORT if self._is_short() else self._sweep_reason(session)):
                        continue
                    try:
                        proof = prove_storage(session, data)
                        self._remove(session, proof, reason)
                    except (DeliveryError, SessionError) as error:
                        self._trouble(str(error))
            finally:
                with self._wake:
                    self._interrupt = lambda: None

    def _remove(self, session: Path, proof: "StorageProof", reason: str) -> None:
        """Under the session's lock, so that nobody begins to change it; and only if it still is what was proven."""
        removed = RemovedSession(proof.recording_id, proof.bytes, proof.text)
        with SessionLock(session):
            if not _is_still(session, proof):
                raise SessionError(f"{session}: changed while it was looked for in the store; it stays")
            with self._noted(session.name, reason, removed):
                remove_session(session)
        logger.warning("removed %s (%d bytes): %s; %s", session, removed.bytes, reason, removed.proof)
        self._removed(removed)

    @contextmanager
    def _noted(self, name: str, reason: str, removed: RemovedSession) -> Iterator[None]:
        """Notes a removal in the ledger before and after; without the note only what stands in a recording's way is removed."""
        with ExitStack() as stack:
            ledger = None
            try:
                ledger = stack.enter_context(Ledger(ledger_path()))
                ledger.removing(name, reason, removed.bytes, removed.proof)
            except LedgerError as error:
                if reason != SHORT:
                    raise
                ledger = None
                logger.warning("the removal of %s is not noted: %s", name, error)
            yield
            if ledger is not None:
                ledger.removed(name)

    def _trouble(self, text: str) -> None:
        if text != self._last_error:
            logger.info("%s", text)
        self._last_error = text


def _is_candidate(session: Path) -> bool:
    return SessionLayout(session).complete_mark.exists() and not is_locked(session)


def _is_still(session: Path, proof: "StorageProof") -> bool:
    """Whether a session, with what was added to it, is what was proven."""
    if sha256_file(SessionLayout(session).manifest) != proof.manifest_sha256:
        return False
    return with_additions(session, read_manifest(session)).content_hash == proof.content_hash
