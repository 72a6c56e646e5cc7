"""Executable `recorder`: records the rig's streams on request, as sessions on disk."""

import time
from typing import NoReturn

from pydantic import JsonValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rig_capture_msgs.msg import RecorderStatus, SessionComplete, StreamStatus
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording

from rig_capture.delivery.retention import RoomMaker
from rig_capture.health.catalogue import RECORDING_FAILED, STREAM_SILENT
from rig_capture.nodes.common.base import RigNode, run_node, state_qos
from rig_capture.nodes.common.diagnosis import ERROR, OK, WARN
from rig_capture.nodes.common.every import Every
from rig_capture.nodes.common.memory import keep_large_buffers
from rig_capture.nodes.recording.control import RosStreams, recording_context
from rig_capture.nodes.recording.followers import Followers, FollowerSpec
from rig_capture.nodes.recording.guards import RecordingGuards
from rig_capture.nodes.recording.leader import Leader
from rig_capture.nodes.recording.record_action import RecordAction
from rig_capture.nodes.recording.session_health import SessionHealth
from rig_capture.nodes.recording.trigger import Triggers
from rig_capture.profiles.host import host_name
from rig_capture.profiles.places import jobs_dir
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.errors import RecordingError, Refused
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.health import StreamHealth
from rig_capture.recorder.jobs.jobs import JobStore
from rig_capture.recorder.jobs.runner import JobRunner
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import RecordingRequest
from rig_capture.recorder.repair.worker import RepairWorker
from rig_capture.recorder.space import free_bytes
from rig_capture.recorder.states import State
from rig_capture.recorder.streams import StreamCounter
from rig_capture.reporting.worker import ReportWorker

_WATCH_S = 0.1
_JOBS_S = 0.5

GIVEN_UP = "the start was given up; nothing was recorded"


