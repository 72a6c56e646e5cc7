"""The recorder that leads a rig of several hosts, as seen by one that follows it.

A follower keeps recording while it does not hear the leader: its streams are worth no less. When it hears the leader again, and that
records something else or nothing, the recording has ended meanwhile, and the follower ends its part.
"""

import time

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rig_capture_msgs.msg import RecorderStatus

from rig_capture.health.catalogue import ENDED_LATE, HOST_LOST
from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.qos import state_qos
from rig_capture.nodes.recording.session_health import SessionHealth
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.errors import Refused
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import Recording

_ENDED_S = 3.0
"""So long the leader must say that it records something else: just before a start it still does, and at a stop its order is on the way."""
_LATE_S = 2.5
"""An order to stop that comes after so long a silence is late: the status comes once a second."""


class Leader:
    """Listens to the leader's status, and ends a recording of its that is over."""

    def __init__(self, node: RigNode[RecorderParameters], manager: RecordingManager, events: SessionHealth) -> None:
        """Listens from now on; what is noted goes to `events`."""
        self._node, self._manager, self._events = node, manager, events
        self._name = full_name = node.settings.leader
        self._recording: Recording | None = None
        self._heard = time.monotonic()
        self._status: RecorderStatus | None = None
        self._longest_s = 0.0
        self._ended_since: float | None = None
        topic = f"{full_name.rpartition('/')[0]}/recorder/status"
        node.create_subscription(RecorderStatus, topic, self._hear, state_qos(), callback_group=MutuallyExclusiveCallbackGroup())

    def watch(self) -> None:
        """To be called regularly."""
        recording = self._manager.recording
        if recording is None or not recording.request.recording_id:
            if self._recording is not None:
                self._node.health.clear(HOST_LOST, "no longer looked at: the recording has ended")
            self._recording = None
            return
        if recording is not self._recording:
            self._recording, self._longest_s, self._heard = recording, 0.0, time.monotonic()
            self._status = self._ended_since = None
        self._look(recording)

    def _hear(self, status: RecorderStatus) -> None:
        self._longest_s = max(self._longest_s, time.monotonic() - self._heard)
        self._status, self._heard = status, time.monotonic()

    def _look(self, recording: Recording) -> None:
        now, status = time.monotonic(), self._status
        silent_s = now - self._heard
        self._tell_silence(recording, silent_s)
        if status is None or status.recording_id == recording.recording_id or silent_s > _ENDED_S:
            self._ended_since = None
            return
        if self._ended_since is None:
            self._ended_since = now
        if now - self._ended_since > _ENDED_S:
            self._note(recording)
            self._end(recording)

    def note_late_order(self) -> None:
        """To be called before the leader's order to stop is followed: puts on record that it comes late, where it does."""
        if (recording := self._recording) is not None and time.monotonic() - self._heard > _LATE_S:
            self._longest_s = max(self._longest_s, time.monotonic() - self._heard)
            self._note(recording)

    def _tell_silence(self, recording: Recording, silent_s: float) -> None:
        is_lost = silent_s > self._node.settings.host_lost_s
        lost = f"{self._name} was not heard for {silent_s:.0f} s; recording goes on here until it is heard again"
        self._node.health.set(
            HOST_LOST,
            self._name,
            problem=is_lost,
            message=lost if is_lost else f"{self._name} is heard again",
            evidence={"recording_id": recording.recording_id, "silent_s": round(silent_s, 3)},
        )

    def _note(self, recording: Recording) -> None:
        text = (
            f"{recording.recording_id} was ended by {self._name} while this host was not reached (for {self._longest_s:.0f} s); "
            "the part of this host ends later than the others"
        )
        self._node.get_logger().warning(text)
        self._events.note(ENDED_LATE, recording.recording_id, message=text, evidence={"not_heard_s": round(self._longest_s, 3)})

    def _end(self, recording: Recording) -> None:
        try:
            self._manager.finish("stopped", recording.recording_id)
        except Refused:
            return  # somebody was quicker
