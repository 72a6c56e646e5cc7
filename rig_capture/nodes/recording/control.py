"""The ROS side of a recording: subscriptions for its streams, and why one of them is silent."""

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message
from rclpy.utilities import get_rmw_implementation_identifier

from rig_capture import __version__
from rig_capture.health.catalogue import RECORDING_FAILED
from rig_capture.nodes.common.base import RigNode, data_qos
from rig_capture.nodes.common.diagnosis import TOPIC, node_reports
from rig_capture.nodes.common.outside import OutsideExecutor, never_called
from rig_capture.nodes.common.qos import fitting_qos, publishers_of, qos_metadata
from rig_capture.nodes.common.taking import MessageTaker
from rig_capture.nodes.recording.clocks import HostClocks
from rig_capture.nodes.recording.intake import Intake, UnknownMessageType, message_class
from rig_capture.nodes.recording.lookback import LookBackIntake
from rig_capture.nodes.recording.topics import TopicSelection, TopicWatch, own_side_topics, topic_spec
from rig_capture.profiles.places import sessions_dir
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.errors import Refused, UnknownType
from rig_capture.recorder.recording import Recording, RecordingContext
from rig_capture.recorder.streams import StreamCounter, StreamSpec

_POLL_S = 0.02
_DEPTH = 500
"""Diagnostics that may come within a second."""


