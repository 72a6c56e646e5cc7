"""The health events of the rig, for the sessions that are recorded."""

import threading

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rig_capture_msgs.msg import HealthEvent

from rig_capture.health.problems import OpenProblems
from rig_capture.nodes.common.health import TOPIC, event_of
from rig_capture.nodes.common.qos import state_qos
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import Recording

_DEPTH = 1000


class SessionHealth:
    """Hears `health` from its beginning to the node's end; each session gets what is open at its start, and what comes."""

    def __init__(self, node: Node, manager: RecordingManager) -> None:
        """Hears from now on."""
        self._manager = manager
        self._problems = OpenProblems()
        self._told: Recording | None = None
        self._lock = threading.Lock()
        group = MutuallyExclusiveCallbackGroup()
        node.create_subscription(HealthEvent, TOPIC, self._hear, state_qos(_DEPTH), callback_group=group)
        manager.callbacks.changed.append(self._tell_open)

    def _hear(self, message: HealthEvent) -> None:
        event = event_of(message)
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
