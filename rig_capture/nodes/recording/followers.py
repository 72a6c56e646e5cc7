"""The recorders of a rig's other hosts, asked over their services: all start, stop and cancel with the one that leads."""

import copy
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from pydantic import JsonValue
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from rig_capture_msgs.msg import RecorderStatus
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording, TriggerRecording

from rig_capture.health.catalogue import HOST_LOST, HOST_NOT_RECORDING
from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.generated import ServiceType
from rig_capture.nodes.common.qos import state_qos
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.errors import RecordingError, Refused
from rig_capture.recorder.recording import Recording, RecordingRequest

_ASK_AGAIN_S = 2.0
"""A start without an answer is asked for again: a request to a recorder that has just ended is lost."""
_NOT_RECORDING_S = 3.0
"""So long a follower may say that it does not record what the others do: its status comes once a second."""


@dataclass(frozen=True)
class FollowerSpec:
    """One entry of the parameter `followers`."""

    host: str
    full_name: str
    required: bool

    @property
    def namespace(self) -> str:
        """That of its services and topics."""
        return self.full_name.rpartition("/")[0]

    @classmethod
    def parse(cls, text: str) -> "FollowerSpec":
        """From ``HOST FULL_NAME required|optional``.

        Raises:
            RecordingError: not of that form.
        """
        words = text.split()
        if len(words) != 3 or not words[1].startswith("/") or words[2] not in ("required", "optional"):
            raise RecordingError(
                f"follower {text!r}: write it as 'HOST FULL_NAME required|optional', such as 'right /rig1/right/recorder required'"
            )
        return cls(words[0], words[1], words[2] == "required")


@dataclass
class _Answers:
    """What is waited for of one follower; guarded by the condition of all."""

    asked_at: float = 0.0
    started: bool = False
    start_problem: str = ""
    left_out: bool = False
    """Not required, and not ready."""
    ending: Future | None = None


class Follower:
    """One recorder of another host."""

    def __init__(self, node: Node, spec: FollowerSpec) -> None:
        """Listens to its status from now on."""
        self.spec = spec
        self.status: RecorderStatus | None = None
        self.heard = time.monotonic()
        self.answers = _Answers()
        self.not_recording_since: float | None = None
        group = ReentrantCallbackGroup()

        def client(kind: ServiceType, name: str) -> Client:
            return node.create_client(kind, f"{spec.namespace}/{name}", callback_group=group)

        self.start = client(StartRecording, "start_recording")
        self.stop = client(StopRecording, "stop_recording")
        self.cancel = client(CancelRecording, "cancel_recording")
        self.trigger = client(TriggerRecording, "trigger_recording")
        node.create_subscription(RecorderStatus, f"{spec.namespace}/recorder/status", self._hear, state_qos(), callback_group=group)

    @property
    def silent_s(self) -> float:
        """Since its last status, or since it was first listened for."""
        return time.monotonic() - self.heard

    def _hear(self, status: RecorderStatus) -> None:
        self.status, self.heard = status, time.monotonic()


@dataclass
class _Order:
    """The recording that followers were asked to begin, and whether it was given up."""

    recording_id: str
    request: RecordingRequest
    begun: float = field(default_factory=time.monotonic)
    given_up: bool = False


