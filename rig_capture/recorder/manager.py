"""The life of recordings: at most one at a time, begun when the devices are ready, watched, and ended once."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rig_capture.recorder.callbacks import RecordingCallbacks
from rig_capture.recorder.errors import Refused
from rig_capture.recorder.finishing.finisher import Finisher, Unfinished
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.health import StreamHealth, StreamWatch
from rig_capture.recorder.others import NoOthers, OtherRecorders
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest, end_reason_for
from rig_capture.recorder.sources import Streams
from rig_capture.recorder.space import Room
from rig_capture.recorder.states import State, StateMachine
from rig_capture.session.atomic import write_atomic
from rig_capture.session.layout import is_recording_id
from rig_capture.session.manifest import EndReason, Trigger

log = logging.getLogger(__name__)

_POLL_S = 0.02
_ANSWER_S = 1.0
"""So long after the order to stop it is told whether the session is complete."""
_GRACE_S = 2.0
"""Longest wait for that where the recorder itself ends; what takes longer is done at the next start."""
_PROBE_S = 2.0
"""After an error, it is looked so often whether its cause is gone."""


class RecordingManager:
    """Holds at most one recording. Safe from any thread; what is asked of it is done one after the other."""

    def __init__(self, context: RecordingContext, streams: Streams, callbacks: RecordingCallbacks | None = None) -> None:
        """Records nothing yet; the state is `boot` until `ready`.

        Args:
            context: the machine around it.
            streams: where messages come from.
            callbacks: who is told.
        """
        self._context = context
        self._settings = context.settings
        self._streams = streams
        self.callbacks = callbacks or RecordingCallbacks()
        self.root = context.root
        self.room = Room(context.root, context.settings)
        self.recording: Recording | None = None
        self._states = StateMachine(lambda: _tell(self.callbacks.changed))
        self._failure: BaseException | None = None
        self.finisher = Finisher(
            self._complete,
            lambda recording_id, text: _tell(self.callbacks.failed, recording_id, text),
            busy=lambda: self._states.state in (State.STARTING, State.RECORDING),
        )
        self.others: OtherRecorders = NoOthers()
        self._watch = StreamWatch(self._settings.silent_s)
        self._looked = self._probed = 0.0
        self._give_up = threading.Event()
        self._closed = self._finishing = False
        self._lock = threading.RLock()

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._states.state

    @property
    def detail(self) -> str:
        """Why, where there is something to say."""
        return self._states.detail

    @property
    def silent(self) -> list[StreamHealth]:
        """Required streams of the recording that are silent now."""
        return self._watch.silent if self.recording is not None else []

    def update(self, context: RecordingContext) -> None:
        """Takes settings changed while running: limits and waits at once, the rest with the next recording."""
        self._context, self._settings, self.room.settings = context, context.settings, context.settings
        self._watch.silent_s = context.settings.silent_s

    def ready(self) -> None:
        """Makes the storage folder; from now on recordings may be begun."""
        try:
            self._open_root()
            self._states.to(State.IDLE)
        except OSError as error:
            self._states.to(State.ERROR, f"{self.root}: can't be made: {error}; mount the disk, or set storage_path")

    def _open_root(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        if not self._finishing:
            self._finishing = True
            self.finisher.start(self.root)

    def begin(self, request: RecordingRequest) -> Recording:
        """Starts a recording; returns when every required device is being written.

        Raises:
            Refused: it can't be met now; the message says why.
            RecordingError: a writer or a type is not there.
            OSError: the session can't be written.
        """
        if request.recording_id and not is_recording_id(request.recording_id):
            raise Refused(f"{request.recording_id!r} is no recording id; one is made where none is given")
        with self._lock:
            self._refuse_where_busy()
            before, self._failure = self._states.state, None
            self._give_up.clear()
            self._states.to(State.STARTING)
            try:
                self.recording = self._start(request)
            except BaseException as error:
                self._states.to(before if before == State.ERROR else State.IDLE, f"start refused: {error}")
                raise
            self._watch = StreamWatch(self._settings.silent_s)
            self._states.to(State.RECORDING)
            log.info("recording %s", self.recording.recording_id)
            return self.recording

    def extend(self, trigger: Trigger, lookahead_s: float) -> Recording | None:
        """Puts an event on record in the recording that runs, which then goes on long enough for it; None where none runs."""
        with self._lock:
            if self.recording is not None:
                self.recording.add_trigger(trigger, lookahead_s)
                self.others.extend(self.recording.recording_id, trigger.label, lookahead_s)
            return self.recording

    @property
    def is_closed(self) -> bool:
        """Whether nothing is begun any more."""
        return self._closed

    def refusal(self) -> str:
        """Why a start would be refused at once; empty where it may be tried."""
        try:
            self._refuse_where_busy()
        except Refused as error:
            return str(error)
        return ""

    def note(self, detail: str) -> None:
        """Shows something with the present state."""
        self._states.say(detail)

    def give_up_start(self) -> bool:
        """Gives up a start that is under way, and waits for its end; False where none was, or it has just succeeded."""
        if self._states.state != State.STARTING:
            return False
        self._give_up.set()
        with self._lock:
            return self.recording is None

    def finish(self, reason: EndReason, recording_id: str = "") -> RecordingSummary | None:
        """Ends the recording; None where even that failed, with the reason in the detail.

        Args:
            reason: why.
            recording_id: ends only this one; empty: whichever runs.

        Raises:
            Refused: none runs, or another one.
        """
        with self._running(recording_id) as recording:
            failure, begun = self._failure, time.monotonic()
            self.others.end(recording.recording_id)
            try:
                self._streams.close()
                stopped = recording.stop("complete", reason if failure is None else end_reason_for(failure))
            except OSError as error:
                self._could_not_end(recording, error)
                return None
            return self._stopped(stopped, begun)

    def cancel(self, *, keep_data: bool, recording_id: str = "") -> RecordingSummary | None:
        """Ends the recording so that it will not be uploaded; None where that failed. Raises Refused as `finish` does."""
        with self._running(recording_id) as recording:
            self.others.cancel(recording.recording_id, keep_data=keep_data)
            try:
                self._streams.close()
                if keep_data:
                    return self._stopped(recording.stop("cancelled", "stopped"), time.monotonic())
                summary = recording.drop()
            except OSError as error:
                self._could_not_end(recording, error)
                return None
            summary = self._with_others(summary)
            self._ended(summary)
            _tell(self.callbacks.complete, summary)
            return summary

    def watch(self) -> None:
        """Looks after streams, time and room; ends the recording where it must. To be called often."""
        if self._states.state == State.ERROR:
            self._look_whether_cause_is_gone()
        recording = self.recording
        if recording is None:
            return
        self._look_after_streams(recording)
        reason = self._reason_to_end(recording)
        if reason is not None:
            with self._lock:
                if self.recording is recording:
                    self.finish(reason)

    def is_short_of_room(self) -> bool:
        """Whether older sessions should go; measures."""
        recording = self.recording
        growing = recording.bytes if recording is not None else 0
        self.room.measure(growing)
        return self.room.is_short(growing)

    def close(self) -> None:
        """Gives up a start, finishes the recording that runs, if any; nothing is begun any more."""
        self._closed = True
        self._give_up.set()
        with self._lock:
            if self.recording is not None:
                log.info("ending: the recording is being finished")
                self.finish("stopped")
        self.finisher.close(_GRACE_S)

    def _refuse_where_busy(self) -> None:
        recording = self.recording
        if self._closed:
            raise Refused("the recorder is ending")
        if recording is not None:
            raise Refused(f"{recording.recording_id} is being recorded; stop it first")
        if not self._states.is_free:
            raise Refused(f"the recorder is {self._states.state}; try again in a moment")

    def _start(self, request: RecordingRequest) -> Recording:
        self._open_root()
        self._need_room()
        recording = Recording(self._context, request, lambda name, failure: self._part_failed(failure))
        try:
            self.others.begin(recording.recording_id, request)
            self._streams.open(recording, self._give_up, self._part_failed)
            self._wait_until_ready(recording)
            self.others.wait_begun(lambda: self._check_given_up(_POLL_S))
            recording.count_from_now()
        except BaseException:
            self.others.cancel(recording.recording_id, keep_data=False)
            self._streams.close()
            try:
                recording.cancel(keep_data=False)
            finally:
                recording.release()
            self.others.wait_ended()
            raise
        return recording

    def _need_room(self) -> None:
        self.room.measure()
        if self.room.problem_of_start() is None:
            return
        is_over = self.room.ask()
        deadline = time.monotonic() + self._settings.ready_timeout_s
        while (problem := self.room.problem_of_start()) is not None:
            if is_over() or time.monotonic() > deadline:
                raise Refused(problem[1])
            self._check_given_up(_POLL_S)

    def _wait_until_ready(self, recording: Recording) -> None:
        if recording.request.trigger is not None:
            return
        deadline = time.monotonic() + self._settings.ready_timeout_s
        while silent := [counter for counter in recording.counters if counter.spec.required and counter.messages == 0]:
            self._check_given_up(_POLL_S)
            if self._failure is not None:
                raise Refused(f"writing failed: {self._failure}")
            if time.monotonic() > deadline:
                raise Refused("; ".join(self._streams.why_silent(counter) for counter in silent))

    def _check_given_up(self, wait_s: float) -> None:
        if self._give_up.wait(wait_s) or self._closed:
            raise Refused("the recorder is ending" if self._closed else "the start was given up on request")

    @contextmanager
    def _running(self, recording_id: str) -> Iterator[Recording]:
        """The recording, with the state `stopping`; a part that dies now changes no reason any more."""
        with self._lock:
            if self.recording is None:
                raise Refused("no recording runs")
            if recording_id not in ("", self.recording.recording_id):
                raise Refused(f"{recording_id} is not being recorded any more")
            self._states.to(State.STOPPING)
            yield self.recording

    def _stopped(self, unfinished: Unfinished, begun: float) -> RecordingSummary | None:
        """Leaves a session to the finisher; most are complete at once, and those that take longer are not waited for."""
        assert unfinished.summary is not None
        self.finisher.put(unfinished)
        summary = self.finisher.wait_for(unfinished.session, max(0.0, begun + _ANSWER_S - time.monotonic()))
        if isinstance(summary, str):
            self.recording = None
            self._probed = time.monotonic()
            self._states.to(State.ERROR, summary)
            return None
        if summary is None:
            summary = dataclasses.replace(unfinished.summary, detail="being finished in the background")
        summary = self._with_others(summary)
        self._ended(summary)
        return summary

    def _with_others(self, summary: RecordingSummary) -> RecordingSummary:
        """Waits for the other recorders; what went wrong there is told with the end of this one's session."""
        problems = self.others.wait_ended()
        return dataclasses.replace(summary, detail="; ".join(filter(None, [summary.detail, *problems]))) if problems else summary

    def _complete(self, summary: RecordingSummary) -> None:
        """Called in the finisher's thread."""
        text = f"{summary.recording_id}: {summary.state} ({summary.end_reason})"
        log.info("%s%s", text, f", {summary.detail}" if summary.detail else "")
        if summary.detail:
            _tell(self.callbacks.failed, summary.recording_id, f"{summary.recording_id}: {summary.detail}")
        _tell(self.callbacks.complete, summary)
        _tell(self.callbacks.changed)

    def _ended(self, summary: RecordingSummary) -> None:
        self.recording = None
        detail = f"{summary.state} ({summary.end_reason}){', ' + summary.detail if summary.detail else ''}"
        self._states.to(State.IDLE, f"{summary.recording_id}: {detail}")
        _tell(self.callbacks.ended, summary)

    def _could_not_end(self, recording: Recording, error: OSError) -> None:
        self.recording = None
        recording.release()
        text = f"{recording.recording_id} could not be finished: {error}; what was written is in {recording.layout.path}"
        log.error("%s", text)
        self._probed = time.monotonic()
        self._states.to(State.ERROR, text)
        _tell(self.callbacks.failed, recording.recording_id, text)

    def _look_after_streams(self, recording: Recording) -> None:
        now = time.monotonic()
        if now - self._looked < self._settings.health_check_s:
            return
        self._looked = now
        if self.room.is_short(recording.bytes):
            self.room.ask()
        changes = self._watch.look(recording.counters, now)
        for change in changes:
            log.log(logging.INFO if change.recovered else logging.ERROR, "%s: %s", recording.recording_id, change.text)
            _tell(self.callbacks.unhealthy, change)
        if changes and self._states.state == State.RECORDING:
            self._states.say("; ".join(silent.text for silent in self._watch.silent))

    def _reason_to_end(self, recording: Recording) -> EndReason | None:
        if self._failure is not None:
            return end_reason_for(self._failure)
        if recording.is_over:
            return "duration"
        full = self.room.reason_to_end(recording.bytes)
        if full is not None:
            log.error("ending the recording: %s", full[1])
            return full[0]
        return None

    def _part_failed(self, failure: BaseException) -> None:
        """Called in a writer's or the intake's thread; the watch ends the recording, once, by the first failure."""
        if self._failure is None:
            self._failure = failure
            recording = self.recording
            _tell(self.callbacks.failed, recording.recording_id if recording is not None else "", f"writing failed: {failure}")

    def _look_whether_cause_is_gone(self) -> None:
        now = time.monotonic()
        if now - self._probed < _PROBE_S:
            return
        self._probed = now
        try:
            self._open_root()
            probe = self.root / ".probe"
            write_atomic(probe, b"sessions can be written here\n")
            probe.unlink()
        except OSError as error:
            self._states.say(f"{self.root}: can't be written: {error}; mount the disk, or free some space")
            return
        with self._lock:
            if self._states.state == State.ERROR:
                self._states.to(State.IDLE, f"{self.root} can be written again")


def _tell(listeners: list[Callable[..., None]], *event: object) -> None:
    for listener in listeners:
        listener(*event)