class RecorderNode(RigNode[RecorderParameters]):
    """The services, the watch over the recording, and what others are told of it."""

    settings_type = RecorderParameters
    task = "Recording"
    # A start may wait for devices, a goal for its end, while stop and status go on.
    executor_threads = 4

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._status = self.create_publisher(RecorderStatus, "recorder/status", state_qos())
        self._complete = self.create_publisher(SessionComplete, "session_complete", state_qos(50))
        self._streams = RosStreams(self)
        self._lookback = self._streams.lookback
        self._manager = manager = RecordingManager(recording_context(self), self._streams)
        self._room = RoomMaker(
            self.settings,
            manager.is_short_of_room,
            lambda removed: manager.room.freed(removed.bytes),
            lambda: manager.recording is None,
        )
        manager.room.ask = self._room.ask
        store = JobStore(jobs_dir(self.get_namespace(), self.context.get_domain_id()))
        self._jobs = JobRunner(store, manager, manager.root, only=self.settings.jobs.removeprefix("all").removeprefix("only "))
        manager.callbacks.changed += [self._publish_status, self._end_silences]
        manager.callbacks.ended.append(self._jobs.ended)
        manager.callbacks.complete.append(self._tell_complete)
        manager.callbacks.unhealthy.append(self._tell_silence)
        manager.callbacks.failed.append(self._tell_failure)
        self._repairs = RepairWorker(manager.root, self._tell_complete, self._tell_failure)
        self._reports = ReportWorker(manager.root, lambda: manager.state in (State.STARTING, State.RECORDING))
        manager.callbacks.complete.append(self._want_report)
        self._events = SessionHealth(self, manager)
        self._followers = Followers(self, [FollowerSpec.parse(text) for text in self.settings.followers])
        manager.others = self._followers
        self._leader = Leader(self, manager, self._events) if self.settings.leader else None
        self._last: RecordingSummary | None = None
        manager.callbacks.ended.append(self._note_end)
        self._action = RecordAction(self, manager, self._status_message)
        self._triggers = Triggers(self, manager, self._lookback)
        self._file_guards = RecordingGuards(self, manager)
        self._create_services()
        # A job may wait for its devices while the watch goes on.
        self._regular = (Every("watch", _WATCH_S, self._watch), Every("jobs", _JOBS_S, self._jobs.look), self._file_guards.regular)

    def _watch(self) -> None:
        self._manager.watch()
        self._followers.watch(self._manager.recording)
        if self._leader is not None:
            self._leader.watch()

    def _create_services(self) -> None:
        starting, ending = (MutuallyExclusiveCallbackGroup() for _ in range(2))
        self.create_service(StartRecording, "start_recording", self._start_recording, callback_group=starting)
        # Apart from the start, so that one that waits for devices can be given up.
        self.create_service(StopRecording, "stop_recording", self._stop_recording, callback_group=ending)
        self.create_service(CancelRecording, "cancel_recording", self._cancel_recording, callback_group=ending)

    def start(self) -> None:
        self._manager.ready()
        if self._lookback is not None:
            self._lookback.start()
        self._jobs.reconcile()
        self._room.start()
        self._repairs.start()
        self._reports.start()
        for regular in self._regular:
            regular.start()
        self._publish_status()

    def stop(self) -> None:
        self._action.close()
        self._manager.close()
        for regular in self._regular:
            regular.stop()
        self._jobs.close()
        if self._lookback is not None:
            self._lookback.stop()
        self._repairs.stop()
        self._reports.stop()
        self._room.stop()
        for regular in self._regular:
            regular.check()

    def settings_changed(self, before: RecorderParameters) -> None:
        self._manager.update(recording_context(self))
        self._room.settings = self.settings

    def check(self) -> None:
        self._room.check()
        for regular in self._regular:
            regular.check()
        if self._manager.recording is None:  # one that runs is not broken off for these
            self._manager.finisher.check()
            if self._lookback is not None:
                self._lookback.check()

    def every_second(self) -> None:
        self._streams.hear_diagnostics()
        self._publish_status()

    def destroy_node(self) -> None:
        self._action.destroy()
        super().destroy_node()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        manager = self._manager
        recording, message = manager.recording, manager.detail or manager.state.value
        values: dict[str, object] = {"state": manager.state.value, "free_bytes": free_bytes(manager.root)}
        if self._room.last_error:
            values["make_room"] = self._room.last_error
        if self._repairs.failed:
            values["not_repaired"] = "; ".join(self._repairs.failed)
        if self._reports.failed:
            values["not_reported"] = "; ".join(self._reports.failed)
        if recording is None:
            return (ERROR if manager.state == State.ERROR else OK), message, values
        lost = sum(counter.loss.total for counter in recording.counters)
        silent = manager.silent
        values |= {"recording_id": recording.recording_id, "bytes": recording.bytes, "lost": lost, "silent": len(silent)}
        if recording.encoders:
            values["encoders"] = ", ".join(recording.encoders)
        values |= self._followers.values
        message = "; ".join([message, *self._followers.troubles])
        return (ERROR if silent or self._followers.troubles else WARN if lost else OK), message, values

    def _start_recording(self, request: StartRecording.Request, response: StartRecording.Response) -> StartRecording.Response:
        wanted = RecordingRequest(
            request.label,
            request.participant,
            request.testing_mode,
            max(0.0, request.duration_s),
            tuple(request.topics),
            recording_id=request.recording_id,
        )
        try:
            running = self._manager.recording
            # The recorder that leads asks again where it hears no answer.
            is_again = running is not None and request.recording_id == running.recording_id
            recording = running if is_again and running is not None else self._manager.begin(wanted)
        except (RecordingError, OSError) as error:
            self.get_logger().error(f"start refused: {error}")
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "recording"
        response.recording_id, response.path = recording.recording_id, str(recording.layout.path)
        return response

    def _stop_recording(self, request: StopRecording.Request, response: StopRecording.Response) -> StopRecording.Response:
        if self._manager.give_up_start():
            response.success, response.message = True, GIVEN_UP
            return response
        if self._leader is not None and request.recording_id:
            self._leader.note_late_order()
        try:
            summary = self._manager.finish("stopped", request.recording_id)
        except Refused as error:
            summary = self._ended_before(request.recording_id)
            if summary is None:
                response.success, response.message = False, str(error)
                return response
        if summary is None:
            response.success, response.message = False, self._manager.detail
            return response
        response.success, response.message = True, ", ".join(filter(None, [summary.state, summary.detail]))
        response.recording_id, response.path = summary.recording_id, str(summary.path)
        response.duration_s, response.bytes = summary.duration_s, summary.bytes
        return response

    def _cancel_recording(self, request: CancelRecording.Request, response: CancelRecording.Response) -> CancelRecording.Response:
        if self._manager.give_up_start():
            response.success, response.message = True, GIVEN_UP
            return response
        try:
            summary = self._manager.cancel(keep_data=request.keep_data, recording_id=request.recording_id)
        except Refused as error:
            response.success, response.message = False, str(error)
            return response
        if summary is None:
            response.success, response.message = False, self._manager.detail
            return response
        done = "cancelled, data kept" if request.keep_data else "cancelled, data removed"
        response.success, response.message = True, "; ".join(filter(None, [done, summary.detail]))
        response.recording_id, response.path = summary.recording_id, str(summary.path) if request.keep_data else ""
        return response

    def _note_end(self, summary: RecordingSummary) -> None:
        self._last = summary

    def _ended_before(self, recording_id: str) -> RecordingSummary | None:
        """The recording that is to be stopped, where it has just come to a good end by itself."""
        last = self._last
        good = last is not None and last.recording_id == recording_id and last.end_reason in ("stopped", "duration")
        return last if good and last is not None and last.state == "complete" else None

    def _tell_complete(self, summary: RecordingSummary) -> None:
        event = SessionComplete(
            state=summary.state,
            end_reason=summary.end_reason,
            recording_id=summary.recording_id,
            recording_hash=summary.recording_hash,
            path=str(summary.path),
            node_hostname=host_name(),
            duration_s=summary.duration_s,
            bytes=summary.bytes,
            manifest_sha256=summary.manifest_sha256,
        )
        event.header.stamp = self.get_clock().now().to_msg()
        self._complete.publish(event)

    def _want_report(self, summary: RecordingSummary) -> None:
        if self.settings.report and summary.state == "complete":
            self._reports.put(summary.path)

    def _tell_silence(self, change: StreamHealth) -> None:
        silence: dict[str, JsonValue] = {"silent_s": round(change.silent_s, 3), "timeout_s": change.timeout_s}
        evidence = {"stream": change.stream, "topic": change.topic} | silence
        self.health.set(STREAM_SILENT, change.topic, problem=not change.recovered, message=change.text, evidence=evidence)

    def _end_silences(self) -> None:
        if self._manager.recording is None:
            self.health.clear(STREAM_SILENT, "no longer recorded: the recording has ended")

    def _tell_failure(self, recording_id: str, text: str) -> None:
        self.health.tell(RECORDING_FAILED, recording_id, message=text, evidence={"recording_id": recording_id})

    def _publish_status(self) -> None:
        self._status.publish(self._status_message())

    def _status_message(self) -> RecorderStatus:
        manager = self._manager
        recording = manager.recording
        status = RecorderStatus(state=manager.state.value, detail=manager.detail, free_bytes=free_bytes(manager.root))
        status.header.stamp = self.get_clock().now().to_msg()
        if recording is not None:
            status.recording_id, status.path = recording.recording_id, str(recording.layout.path)
            status.elapsed_s, status.bytes = recording.elapsed_s, recording.bytes
            status.streams = [_stream_status(counter) for counter in recording.counters]
            self._followers.add_to(status)
        elif manager.state == State.STARTING:
            status.recording_id = self._followers.order  # those that have begun hear that the start goes on
        if (finishing := manager.finisher.current) is not None:
            status.merging, status.merge_progress = finishing
        if self._lookback is not None:
            status.lookback_s, status.lookback_bytes = self._lookback.sinks.seconds, self._lookback.sinks.held_bytes
        return status


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


def main() -> NoReturn:
    """Entry point."""
    keep_large_buffers()
    run_node(lambda: make_node("recorder"))


if __name__ == "__main__":
    main()
