"""Executable `recorder`: records the rig's streams on request, as sessions on disk."""

import ctypes
import json
import os
import sys
import threading
import time
from enum import StrEnum

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.utilities import get_rmw_implementation_identifier
from rig_capture_msgs.msg import RecorderStatus, SessionComplete, StreamStatus
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording

from rig_capture import __version__
from rig_capture.nodes.base import RigNode, data_qos, run_node, state_qos
from rig_capture.nodes.intake import Intake, UnknownMessageType
from rig_capture.nodes.qos import fitting_qos, publishers_of, qos_metadata
from rig_capture.nodes.sensor import ERROR, OK, WARN
from rig_capture.profiles.places import sessions_dir
from rig_capture.profiles.settings import RecorderParameters
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest, RecordingSummary, end_reason_for
from rig_capture.recorder.space import free_bytes, out_of_space, used_bytes
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.session.manifest import EndReason

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 64 * 2**20

_WATCH_S = 0.1
_POLL_S = 0.02


class State(StrEnum):
    """Where the recorder stands, as in RecorderStatus."""

    IDLE = "idle"
    STARTING = "starting"
    RECORDING = "recording"
    STOPPING = "stopping"
    ERROR = "error"


class Refused(Exception):
    """A request that can't be met now; the message says why."""


