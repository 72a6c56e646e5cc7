"""Executable `recorder`: records the rig's streams on request, as sessions on disk."""

import ctypes
import os
import sys
import time

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rig_capture_msgs.msg import RecorderStatus, SessionComplete, StreamStatus
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording

from rig_capture.nodes.base import RigNode, run_node, state_qos
from rig_capture.nodes.intake import UnknownMessageType
from rig_capture.nodes.recording_control import RecordingControl, Refused, State
from rig_capture.nodes.sensor import ERROR, OK, WARN
from rig_capture.profiles.settings import RecorderParameters
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.recording import RecordingRequest, RecordingSummary
from rig_capture.recorder.space import free_bytes
from rig_capture.recorder.streams import StreamCounter

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 64 * 2**20

_WATCH_S = 0.1


class RecorderNode(RigNode[RecorderParameters]):
    """The services, the watch over the recording, and what others are told of it."""

    settings_type = RecorderParameters
    executor_threads = 2  # a start may wait for devices while the status goes on

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._status = self.create_publisher(RecorderStatus, "recorder/status", state_qos())
        self._complete = self.create_publisher(SessionComplete, "session_complete", state_qos(50))
        self._control = RecordingControl(self, self._publish_status, self._tell_complete)
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(StartRecording, "start_recording", self._start_recording, callback_group=group)
        self.create_service(StopRecording, "stop_recording", self._stop_recording, callback_group=group)
        self.create_service(CancelRecording, "cancel_recording", self._cancel_recording, callback_group=group)
        self.create_timer(_WATCH_S, self._control.watch, callback_group=group)
        self.create_timer(1.0, self._publish_status)

    def start(self) -> None:
        self._control.root.mkdir(parents=True, exist_ok=True)
        self._publish_status()

    def stop(self) -> None:
        self._control.close()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        control = self._control
        recording, message = control.recording, control.detail or control.state.value
        values: dict[str, object] = {"state": control.state.value, "free_bytes": free_bytes(control.root)}
        if recording is None:
            return (ERROR if control.state == State.ERROR else OK), message, values
        lost = sum(counter.loss.total for counter in recording.counters)
        values |= {"recording_id": recording.recording_id, "bytes": recording.bytes, "lost": lost}
        return (WARN if lost else OK), message, values

    def _start_recording(self, request: StartRecording.Request, response: StartRecording.Response) -> StartRecording.Response:
        wanted = RecordingRequest(
            request.label, request.participant, request.testing_mode, max(0.0, request.duration_s), tuple(request.topics)
        )
        try:
            recording = self._control.begin(wanted)
        except (Refused, RecordingError, UnknownMessageType, OSError) as error:
            if self._control.recording is None:
                self._control.set_state(State.IDLE, f"start refused: {error}")
            self.get_logger().error(f"start refused: {error}")
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "recording"
        response.recording_id, response.path = recording.recording_id, str(recording.layout.path)
        return response

    def _stop_recording(self, request: StopRecording.Request, response: StopRecording.Response) -> StopRecording.Response:
        try:
            summary = self._control.finish("stopped")
        except Refused as error:
            response.success, response.message = False, str(error)
            return response
        if summary is None:
            response.success, response.message = False, self._control.detail
            return response
        response.success, response.message = True, summary.state
        response.recording_id, response.path = summary.recording_id, str(summary.path)
        response.duration_s, response.bytes = summary.duration_s, summary.bytes
        return response

    def _cancel_recording(self, request: CancelRecording.Request, response: CancelRecording.Response) -> CancelRecording.Response:
        try:
            summary = self._control.cancel(keep_data=request.keep_data)
        except Refused as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "cancelled, data kept" if request.keep_data else "cancelled, data removed"
        response.recording_id, response.path = summary.recording_id, str(summary.path) if request.keep_data else ""
        return response

    def _tell_complete(self, summary: RecordingSummary) -> None:
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

    def _publish_status(self) -> None:
        control = self._control
        recording = control.recording
        status = RecorderStatus(state=control.state.value, detail=control.detail, free_bytes=free_bytes(control.root))
        status.header.stamp = self.get_clock().now().to_msg()
        if recording is not None:
            status.recording_id, status.path = recording.recording_id, str(recording.layout.path)
            status.elapsed_s, status.bytes = recording.elapsed_s, recording.bytes
            status.streams = [_stream_status(counter) for counter in recording.counters]
        self._status.publish(status)


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
