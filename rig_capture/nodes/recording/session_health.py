"""The health events of the rig, for the sessions that are recorded."""

import threading
from collections.abc import Mapping

from pydantic import JsonValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rig_capture_msgs.msg import HealthEvent

from rig_capture.health.catalogue import Code
from rig_capture.health.events import Event
from rig_capture.health.problems import OpenProblems
from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.health import TOPIC, event_of
from rig_capture.nodes.common.qos import state_qos
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import Recording

_DEPTH = 1000


class SessionHealth:
    """Hears `health` from its beginning to the node's end; each session gets what is open at its start, and what comes."""

    def __init__(self, node: RigNode[RecorderParameters], manager: RecordingManager) -> None:
        """Hears from now on."""
        self._node = node
        self._manager = manager
        self._problems = OpenProblems()
        self._told: Recording | None = None
        self._noted: Event | None = None
        self._lock = threading.Lock()
        group = MutuallyExclusiveCallbackGroup()
        node.create_subscription(HealthEvent, TOPIC, self._hear, state_qos(_DEPTH), callback_group=group)
        manager.callbacks.changed.append(self._tell_open)

    def note(self, code: Code, subject: str, *, message: str, evidence: Mapping[str, JsonValue]) -> None:
        """Tells an incident, and puts it into the session that is about to end, which would not hear of it in time."""
        with self._lock:
            self._noted = event = self._node.health.tell(code, subject, message=message, evidence=evidence)
            if (recording := self._manager.recording) is not None:
                recording.health.put(event)

    def _hear(self, message: HealthEvent) -> None:
        event = event_of(message)
        with self._lock:
            if (noted := self._noted) is not None and (noted.node, noted.code, noted.stamp_ns) == (event.node, event.code, event.stamp_ns):
                return
        self._tell_open()  # first, so that a problem that ends now has begun in the session
        with self._lock:
            self._problems.see(event)
        if (recording := self._manager.recording) is not None:
            recording.health.put(event)

    def _tell_open(self) -> None:
        with self._lock:
            recording, before = self._manager.recording, self._told
            self._told = recording
            if recording is not None and recording is not before:
                for event in self._problems.events:
                    recording.health.put(event)
