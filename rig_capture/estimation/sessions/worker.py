"""What the estimator does all day: looks which streams of finished sessions have no estimates, and has them made, oldest first.

What is done is decided by the disk; whoever calls `wake` only saves the wait for the next look. Each stream is estimated in a process
of its own; one that crashes, hangs or is killed costs an attempt at this stream, and after some attempts the stream is left alone.
"""

import contextlib
import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rig_capture.estimation.sessions.notes import FailureNotes
from rig_capture.estimation.sessions.process import EstimateProcess
from rig_capture.estimation.sessions.queue import Look, SessionQueue, StreamTask
from rig_capture.estimation.sessions.report import ESTIMATING, IDLE, PAUSED, WAITING, EstimatorReport, Outcome
from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.places import sessions_dir
from rig_capture.profiles.settings.estimation import EstimatorParameters

logger = logging.getLogger(__name__)

_RATE_S = 5.0


class EstimateWorker:
    """Owns the thread that looks, and through it the processes. Every public method may be called from any thread."""

    def __init__(
        self,
        settings: EstimatorParameters,
        notes: Path,
        changed: Callable[[EstimatorReport], None],
        finished: Callable[[Outcome], None],
    ) -> None:
        """Prepares a worker.

        Args:
            settings: of the node.
            notes: file of what could not be estimated.
            changed: called in the worker's thread whenever state, queue or error changed.
            finished: called in the worker's thread with what became of each stream.

        Raises:
            NotesError: the file of notes can't be used.
        """
        self._settings = settings
        self._changed, self._finished = changed, finished
        self._notes = FailureNotes(notes)
        self._queue = SessionQueue(sessions_dir(settings), settings)
        self._report = EstimatorReport(model=settings.model, workers=settings.workers)
        self._look = Look()
        self._look_at = self._load_at = 0.0
        self._name = ""
        """What the model calls itself; empty until it was loaded once."""
        self._later: dict[StreamTask, float] = {}
        self._skipped: set[StreamTask] = set()
        self._processes: list[EstimateProcess] = []
        self._moved: deque[tuple[float, int]] = deque(maxlen=1000)
        self._stopping = self._paused = self._recording = self._retry = False
        self._poking = threading.Lock()
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = OwnedThread("estimator", self._run)

    def start(self) -> None:
        """Begins with a look at the disk."""
        self._thread.start()

    def stop(self) -> None:
        """Ends at once; what was being estimated is begun anew next time. Raises what the thread died of."""
        self._stopping = True
        self._poke()
        self._thread.join()
        with self._poking:
            os.close(self._reading)
            os.close(self._writing)
            self._writing = -1
        self.check()

    def check(self) -> None:
        """Raises what the thread died of, where it did."""
        self._thread.check()

    def wake(self) -> None:
        """Look at the disk now."""
        self._look_at = 0.0
        self._poke()

    def retry(self) -> None:
        """Try again what was given up."""
        self._retry = True
        self.wake()

    def set_paused(self, paused: bool) -> None:
        """Pauses after the current batch of frames, or goes on."""
        self._paused = paused
        self._poke()

    def set_recording(self, recording: bool) -> None:
        """Says whether a recording runs."""
        if recording != self._recording:
            self._recording = recording
            self._poke()

    def update(self, settings: EstimatorParameters) -> None:
        """Takes settings changed while running."""
        self._settings = settings
        self._poke()

    def report(self) -> EstimatorReport:
        """The present state, with how far each stream is."""
        processes = tuple(process for process in self._processes if process.task is not None)
        return replace(
            self._report,
            current=tuple(process.task.title for process in processes if process.task is not None),
            current_frames=tuple(process.frames for process in processes),
            current_total=tuple(process.total for process in processes),
            rate_frames_s=self._rate(),
        )

    def _poke(self) -> None:
        with self._poking:
            if self._writing >= 0:
                with contextlib.suppress(BlockingIOError):  # poked often enough
                    os.write(self._writing, b"\0")

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wait(self._work())
        finally:
            for process in self._processes:
                process.end(now=True)
            self._processes = []

    def _work(self) -> float:
        """A look at the disk where it is time, and all it calls for; returns for how many seconds there is nothing more to do."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + self._settings.scan_interval_s
            self._look = self._queue.look(self._name)
            self._tidy()
        hold = self._hold()
        for process in self._processes:
            process.set_paused(hold is not None)
            if process.silent_s() > self._settings.stall_s:
                self._lost(process, f"Stalled: no frame within {self._settings.stall_s:g} s")
        due = self._due()
        if hold is None:
            self._give(due, now)
        later = [at for task, at in self._later.items() if at > now and task in self._look.due]
        if not self._name and not self._processes and self._load_at > now:
            later.append(self._load_at)
        state, detail = hold or self._doing(is_waiting=bool(later))
        running = sum(process.task is not None for process in self._processes)
        self._tell(state=state, detail=detail, model=self._name or self._settings.model, queued=len(due) + running)
        stalls = [now + self._settings.stall_s - process.silent_s() for process in self._processes]
        return max(0.05, min([self._look_at, *stalls, *later]) - now)

    def _give(self, due: list[StreamTask], now: float) -> None:
        """Gives what is due to processes, of which there are as many as are needed; the first one tells the model's name."""
        for process in self._processes:
            if process.is_idle and due:
                process.give(due.pop(0))
            elif process.is_idle and self._name:
                self._processes = [other for other in self._processes if other is not process]
                process.end(now=False)
        loading = sum(not process.model for process in self._processes)
        wanted = min(len(due) - loading, self._settings.workers - len(self._processes)) if self._name else 1 - len(self._processes)
        if now >= self._load_at:
            self._processes = [*self._processes, *(EstimateProcess(self._settings) for _ in range(wanted))]

    def _doing(self, *, is_waiting: bool) -> tuple[str, str]:
        """State and detail where nothing holds it."""
        if any(process.task is not None for process in self._processes):
            return ESTIMATING, ""
        if self._processes:
            return (ESTIMATING if self._name else IDLE), "loading the model"
        return (WAITING, self._report.last_error) if is_waiting else (IDLE, "")

    def _wait(self, seconds: float) -> None:
        """Waits for the processes, for a poke, or so long."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._reading, selectors.EVENT_READ)
            for process in self._processes:
                selector.register(process, selectors.EVENT_READ, process)
            ready = [key.data for key, _ in selector.select(seconds)]
        for process in ready:
            if process is None:
                os.read(self._reading, 4096)
                continue
            before = process.frames
            process.hear()
            self._moved.append((time.monotonic(), max(0, process.frames - before)))
            self._heard(process)

    def _heard(self, process: EstimateProcess) -> None:
        """Takes what a process told."""
        if process.model and not self._name:
            self._name, self._look_at = process.model, 0.0
            self._tell_failures()
        answer, task = process.answer, process.task
        if answer is not None:
            process.answer = process.task = None
            if task is None:
                self._not_loaded(answer["error"])
            elif "error" in answer:
                self._failed(task, answer["error"], answer["blame"], time.monotonic() - process.began_at)
            else:
                self._done(task, answer)
        if process.has_ended:
            self._lost(process, "")

    def _lost(self, process: EstimateProcess, reason: str) -> None:
        """A process has ended by itself, or is to be ended for a reason; what it was at has failed."""
        self._processes = [other for other in self._processes if other is not process]
        how = process.end(now=bool(reason))
        error = reason or f"Crashed: the process ended with {how}"
        if process.task is not None:
            self._failed(process.task, error, "stream", time.monotonic() - process.began_at)
        elif not process.model and self._load_at <= time.monotonic():
            self._not_loaded(error)

    def _hold(self) -> tuple[str, str] | None:
        """State and reason where nothing may be estimated now."""
        if self._paused:
            return PAUSED, "paused by request"
        if (self._recording or self._look.is_recording) and self._settings.pause_while_recording:
            return WAITING, "a recording runs"
        return None

    def _due(self) -> list[StreamTask]:
        """What may be begun now; what never failed comes first."""
        now, running = time.monotonic(), {process.task for process in self._processes}
        failures = self._notes.failures
        due = [task for task in self._look.due if task not in running and task not in self._skipped and self._later.get(task, 0.0) <= now]
        return sorted((task for task in due if not self._is_given_up(task)), key=lambda task: task.key in failures)

    def _is_given_up(self, task: StreamTask) -> bool:
        failure = self._notes.failures.get(task.key)
        return failure is not None and failure.attempts >= self._settings.attempts

    def _tidy(self) -> None:
        """Strikes out failures of what is gone, or was estimated meanwhile, or all of them where that was asked for."""
        look, failures = self._look, self._notes.failures
        due = {task.key for task in look.due}
        names = {key: key.partition("/")[0] for key in failures}
        over = {key for key, name in names.items() if name not in look.sessions or (name in look.read and key not in due)}
        if self._retry:
            self._retry = False
            over = set(failures)
            self._later.clear()
            self._skipped.clear()
            self._load_at = 0.0
        self._notes.forget(over)
        self._later = {task: at for task, at in self._later.items() if task in look.due}
        self._tell_failures()

    def _tell_failures(self) -> None:
        """How many streams are failing, and why the last one did, also of before a restart."""
        failures = self._notes.failures
        last = self._report.last_error if failures or self._later or self._load_at > time.monotonic() else ""
        if failures and not last:
            key, newest = max(failures.items(), key=lambda item: item[1].at)
            last = f"{key.rpartition('/')[0]}: {newest.error}"
        self._tell(streams_failed=len(failures), last_error=last)

    def _not_loaded(self, error: str) -> None:
        """The model can't be loaded, which is tried again with the next look at the disk."""
        self._load_at = time.monotonic() + self._settings.scan_interval_s
        logger.error("%s: can't be loaded: %s", self._settings.model, error)
        self._tell(last_error=f"{self._settings.model}: {error}")

    def _done(self, task: StreamTask, answer: dict[str, Any]) -> None:
        # Not to be begun again before the next look.
        self._look = replace(self._look, due=tuple(other for other in self._look.due if other != task))
        if "skipped" in answer:
            logger.info("%s: left alone: %s", task.title, answer["skipped"])
            self._skipped.add(task)
            return
        frames, elapsed_s = answer["done"], answer["elapsed_s"]
        self._notes.forget({task.key})
        self._later.pop(task, None)
        logger.info("%s: estimated by %s: %d frames in %.1f s", task.title, task.model, frames, elapsed_s)
        self._tell(streams_done=self._report.streams_done + 1)
        self._tell_failures()
        self._finished(_outcome(task, success=True, files=tuple(answer["files"]), frames=frames, elapsed_s=elapsed_s))

    def _failed(self, task: StreamTask, error: str, blame: str, elapsed_s: float) -> None:
        if not task.session.exists():
            logger.info("%s: was removed while it was estimated", task.title)
            self._look = replace(self._look, due=tuple(other for other in self._look.due if other != task))
            return
        next_look = time.monotonic() + self._settings.scan_interval_s
        if blame == "session":
            self._later[task] = next_look
        else:
            self._notes.failed(task.key, error)
        given_up = self._is_given_up(task)
        logger.error("%s: %s%s", task.title, error, "; given up" if given_up else "")
        self._tell(streams_failed=len(self._notes.failures), last_error=f"{task.title}: {error}")
        self._finished(_outcome(task, success=False, error=error, given_up=given_up, elapsed_s=elapsed_s))

    def _rate(self) -> float:
        """Frames per second over the last seconds, of all processes."""
        now = time.monotonic()
        recent = [(at, count) for at, count in list(self._moved) if now - at < _RATE_S]
        return sum(count for _, count in recent) / max(now - recent[0][0], 0.5) if recent else 0.0

    def _tell(self, **changes: object) -> None:
        report = replace(self._report, **changes)  # type: ignore[arg-type]
        if report != self._report:
            self._report = report
            self._changed(self.report())


def _outcome(task: StreamTask, **what: object) -> Outcome:
    return Outcome(recording_id=task.session.name, path=str(task.session), stream=task.stream, model=task.model, **what)  # type: ignore[arg-type]
