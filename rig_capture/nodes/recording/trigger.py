"""Triggers: a service, a topic, health events. Each saves what the look-back buffer holds, and what comes after."""

import time

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rig_capture_msgs.msg import HealthEvent
from rig_capture_msgs.srv import TriggerRecording

from rig_capture.nodes.common.base import RigNode, data_qos
from rig_capture.nodes.common.generated import Message
from rig_capture.nodes.recording.intake import message_class
from rig_capture.nodes.recording.lookback import LookBackIntake
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.errors import RecordingError, Refused
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import Recording, RecordingRequest
from rig_capture.session.manifest import Trigger, iso_time

_SEVERITIES = {"warning": HealthEvent.WARNING, "error": HealthEvent.ERROR}


class Triggers:
    """Begins a recording for an event; one that falls into a running recording is noted there, and prolongs it where it must."""

    def __init__(self, node: RigNode[RecorderParameters], manager: RecordingManager, lookback: LookBackIntake | None) -> None:
        """Listens to what the settings name. Raises UnknownMessageType."""
        self._node, self._manager, self._lookback = node, manager, lookback
        self._was_true = False
        settings, group = node.settings, MutuallyExclusiveCallbackGroup()
        node.create_service(TriggerRecording, "trigger_recording", self._asked, callback_group=group)
        if settings.trigger_topic:
            kind = message_class(settings.trigger_type)
            node.create_subscription(kind, settings.trigger_topic, self._heard, data_qos(50), callback_group=group)
        if settings.trigger_health:
            # Volatile: events of the time before this node are none to react to.
            node.create_subscription(HealthEvent, "health", self._health, data_qos(50), callback_group=group)

    def trigger(self, source: str, label: str, lookback_s: float, lookahead_s: float, recording_id: str = "") -> Recording:
        """Saves an event.

        Args:
            source: as in the manifest's `trigger`.
            label: likewise, and the session's where it is a new one.
            lookback_s: seconds before now.
            lookahead_s: seconds after now.
            recording_id: that of another machine's recorder which saves the event too; empty: a new one.

        Returns:
            The recording that holds it.

        Raises:
            RecordingError, OSError: it can't be recorded.
        """
        now_ns = time.time_ns()
        event = Trigger(at=iso_time(now_ns), source=source, label=label)
        since_ns = now_ns - int(lookback_s * 1e9)
        if self._lookback is not None:
            self._lookback.sinks.hold(since_ns)
        recording = self._manager.extend(event, lookahead_s)
        if recording is None:
            recording = self._begin(event, since_ns, lookahead_s, recording_id)
        self._node.get_logger().info(f"trigger by {source}: {recording.recording_id}")
        return recording

    def _begin(self, event: Trigger, since_ns: int, lookahead_s: float, recording_id: str) -> Recording:
        begins_ns = None
        if self._lookback is not None:
            begins_ns = self._lookback.sinks.oldest_ns(since_ns)
        request = RecordingRequest(label=event.label, trigger=event, lookahead_s=lookahead_s, since_ns=begins_ns, recording_id=recording_id)
        try:
            return self._manager.begin(request)
        except Refused:
            # Somebody else began one at the same moment.
            if (running := self._manager.extend(event, lookahead_s)) is not None:
                return running
            raise
        finally:
            if self._lookback is not None:
                self._lookback.sinks.hold(None)

    def _asked(self, request: TriggerRecording.Request, response: TriggerRecording.Response) -> TriggerRecording.Response:
        settings = self._node.settings
        lookback_s = max(0.0, request.lookback_s or settings.lookback_s)
        lookahead_s = request.lookahead_s if request.lookahead_s > 0 else settings.lookahead_s
        try:
            recording = self.trigger("service", request.label, lookback_s, lookahead_s, request.recording_id)
        except (RecordingError, OSError) as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "recording"
        response.recording_id, response.path = recording.recording_id, str(recording.layout.path)
        return response

    def _heard(self, message: Message) -> None:
        kind, label = self._node.settings.trigger_type, ""
        if kind == "std_msgs/msg/Bool":
            was_true, self._was_true = self._was_true, message.data
            if was_true or not message.data:
                return
        elif kind == "std_msgs/msg/String":
            label = message.data
        self._react(f"topic {self._node.settings.trigger_topic}", label)

    def _health(self, event: HealthEvent) -> None:
        own = event.node == self._node.get_fully_qualified_name()
        if own or event.recovered or event.severity < _SEVERITIES[self._node.settings.trigger_health]:
            return
        self._react(f"health {event.node} {event.code}", event.message)

    def _react(self, source: str, label: str) -> None:
        settings = self._node.settings
        try:
            self.trigger(source, label, settings.lookback_s, settings.lookahead_s)
        except (RecordingError, OSError) as error:
            self._node.get_logger().error(f"trigger by {source}: {error}")