class Followers:
    """All of them; `OtherRecorders` of the recorder that leads. Answers come in threads of the node's executor."""

    def __init__(self, node: RigNode[RecorderParameters], specs: Sequence[FollowerSpec]) -> None:
        """Listens to their status from now on."""
        self._node = node
        self._all = [Follower(node, spec) for spec in specs]
        self._changed = threading.Condition()
        self._order: _Order | None = None
        self._watching = False

    def begin(self, recording_id: str, request: RecordingRequest) -> None:
        """See `OtherRecorders`."""
        with self._changed:
            self._order = _Order(recording_id, request)
            for follower in self._all:
                follower.answers = _Answers()
                follower.not_recording_since = None
        self._ask()

    def wait_begun(self, check: Callable[[], None]) -> None:
        """See `OtherRecorders`."""
        order = self._order
        assert order is not None
        if order.request.trigger is not None:
            return  # an event is saved with what there is
        while waiting := [follower for follower in self._all if self._is_waited_for(follower)]:
            problems = {follower: text for follower in waiting if (text := self._problem_of_start(follower, order))}
            if required := [text for follower, text in problems.items() if follower.spec.required]:
                raise Refused("; ".join(required))
            for follower, text in problems.items():
                self._node.get_logger().warning(f"recording goes on without {text}")
                follower.answers.left_out = True
            check()
            self._ask()

    def extend(self, recording_id: str, label: str, lookahead_s: float) -> None:
        """See `OtherRecorders`."""
        for follower in self._all:
            follower.trigger.call_async(
                TriggerRecording.Request(label=label, lookback_s=-1.0, lookahead_s=lookahead_s, recording_id=recording_id)
            )

    def end(self, recording_id: str) -> None:
        """See `OtherRecorders`."""
        self._end(lambda follower: follower.stop.call_async(StopRecording.Request(recording_id=recording_id)))

    def cancel(self, recording_id: str, *, keep_data: bool) -> None:
        """See `OtherRecorders`."""
        with self._changed:
            if self._order is not None:
                self._order.given_up = True
        request = CancelRecording.Request(keep_data=keep_data, recording_id=recording_id)
        self._end(lambda follower: follower.cancel.call_async(request))

    def wait_ended(self) -> tuple[str, ...]:
        """See `OtherRecorders`."""
        with self._changed:
            asked = [follower for follower in self._all if follower.answers.ending is not None]
            self._changed.wait_for(
                lambda: all(_is_done(follower.answers.ending) for follower in asked if self._may_answer(follower)),
                self._node.settings.answer_timeout_s,
            )
        return tuple(text for follower in asked if (text := self._problem_of_end(follower)))

    @property
    def order(self) -> str:
        """Id of the recording that they were asked to begin last; empty where there are none."""
        return self._order.recording_id if self._order is not None and self._all else ""

    def add_to(self, status: RecorderStatus) -> None:
        """Adds what they record to the status of the recording that all have in common; a topic that several record is told by host."""
        own = {stream.topic for stream in status.streams}
        for follower in self._all:
            theirs = follower.status
            if theirs is None or theirs.recording_id != status.recording_id:
                continue
            status.bytes += theirs.bytes
            for stream in theirs.streams:
                told = copy.copy(stream)
                told.topic = f"{follower.spec.host}/{stream.topic.lstrip('/')}" if stream.topic in own else stream.topic
                status.streams.append(told)
        status.detail = "; ".join(filter(None, [status.detail, *self.troubles]))

    def watch(self, recording: Recording | None) -> None:
        """Tells of hosts that are not heard while this is recorded, or record it no more; to be called regularly."""
        if recording is None:
            if self._watching:
                self._node.health.clear(HOST_LOST, "no longer looked at: the recording has ended")
                self._node.health.clear(HOST_NOT_RECORDING, "no longer looked at: the recording has ended")
            self._watching = False
            return
        for follower in self._all:
            if follower.answers.started:
                self._watching = True
                self._watch(follower, recording.recording_id)

    @property
    def values(self) -> dict[str, object]:
        """For diagnostics: the state of each host's recorder."""
        return {f"host {follower.spec.host}": follower.status.state if follower.status else "not heard" for follower in self._all}

    @property
    def troubles(self) -> list[str]:
        """Hosts that are not heard now."""
        limit_s = self._node.settings.host_lost_s
        return [f"{follower.spec.host}: not heard for {follower.silent_s:.0f} s" for follower in self._all if follower.silent_s > limit_s]

    def _is_waited_for(self, follower: Follower) -> bool:
        if follower.answers.started or follower.answers.left_out:
            return False
        return follower.spec.required or follower.start.service_is_ready()

    def _may_answer(self, follower: Follower) -> bool:
        """Whether it is worth the wait: one that has long been silent costs no stop its time."""
        return follower.silent_s < self._node.settings.host_lost_s

    def _ask(self) -> None:
        order = self._order
        assert order is not None
        for follower in self._all:
            answers, now = follower.answers, time.monotonic()
            is_due = not answers.started and not answers.start_problem and now - answers.asked_at > _ASK_AGAIN_S
            if not is_due or not follower.start.service_is_ready():
                continue
            answers.asked_at = now
            future = self._start(follower, order)
            future.add_done_callback(partial(self._started, follower, order))

    def _start(self, follower: Follower, order: _Order) -> Future:
        wanted = order.request
        if wanted.trigger is not None:
            lookback_s = -1.0 if wanted.since_ns is None else (self._node.now_ns() - wanted.since_ns) / 1e9
            return follower.trigger.call_async(
                TriggerRecording.Request(
                    label=wanted.label, lookback_s=lookback_s, lookahead_s=wanted.lookahead_s, recording_id=order.recording_id
                )
            )
        return follower.start.call_async(
            StartRecording.Request(
                label=wanted.label,
                participant=wanted.participant,
                testing_mode=wanted.testing_mode,
                duration_s=wanted.duration_s,
                recording_id=order.recording_id,
            )
        )

    def _started(self, follower: Follower, order: _Order, future: Future) -> None:
        answer = future.result()
        with self._changed:
            if order is self._order and not order.given_up:
                follower.answers.started = follower.answers.started or answer.success
                follower.answers.start_problem = "" if answer.success else answer.message
                self._changed.notify_all()
                return
        if answer.success and order.given_up:
            # It answered after the others had given up.
            self._node.get_logger().warning(f"{follower.spec.host} began {order.recording_id} too late; it is cancelled there")
            follower.cancel.call_async(CancelRecording.Request(keep_data=False, recording_id=order.recording_id))

    def _problem_of_start(self, follower: Follower, order: _Order) -> str:
        host, answers, settings = follower.spec.host, follower.answers, self._node.settings
        if answers.start_problem:
            return f"{host}: {answers.start_problem}"
        waited_s = time.monotonic() - order.begun
        if not answers.asked_at and waited_s > settings.answer_timeout_s:
            return f"{host}: nobody offers {follower.start.srv_name}; is the rig up there, and the network? (`rig status` there tells)"
        if waited_s > settings.ready_timeout_s + settings.answer_timeout_s:
            return f"{host}: did not answer within {waited_s:.0f} s; is it reached? (`rig status` there tells)"
        return ""

    def _end(self, ask: Callable[[Follower], Future]) -> None:
        for follower in self._all:
            if not follower.answers.asked_at:
                continue
            with self._changed:
                follower.answers.ending = future = ask(follower)
            future.add_done_callback(self._tell_changed)

    def _tell_changed(self, future: Future) -> None:
        with self._changed:
            self._changed.notify_all()

    def _problem_of_end(self, follower: Follower) -> str:
        future, host = follower.answers.ending, follower.spec.host
        if not _is_done(future):
            return f"{host} did not answer; it ends its part by itself once it hears the others again"
        assert future is not None
        answer = future.result()
        return "" if answer.success else f"{host}: {answer.message}"

    def _watch(self, follower: Follower, recording_id: str) -> None:
        silent_s, status, name = follower.silent_s, follower.status, f"{follower.spec.host}: {follower.spec.full_name}"
        is_lost = silent_s > self._node.settings.host_lost_s
        lost = f"{name} was not heard for {silent_s:.0f} s; it goes on with its own streams; look at its network and its power"
        evidence: dict[str, JsonValue] = {"recording_id": recording_id, "silent_s": round(silent_s, 3)}
        message = lost if is_lost else f"{name} is heard again"
        self._node.health.set(HOST_LOST, follower.spec.host, problem=is_lost, message=message, evidence=evidence)
        if is_lost or status is None or status.recording_id == recording_id:
            follower.not_recording_since = None
        elif follower.not_recording_since is None:
            follower.not_recording_since = time.monotonic()
        since = follower.not_recording_since
        has_ended = since is not None and time.monotonic() - since > _NOT_RECORDING_S
        if status is not None and (has_ended or not is_lost):
            said = f"{name} does not record {recording_id} any more; it is {status.state}: {status.detail}"
            message = said if has_ended else f"{name} records {recording_id}"
            self._node.health.set(HOST_NOT_RECORDING, follower.spec.host, problem=has_ended, message=message, evidence=evidence)


def _is_done(future: Future | None) -> bool:
    return future is not None and future.done()