class RosStreams:
    """The rig's streams and topics asked for, as `RecordingManager` needs them."""

    def __init__(self, node: RigNode[RecorderParameters]) -> None:
        """Subscribes to nothing but diagnostics yet; `node` subscribes, and knows the settings."""
        self._node = node
        self._rig_streams = [StreamSpec.parse(text) for text in node.settings.streams]
        self._intake: Intake | None = None
        self._watch: TopicWatch | None = None
        self.lookback = LookBackIntake(node, self._rig_streams) if node.settings.lookback_s else None
        self._host_clocks = HostClocks(node, self._rig_streams)
        self._reports: dict[str, str] = {}
        """What each node said last in its diagnostics."""
        # Not by the executor, which would wake for each of the rig's nodes every second.
        self._diagnostics = node.create_subscription(
            DiagnosticArray, TOPIC, never_called, data_qos(_DEPTH), callback_group=OutsideExecutor(), raw=True
        )
        self._taker, self._taking = MessageTaker(self._diagnostics.handle), threading.Lock()

    def open(self, recording: Recording, give_up: threading.Event, on_failure: Callable[[BaseException], None]) -> None:
        """See `Streams`."""
        node, settings = self._node, self._node.settings
        self._intake = Intake(node, on_failure)
        wanted = TopicSelection.parse((*settings.topics, *recording.request.topics), settings.exclude, node.resolve_topic_name)
        if self.lookback is None:
            for spec in self._rig_streams:
                self._add(recording, spec)
        else:
            kept = {spec.name: recording.add_stream(spec, *self._topic_of(spec)) for spec in self._rig_streams}
            self.lookback.divert(kept, recording.request.since_ns, on_failure)
        for name in wanted.names:
            self._add_named(recording, name, give_up)
        known = {node.resolve_topic_name(counter.spec.topic) for counter in recording.counters}
        known |= set(map(node.resolve_topic_name, own_side_topics(self._rig_streams)))
        self._watch = TopicWatch(
            node,
            wanted,
            known,
            found=lambda topic, kind: self._add_late(recording, topic_spec(topic, kind, settings)),
            failed=lambda error: self._tell_harm(recording, f"topics that appear now can't be looked for: {error}; it is tried again"),
        )
        for topic, kind in self._watch.look():
            self._add_extra(recording, topic_spec(topic, kind, settings))
        self.hear_diagnostics()
        self._host_clocks.begin(recording)
        recording.write_down()
        self._intake.start()
        self._watch.start()

    def close(self) -> None:
        """See `Streams`."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self._intake is not None:
            self._intake.stop()
            self._intake = None
        if self.lookback is not None:
            self.lookback.release()
        self.hear_diagnostics()
        self._host_clocks.end(self._node.settings.clock_wait_s)

    def _topic_of(self, spec: StreamSpec) -> tuple[str, list[dict[str, Any]]]:
        """The absolute name of a stream's topic, and the QoS that its publishers offer."""
        topic = self._node.resolve_topic_name(spec.topic)
        return topic, [qos_metadata(publisher.qos_profile) for publisher in publishers_of(self._node, topic)]

    def _add(self, recording: Recording, spec: StreamSpec) -> None:
        assert self._intake is not None
        topic = self._node.resolve_topic_name(spec.topic)
        publishers = publishers_of(self._node, topic)
        sink = recording.add_stream(spec, topic, [qos_metadata(publisher.qos_profile) for publisher in publishers])
        self._intake.add(spec.type, topic, fitting_qos(publishers, self._node.settings.depth), sink)

    def _add_named(self, recording: Recording, name: str, give_up: threading.Event) -> None:
        is_event = recording.request.trigger is not None
        try:
            spec = self._find_topic(name, give_up, 0.0 if is_event else self._node.settings.ready_timeout_s)
        except Refused as error:
            if not is_event:
                raise
            # An event is saved with what there is.
            self._node.get_logger().warning(f"not recorded: {error}")
        else:
            self._add_extra(recording, spec)

    def _add_extra(self, recording: Recording, spec: StreamSpec) -> None:
        """Adds a topic beside the rig's own; one of a type that is not installed is put on record as left out."""
        try:
            message_class(spec.type)
            self._add(recording, spec)
        except (UnknownMessageType, UnknownType) as error:
            self._node.get_logger().warning(f"{spec.topic} is not recorded: {error}")
            recording.leave_out(spec, str(error))

    def _add_late(self, recording: Recording, spec: StreamSpec) -> None:
        """Adds a topic that appeared while recording; whatever keeps it from being recorded is told, and no harm to the others."""
        try:
            self._add_extra(recording, spec)
        except Exception as error:  # noqa: BLE001  # told, and on record
            recording.leave_out(spec, str(error))
            self._tell_harm(recording, f"{spec.topic} is not recorded: {error}; the next recording tries it again")

    def _tell_harm(self, recording: Recording, text: str) -> None:
        self._node.get_logger().error(f"{recording.recording_id}: {text}")
        self._node.health.tell(RECORDING_FAILED, recording.recording_id, message=text, evidence={"recording_id": recording.recording_id})

    def why_silent(self, counter: StreamCounter) -> str:
        """See `Streams`."""
        self.hear_diagnostics()
        topic = self._node.resolve_topic_name(counter.spec.topic)
        waited = f"{self._node.settings.ready_timeout_s:g} s"
        publishers = publishers_of(self._node, topic)
        if not publishers:
            return f"{topic}: nobody publishes it; is its node up? (`rig status` tells)"
        if counter.last_heard is None:
            node = f"{publishers[0].node_namespace.rstrip('/')}/{publishers[0].node_name}"
            return f"{topic}: delivered nothing in {waited}; {node} says: {self._reports.get(node, 'nothing')}"
        return f"{topic}: delivered no keyframe in {waited}"

    def hear_diagnostics(self) -> None:
        """Takes in what the rig's nodes said of themselves; to be called every second."""
        with self._taking:
            for data, *_ in self._taker.take(_DEPTH):
                reports = node_reports(deserialize_message(data, DiagnosticArray))
                self._reports |= {name: report.message for name, report in reports.items()}
                self._host_clocks.hear_reports(reports)

    def _find_topic(self, name: str, give_up: threading.Event, timeout_s: float) -> StreamSpec:
        """A topic by name alone; discovery may still be going on, so it is given the time that devices have to be ready."""
        topic = self._node.resolve_topic_name(name)
        deadline = time.monotonic() + timeout_s
        while True:
            types = dict(self._node.get_topic_names_and_types()).get(topic)
            if types:
                return topic_spec(name, types[0], self._node.settings)
            if time.monotonic() > deadline or give_up.wait(_POLL_S):
                raise Refused(
                    f"{topic}: no such topic, so its type is not known; `ros2 topic list` shows those there are. "
                    f"A pattern such as re:{topic} takes a topic whenever it appears"
                )


def recording_context(node: RigNode[RecorderParameters]) -> RecordingContext:
    """What recordings are told of this machine."""
    settings = node.settings
    software = {
        "rig_capture": __version__,
        "ros_distro": os.environ.get("ROS_DISTRO", ""),
        "rmw": get_rmw_implementation_identifier(),
        "bag_writer": settings.writer,
    }
    return RecordingContext(settings, sessions_dir(settings), software, json.loads(settings.profile), node.now_ns)