class RecorderNode(RigNode[RecorderParameters]):
    """Holds at most one recording; services and the watch over it never run at the same time."""

    settings_type = RecorderParameters
    executor_threads = 2  # a start may wait for devices while the status goes on

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._root = sessions_dir(self.settings)
        self._rig_streams = [StreamSpec.parse(text) for text in self.settings.streams]
        self._state = State.IDLE
        self._detail = ""
        self._recording: Recording | None = None
        self._intake: Intake | None = None
        self._failure: BaseException | None = None
        self._used_before = 0
        self._ending = threading.Event()
        self._control_lock = threading.Lock()
        self._status = self.create_publisher(RecorderStatus, "recorder/status", state_qos())
        self._complete = self.create_publisher(SessionComplete, "session_complete", state_qos(50))
        self._reports: dict[str, str] = {}
        self.create_subscription(DiagnosticArray, "diagnostics", self._hear_diagnostics, data_qos(50))
        control = MutuallyExclusiveCallbackGroup()
        self.create_service(StartRecording, "start_recording", self._start_recording, callback_group=control)
        self.create_service(StopRecording, "stop_recording", self._stop_recording, callback_group=control)
        self.create_service(CancelRecording, "cancel_recording", self._cancel_recording, callback_group=control)
        self.create_timer(_WATCH_S, self._watch, callback_group=control)
        self.create_timer(1.0, self._publish_status)

    def start(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        self._publish_status()

    def stop(self) -> None:
        self._ending.set()
        with self._control_lock:
            if self._recording is not None:
                self.get_logger().info("ending: the recording is being finished")
                self._finish("stopped")

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        recording = self._recording
        values: dict[str, object] = {"state": self._state.value, "free_bytes": free_bytes(self._root)}
        if recording is None:
            level = ERROR if self._state == State.ERROR else OK
            return level, self._detail or self._state.value, values
        lost = sum(counter.loss.total for counter in recording.counters)
        values |= {"recording_id": recording.recording_id, "bytes": recording.bytes, "lost": lost}
        return (WARN if lost else OK), self._detail or self._state.value, values

    # Services

    def _start_recording(self, request: StartRecording.Request, response: StartRecording.Response) -> StartRecording.Response:
        wanted = RecordingRequest(
            request.label, request.participant, request.testing_mode, max(0.0, request.duration_s), tuple(request.topics)
        )
        with self._control_lock:
            try:
                recording = self._begin(wanted)
            except (Refused, RecordingError, UnknownMessageType, OSError) as error:
                self._set_state(State.IDLE, f"start refused: {error}")
                self.get_logger().error(self._detail)
                response.success, response.message = False, str(error)
                return response
        response.success, response.message = True, "recording"
        response.recording_id, response.path = recording.recording_id, str(recording.layout.path)
        return response

    def _stop_recording(self, request: StopRecording.Request, response: StopRecording.Response) -> StopRecording.Response:
        with self._control_lock:
            if self._recording is None:
                response.success, response.message = False, "no recording runs"
                return response
            summary = self._finish("stopped")
        if summary is None:
            response.success, response.message = False, self._detail
            return response
        response.success, response.message = True, summary.state
        response.recording_id, response.path = summary.recording_id, str(summary.path)
        response.duration_s, response.bytes = summary.duration_s, summary.bytes
        return response

    def _cancel_recording(self, request: CancelRecording.Request, response: CancelRecording.Response) -> CancelRecording.Response:
        with self._control_lock:
            recording = self._recording
            if recording is None:
                response.success, response.message = False, "no recording runs"
                return response
            self._stop_intake()
            summary = recording.cancel(keep_data=request.keep_data)
            self._ended(summary)
        response.success, response.message = True, "cancelled, data kept" if request.keep_data else "cancelled, data removed"
        response.recording_id, response.path = summary.recording_id, str(summary.path) if request.keep_data else ""
        return response

    # A recording's life; all under the control lock

    def _begin(self, request: RecordingRequest) -> Recording:
        if self._recording is not None:
            raise Refused(f"{self._recording.recording_id} is being recorded; stop it first")
        self._used_before = used_bytes(self._root)
        if (full := out_of_space(self._root, self.settings, self._used_before)) is not None:
            raise Refused(full[1])
        self._failure = None
        self._set_state(State.STARTING)
        recording = Recording(self._context_of_recording(), request, self._part_failed)
        try:
            self._intake = intake = Intake(self, lambda failure: self._part_failed("intake", failure))
            for spec in [*self._rig_streams, *map(self._find_topic, (*self.settings.topics, *request.topics))]:
                topic = self.resolve_topic_name(spec.topic)
                publishers = publishers_of(self, topic)
                offered = [qos_metadata(publisher.qos_profile) for publisher in publishers]
                sink = recording.add_stream(spec, topic, offered)
                intake.add(spec.type, topic, fitting_qos(publishers, self.settings.depth), sink)
            intake.start()
            self._wait_until_ready(recording)
        except BaseException:
            self._stop_intake()
            recording.cancel(keep_data=False)
            raise
        self._recording = recording
        self._set_state(State.RECORDING)
        self.get_logger().info(f"recording {recording.recording_id}")
        return recording

    def _wait_until_ready(self, recording: Recording) -> None:
        deadline = time.monotonic() + self.settings.ready_timeout_s
        while silent := [counter for counter in recording.counters if counter.spec.required and counter.messages == 0]:
            if self._ending.wait(_POLL_S):
                raise Refused("the recorder is ending")
            if self._failure is not None:
                raise Refused(f"writing failed: {self._failure}")
            if time.monotonic() > deadline:
                raise Refused("; ".join(self._why_silent(counter) for counter in silent))

    def _why_silent(self, counter: StreamCounter) -> str:
        topic = self.resolve_topic_name(counter.spec.topic)
        waited = f"{self.settings.ready_timeout_s:g} s"
        publishers = publishers_of(self, topic)
        if not publishers:
            return f"{topic}: nobody publishes it; is its node up? (`rig status` tells)"
        if counter.last_heard is None:
            node = f"{publishers[0].node_namespace.rstrip('/')}/{publishers[0].node_name}"
            return f"{topic}: delivered nothing in {waited}; {node} says: {self._reports.get(node, 'nothing')}"
        return f"{topic}: delivered no keyframe in {waited}"

    def _hear_diagnostics(self, array: DiagnosticArray) -> None:
        self._reports |= {status.name: status.message for status in array.status}

    def _find_topic(self, name: str) -> StreamSpec:
        """A topic by name alone; discovery may still be going on, so it is given the time that devices have to be ready."""
        topic = self.resolve_topic_name(name)
        deadline = time.monotonic() + self.settings.ready_timeout_s
        while True:
            types = dict(self.get_topic_names_and_types()).get(topic)
            if types:
                return StreamSpec("topic", name, types[0])
            if time.monotonic() > deadline or self._ending.wait(_POLL_S):
                raise Refused(f"{topic}: no such topic, so its type is not known; `ros2 topic list` shows those there are")

    def _finish(self, reason: EndReason) -> RecordingSummary | None:
        """Ends the recording; None where even that failed, with the reason in the detail."""
        recording = self._recording
        assert recording is not None
        self._set_state(State.STOPPING)
        self._stop_intake()
        try:
            summary = recording.finish("complete", reason if self._failure is None else end_reason_for(self._failure))
        except OSError as error:
            self._recording = None
            self._set_state(State.ERROR, f"{recording.recording_id} could not be finished: {error}; its data is in {recording.layout.path}")
            self.get_logger().error(self._detail)
            return None
        self._ended(summary)
        return summary

    def _stop_intake(self) -> None:
        if self._intake is not None:
            self._intake.stop()
            self._intake = None

    def _ended(self, summary: RecordingSummary) -> None:
        self._recording = None
        event = SessionComplete(
            state=summary.state,
            end_reason=summary.end_reason,
            recording_id=summary.recording_id,
            recording_hash=summary.recording_hash,
            path=str(summary.path),
            node_hostname=os.uname().nodename,
            duration_s=summary.duration_s,
            bytes=summary.bytes,
            manifest_sha256=summary.manifest_sha256,
        )
        event.header.stamp = self.get_clock().now().to_msg()
        self._complete.publish(event)
        self._set_state(State.IDLE, f"{summary.recording_id}: {summary.state} ({summary.end_reason})")
        self.get_logger().info(self._detail)

    def _watch(self) -> None:
        """Ends the recording where its time is over, a writer failed, or the disk is full."""
        recording = self._recording
        if recording is None:
            return
        reason = self._reason_to_end(recording)
        if reason is not None:
            with self._control_lock:
                if self._recording is recording:
                    self._finish(reason)

    def _reason_to_end(self, recording: Recording) -> EndReason | None:
        if self._failure is not None:
            return end_reason_for(self._failure)
        if 0 < recording.request.duration_s <= recording.elapsed_s:
            return "duration"
        full = out_of_space(self._root, self.settings, self._used_before + recording.bytes)
        if full is not None:
            self.get_logger().error(f"ending the recording: {full[1]}")
            return full[0]
        return None

    def _part_failed(self, name: str, failure: BaseException) -> None:
        """Called in a writer's or the intake's thread; the watch ends the recording."""
        if self._failure is None:
            self._failure = failure

    # What others see

    def _set_state(self, state: State, detail: str = "") -> None:
        self._state, self._detail = state, detail
        self._publish_status()

    def _publish_status(self) -> None:
        recording = self._recording
        status = RecorderStatus(state=self._state.value, detail=self._detail, free_bytes=free_bytes(self._root))
        status.header.stamp = self.get_clock().now().to_msg()
        if recording is not None:
            status.recording_id, status.path = recording.recording_id, str(recording.layout.path)
            status.elapsed_s, status.bytes = recording.elapsed_s, recording.bytes
            status.streams = [_stream_status(counter) for counter in recording.counters]
        self._status.publish(status)

    def _context_of_recording(self) -> RecordingContext:
        software = {
            "rig_capture": __version__,
            "ros_distro": os.environ.get("ROS_DISTRO", ""),
            "rmw": get_rmw_implementation_identifier(),
            "bag_writer": self.settings.writer,
        }
        return RecordingContext(self.settings, self._root, software, json.loads(self.settings.profile), self.now_ns)


def _stream_status(counter: StreamCounter) -> StreamStatus:
    loss, heard = counter.loss, counter.last_heard
    return StreamStatus(
        topic=counter.spec.topic,
        kind=counter.spec.kind,
        type=counter.spec.type,
        messages=counter.messages,
        bytes=counter.bytes,
        rate_hz=counter.rate_hz,
        last_age_ms=-1 if heard is None else int((time.monotonic() - heard) * 1000),
        lost_dds=loss.dds,
        lost_sequence=loss.sequence,
        dropped_queue=loss.queue,
        dropped_encoder=loss.encoder,
    )


def make_node(name: str) -> RecorderNode:
    """The node, for processes that hold several."""
    return RecorderNode(name)


def keep_large_buffers() -> None:
    """Tells glibc to keep freed memory for the next message instead of giving it back to the kernel.

    By default each message of more than 128 kB costs fresh pages (mallopt(3)); with large images that is the greatest
    single cost. Other C libraries know no mallopt, and do without.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)


def main() -> int:
    """Entry point."""
    keep_large_buffers()
    return run_node(lambda: make_node("recorder"))


if __name__ == "__main__":
    sys.exit(main())
