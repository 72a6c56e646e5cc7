"""The life of recordings inside the recorder node: begun when the devices are ready, watched, and ended."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.utilities import get_rmw_implementation_identifier

from rig_capture import __version__
from rig_capture.nodes.base import RigNode, data_qos
from rig_capture.nodes.intake import Intake
from rig_capture.nodes.qos import fitting_qos, publishers_of, qos_metadata
from rig_capture.profiles.places import sessions_dir
from rig_capture.profiles.settings import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest, RecordingSummary, end_reason_for
from rig_capture.recorder.space import out_of_space, used_bytes
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.session.manifest import EndReason

log = logging.getLogger(__name__)

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


class RecordingControl:
    """Holds at most one recording. Its methods may be called from any thread; they follow one another."""

    def __init__(
        self, node: RigNode[RecorderParameters], on_change: Callable[[], None], on_ended: Callable[[RecordingSummary], None]
    ) -> None:
        """Records nothing yet.

        Args:
            node: subscribes, and knows the settings.
            on_change: called after each change of state.
            on_ended: told of each session whose completion mark is on disk.
        """
        self._node = node
        self._settings = node.settings
        self._on_change, self._on_ended = on_change, on_ended
        self.root = sessions_dir(node.settings)
        self._rig_streams = [StreamSpec.parse(text) for text in node.settings.streams]
        self.state = State.IDLE
        self.detail = ""
        self.recording: Recording | None = None
        self._intake: Intake | None = None
        self._failure: BaseException | None = None
        self._used_before = 0
        self._ending = threading.Event()
        self._lock = threading.RLock()
        self._reports: dict[str, str] = {}
        node.create_subscription(DiagnosticArray, "diagnostics", self._hear_diagnostics, data_qos(50))

    def begin(self, request: RecordingRequest) -> Recording:
        """Starts a recording; returns when every required device is being written.

        Raises:
            Refused: it can't be met now; the message says why.
            RecordingError: a writer or a type is not there.
            UnknownMessageType: a type is not installed.
            OSError: the session can't be written.
        """
        with self._lock:
            if self.recording is not None:
                raise Refused(f"{self.recording.recording_id} is being recorded; stop it first")
            self._used_before = used_bytes(self.root)
            if (full := out_of_space(self.root, self._settings, self._used_before)) is not None:
                raise Refused(full[1])
            self._failure = None
            self.set_state(State.STARTING)
            recording = Recording(self._context_of_recording(), request, self._part_failed)
            try:
                self._open_streams(recording)
                self._wait_until_ready(recording)
            except BaseException:
                self._stop_intake()
                recording.cancel(keep_data=False)
                raise
            self.recording = recording
            self.set_state(State.RECORDING)
            log.info("recording %s", recording.recording_id)
            return recording

    def finish(self, reason: EndReason) -> RecordingSummary | None:
        """Ends the recording; None where even that failed, with the reason in the detail. Raises Refused where none runs."""
        with self._lock:
            recording = self._running()
            self.set_state(State.STOPPING)
            self._stop_intake()
            try:
                summary = recording.finish("complete", reason if self._failure is None else end_reason_for(self._failure))
            except OSError as error:
                self.recording = None
                self.set_state(
                    State.ERROR, f"{recording.recording_id} could not be finished: {error}; its data is in {recording.layout.path}"
                )
                log.exception("%s", recording.recording_id)
                return None
            self._ended(summary)
            return summary

    def cancel(self, *, keep_data: bool) -> RecordingSummary:
        """Ends the recording so that it will not be uploaded. Raises Refused where none runs, OSError."""
        with self._lock:
            recording = self._running()
            self._stop_intake()
            summary = recording.cancel(keep_data=keep_data)
            self._ended(summary)
            return summary

    def watch(self) -> None:
        """Ends the recording where its time is over, a writer failed, or the disk is full; to be called often."""
        recording = self.recording
        if recording is None:
            return
        reason = self._reason_to_end(recording)
        if reason is not None:
            with self._lock:
                if self.recording is recording:
                    self.finish(reason)

    def close(self) -> None:
        """Finishes the recording that runs, if any; nothing is begun any more."""
        self._ending.set()
        with self._lock:
            if self.recording is not None:
                log.info("ending: the recording is being finished")
                self.finish("stopped")

    def set_state(self, state: State, detail: str = "") -> None:
        """Changes the state, and tells."""
        self.state, self.detail = state, detail
        self._on_change()

    def _running(self) -> Recording:
        if self.recording is None:
            raise Refused("no recording runs")
        return self.recording

    def _open_streams(self, recording: Recording) -> None:
        self._intake = intake = Intake(self._node, lambda failure: self._part_failed("intake", failure))
        for spec in [*self._rig_streams, *map(self._find_topic, (*self._settings.topics, *recording.request.topics))]:
            topic = self._node.resolve_topic_name(spec.topic)
            publishers = publishers_of(self._node, topic)
            offered = [qos_metadata(publisher.qos_profile) for publisher in publishers]
            sink = recording.add_stream(spec, topic, offered)
            intake.add(spec.type, topic, fitting_qos(publishers, self._settings.depth), sink)
        intake.start()

    def _wait_until_ready(self, recording: Recording) -> None:
        deadline = time.monotonic() + self._settings.ready_timeout_s
        while silent := [counter for counter in recording.counters if counter.spec.required and counter.messages == 0]:
            if self._ending.wait(_POLL_S):
                raise Refused("the recorder is ending")
            if self._failure is not None:
                raise Refused(f"writing failed: {self._failure}")
            if time.monotonic() > deadline:
                raise Refused("; ".join(self._why_silent(counter) for counter in silent))

    def _why_silent(self, counter: StreamCounter) -> str:
        topic = self._node.resolve_topic_name(counter.spec.topic)
        waited = f"{self._settings.ready_timeout_s:g} s"
        publishers = publishers_of(self._node, topic)
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
        topic = self._node.resolve_topic_name(name)
        deadline = time.monotonic() + self._settings.ready_timeout_s
        while True:
            types = dict(self._node.get_topic_names_and_types()).get(topic)
            if types:
                return StreamSpec("topic", name, types[0])
            if time.monotonic() > deadline or self._ending.wait(_POLL_S):
                raise Refused(f"{topic}: no such topic, so its type is not known; `ros2 topic list` shows those there are")

    def _stop_intake(self) -> None:
        if self._intake is not None:
            self._intake.stop()
            self._intake = None

    def _ended(self, summary: RecordingSummary) -> None:
        self.recording = None
        self._on_ended(summary)
        self.set_state(State.IDLE, f"{summary.recording_id}: {summary.state} ({summary.end_reason})")
        log.info("%s", self.detail)

    def _reason_to_end(self, recording: Recording) -> EndReason | None:
        if self._failure is not None:
            return end_reason_for(self._failure)
        if 0 < recording.request.duration_s <= recording.elapsed_s:
            return "duration"
        full = out_of_space(self.root, self._settings, self._used_before + recording.bytes)
        if full is not None:
            log.error("ending the recording: %s", full[1])
            return full[0]
        return None

    def _part_failed(self, name: str, failure: BaseException) -> None:
        """Called in a writer's or the intake's thread; the watch ends the recording."""
        if self._failure is None:
            self._failure = failure

    def _context_of_recording(self) -> RecordingContext:
        software = {
            "rig_capture": __version__,
            "ros_distro": os.environ.get("ROS_DISTRO", ""),
            "rmw": get_rmw_implementation_identifier(),
            "bag_writer": self._settings.writer,
        }
        return RecordingContext(self._settings, self.root, software, json.loads(self._settings.profile), self._node.now_ns)
