"""The log of health events: written in a thread of its own, so that whoever tells an event never waits for a disk.

A disk that is full or stuck costs events once the queue is full; they are counted, and once it is back the log says so itself.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from rig_capture.health.catalogue import LOG_LOST_EVENTS
from rig_capture.health.events import Event
from rig_capture.health.problems import OpenProblems, Seen, ended
from rig_capture.health.stores import DatabaseStore, LineStore, LogReader, Store
from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.health import HealthSettings

log = logging.getLogger(__name__)

_RETRY_S = 1.0
"""A disk that failed is tried again so often, for the line that tells how many events were lost."""

Item = Event | tuple[Event, ...]
"""What is to be written; a tuple holds all problems that are open."""


def store_of(settings: HealthSettings, folder: Path) -> Store:
    """The log as the settings want it; its whole size is the same either way."""
    if settings.log_format == "sqlite":
        return DatabaseStore(folder, settings.log_file_bytes * settings.log_files)
    return LineStore(folder, settings.log_file_bytes, settings.log_files)


class LogWriter:
    """Owns the thread that writes events to a log, from `start` to `stop`."""

    def __init__(self, node: str, folder: Path, settings: HealthSettings, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Writes nothing yet.

        Args:
            node: name under which the log itself tells what it lost.
            folder: of the log.
            settings: its form, its size, and how many events may wait.
            clock_ns: time of events that the log tells itself, ns since the epoch.
        """
        self._node, self._folder, self._clock_ns = node, folder, clock_ns
        self._store = store_of(settings, folder)
        self._limit = settings.log_queue
        self._waiting: deque[Item] = deque()
        self._condition = threading.Condition()
        self._ending = self._behind = False
        self._lost = 0
        self._reason = ""
        self._problems = OpenProblems()
        self._seen = Seen()
        self._thread = OwnedThread("health-log", self._run)

    @property
    def problem(self) -> str:
        """Why events are being lost; empty where none are."""
        with self._condition:
            return f"{self._lost} events are not in the log: {self._reason}" if self._lost else ""

    def start(self) -> None:
        """Starts the thread; returns at once."""
        self._thread.start()

    def put(self, event: Event) -> bool:
        """Leaves an event to be written; never waits. False where the queue is full, and the event is counted as lost."""
        return self._put(event)

    @property
    def is_behind(self) -> bool:
        """Whether events were lost since it was last told what is `open`."""
        return self._behind

    def open(self, problems: Iterable[Event]) -> None:
        """Tells which problems are open now: those that the log lacks are written, and those that it has beyond them end in it."""
        with self._condition:
            self._behind = False
        self._put(tuple(problems))

    def stop(self, wait_s: float = 2.0) -> bool:
        """Writes what waits, and joins the thread; raises what it died of.

        Args:
            wait_s: longest wait for a disk that is stuck.

        Returns:
            False where the disk is stuck still, and the thread ends only with that.
        """
        with self._condition:
            self._ending = True
            self._condition.notify()
        ended = self._thread.join(wait_s)
        self.check()
        if not ended:
            log.error("%s: the disk is stuck; %d health events wait for it", self._folder, len(self._waiting))
        return ended

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def _put(self, item: Item) -> bool:
        with self._condition:
            if len(self._waiting) >= self._limit:
                self._lost += 1
                self._behind = True
                self._reason = f"the disk of {self._folder} is stuck or too slow"
                return False
            self._waiting.append(item)
            self._condition.notify()
            return True

    def _run(self) -> None:
        try:
            self._read_past()
            while (batch := self._wait()) is not None:
                self._tell_losses()
                for item in batch:
                    if isinstance(item, Event):
                        self._take(item)
                    else:
                        self._mend(item)
        finally:
            self._store.close()

    def _wait(self) -> list[Item] | None:
        """What waits; nothing where only a loss is to be told; None at the end."""
        with self._condition:
            while not self._waiting and not self._ending:
                self._condition.wait(_RETRY_S if self._lost else None)
                if self._lost:
                    break
            if self._ending and not self._waiting:
                return None
            batch = list(self._waiting)
            self._waiting.clear()
            return batch

    def _read_past(self) -> None:
        """What the log holds already is not written again when nodes tell their last events to who comes late."""
        reader = LogReader(self._folder)
        try:
            for event in reader.new():
                self._seen.add(event)
        except (OSError, sqlite3.Error) as error:
            log.warning("%s: the log can't be read: %s; it is gone on with", self._folder, error)
        self._problems = reader.problems

    def _take(self, event: Event) -> None:
        if event not in self._seen and self._problems.is_new(event) and self._write(event):
            self._seen.add(event)
            self._problems.see(event)

    def _mend(self, problems: tuple[Event, ...]) -> None:
        keys = {event.key for event in problems}
        for event in self._problems.events:
            if event.key not in keys:
                self._take(ended(event, self._clock_ns(), "no longer there, or no longer looked at since its node is gone"))
        for event in problems:
            if event.key not in self._problems:
                self._seen.discard(event)
                self._take(event)

    def _tell_losses(self) -> None:
        with self._condition:
            lost, reason = self._lost, self._reason
        if not lost:
            return
        note = Event(
            stamp_ns=self._clock_ns(),
            node=self._node,
            family=LOG_LOST_EVENTS.family,
            code=LOG_LOST_EVENTS.name,
            severity=LOG_LOST_EVENTS.severity,
            message=f"{lost} health events are missing here: {reason}",
            evidence={"lost": lost},
        )
        if self._write(note, counted=False):
            with self._condition:
                self._lost -= lost

    def _write(self, event: Event, *, counted: bool = True) -> bool:
        try:
            self._store.write(event, lambda: self._problems.events)
            return True
        except (OSError, sqlite3.Error) as error:
            with self._condition:
                if not self._lost:
                    log.warning("%s: can't be written: %s; health events are lost until it can", self._folder, error)
                self._lost += counted
                self._behind = True
                self._reason = str(error)
            return False
