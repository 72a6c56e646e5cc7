"""The thread that finishes stopped sessions while the recorder goes on."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rig_capture.owned_thread import OwnedThread
from rig_capture.recorder.finishing.finishing import RecordingSummary, finish_session, unfinished_sessions
from rig_capture.recorder.finishing.interrupt import BrokenOff
from rig_capture.session.lock import SessionLock

log = logging.getLogger(__name__)

_WORK_S = 0.002
_REST_S = 0.006


@dataclass(frozen=True)
class Unfinished:
    """A stopped session whose finishing is still to be done, with the lock that its recorder holds on it."""

    session: Path
    release: Callable[[], None]
    """Gives up the lock; more than once is no harm."""
    summary: RecordingSummary | None = None
    """As far as it is known at the stop; None where a former process stopped it."""


class Finisher:
    """Finishes stopped sessions, one after the other, in a thread of its own, from `start` to `close`."""

    def __init__(
        self,
        on_finished: Callable[[RecordingSummary], None],
        on_failed: Callable[[str, str], None],
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """Starts nothing yet.

        Args:
            on_finished: told, in the thread, of each session whose completion mark is on disk; must not raise.
            on_failed: told of a session that could not be finished, and why.
            busy: whether a recording runs; then this thread rests most of the time, so that no stream suffers.
        """
        self._on_finished, self._on_failed, self._busy = on_finished, on_failed, busy
        self._rested = 0.0
        self._waiting: list[Unfinished] = []
        self._current: tuple[str, float] | None = None
        self._done: dict[str, RecordingSummary | str] = {}
        self._changed = threading.Condition()
        self._ending = False
        self._interrupted = threading.Event()
        self._thread = OwnedThread("finisher", self._run)

    @property
    def current(self) -> tuple[str, float] | None:
        """The session that is being finished, and how much is done (0 to 1)."""
        with self._changed:
            if self._current is None and self._waiting:
                return self._waiting[0].session.name, 0.0
            return self._current

    def start(self, root: Path) -> None:
        """Starts the thread, with what a former process left undone in a storage folder."""
        for session in unfinished_sessions(root):
            held = ExitStack()
            held.enter_context(SessionLock(session))
            self.put(Unfinished(session, held.close))
        self._thread.start()

    def put(self, unfinished: Unfinished) -> None:
        """Leaves a session to be finished."""
        with self._changed:
            self._waiting.append(unfinished)
            self._changed.notify_all()

    def wait_for(self, session: Path, timeout_s: float) -> RecordingSummary | str | None:
        """Waits until a session is finished; None where it is not in time, and a text of what went wrong where it can't be."""
        with self._changed:
            self._changed.wait_for(lambda: session.name in self._done, timeout_s)
            return self._done.get(session.name)

    def close(self, grace_s: float = 0.0) -> None:
        """Breaks off what is not done in `grace_s` seconds, to be done at the next start, and joins."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and self._current is None, grace_s)
        self._interrupted.set()
        self._thread.join()
        for left in self._waiting:
            left.release()

    def check(self) -> None:
        """Raises what the thread died of; what it left undone is done at the next start."""
        self._thread.check()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                summary = finish_session(job.session, self._progress, self._rest)
            except BrokenOff:
                log.info("%s: is finished at the next start", job.session.name)
            except Exception as error:
                log.exception("%s: could not be finished", job.session.name)
                text = f"{job.session.name} could not be finished: {error}; it is tried again at the recorder's next start"
                job.release()
                self._on_failed(job.session.name, text)
                self._note(job, text)
            else:
                # The lock goes first: who hears of the session may read it at once.
                job.release()
                self._on_finished(summary)
                self._note(job, summary)
            job.release()
            with self._changed:
                self._current = None
                self._changed.notify_all()

    def _next(self) -> Unfinished | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._ending)
            if not self._waiting or self._interrupted.is_set():
                return None
            job = self._waiting.pop(0)
            self._current = job.session.name, 0.0
            return job

    def _rest(self) -> bool:
        """Whether to break off; rests now and then while a recording runs."""
        if self._busy() and time.monotonic() - self._rested > _WORK_S:
            self._interrupted.wait(_REST_S)
            self._rested = time.monotonic()
        return self._interrupted.is_set()

    def _progress(self, fraction: float) -> None:
        if self._current is not None:
            self._current = self._current[0], fraction

    def _note(self, job: Unfinished, outcome: RecordingSummary | str) -> None:
        with self._changed:
            self._done = {job.session.name: outcome}
            self._changed.notify_all()
