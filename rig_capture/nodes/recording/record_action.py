"""The action `record`: a recording as a goal, with feedback, ended by its time, a cancel, or anybody who stops it."""

import threading
import time
from collections.abc import Callable

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rig_capture_msgs.action import Record
from rig_capture_msgs.msg import RecorderStatus

from rig_capture.owned_thread import OwnedThread
from rig_capture.recorder.errors import RecordingError, Refused
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import RecordingRequest

_FEEDBACK_S = 0.5
_LOOK_S = 0.05
"""How late a cancel may be noticed; rclpy tells of one only to who asks."""


class RecordAction:
    """Serves the action. A goal holds one thread of the executor while it runs."""

    def __init__(self, node: Node, manager: RecordingManager, status: Callable[[], RecorderStatus]) -> None:
        """Begins to serve.

        Args:
            node: serves.
            manager: records.
            status: the present one, for feedback.
        """
        self._node = node
        self._manager = manager
        self._status = status
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._ended: dict[str, RecordingSummary | None] = {}
        self._goals = 0
        manager.callbacks.ended.append(lambda summary: self._note_end(summary.recording_id, summary))
        manager.callbacks.failed.append(self._note_failure)
        self._server = ActionServer(
            node,
            Record,
            "record",
            self._execute,
            callback_group=MutuallyExclusiveCallbackGroup(),
            goal_callback=self._judge,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def close(self) -> None:
        """Lets goals that run come to their end; the recorder finishes the recording itself."""
        self._closing.set()

    def destroy(self) -> None:
        """Serves no more."""
        self._server.destroy()

    def _judge(self, goal: Record.Goal) -> GoalResponse:
        reason = self._manager.refusal()
        with self._changed:
            if not reason and self._goals:
                reason = "another goal is being met"
            if not reason:
                self._goals += 1
        if reason:
            # ROS has no way to tell a client why its goal was rejected.
            self._node.get_logger().warning(f"a goal of the action record was rejected: {reason}")
            self._manager.note(f"a goal was rejected: {reason}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _execute(self, handle: ServerGoalHandle) -> Record.Result:
        try:
            return self._record(handle)
        finally:
            with self._changed:
                self._goals -= 1

    def _record(self, handle: ServerGoalHandle) -> Record.Result:
        goal = handle.request
        request = RecordingRequest(goal.label, goal.participant, goal.testing_mode, max(0.0, goal.duration_s), tuple(goal.topics))
        begun = self._begin(handle, request)
        if isinstance(begun, Record.Result):
            return begun
        summary = self._wait(handle, begun)
        if summary is None:
            handle.abort()
            return Record.Result(success=False, message=self._manager.detail, recording_id=begun)
        result = Record.Result(success=True, message=f"{summary.state} ({summary.end_reason})", recording_id=begun)
        result.path, result.duration_s, result.bytes = str(summary.path), summary.duration_s, summary.bytes
        if handle.is_cancel_requested:
            handle.canceled()
        elif summary.state == "complete" and summary.end_reason in ("stopped", "duration"):
            handle.succeed()
        else:
            result.success = False
            handle.abort()
        return result

    def _begin(self, handle: ServerGoalHandle, request: RecordingRequest) -> "str | Record.Result":
        """The recording's id, or the result where there is none."""
        begun = threading.Event()
        giving_up = OwnedThread("record_goal", lambda: self._give_up_where_cancelled(handle, begun))
        giving_up.start()
        try:
            return self._manager.begin(request).recording_id
        except (RecordingError, OSError) as error:
            self._node.get_logger().error(f"start refused: {error}")
            if handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
            return Record.Result(success=False, message=str(error))
        finally:
            begun.set()
            giving_up.join()

    def _give_up_where_cancelled(self, handle: ServerGoalHandle, begun: threading.Event) -> None:
        while not begun.wait(_LOOK_S):
            if handle.is_cancel_requested and self._manager.give_up_start():
                return

    def _wait(self, handle: ServerGoalHandle, recording_id: str) -> RecordingSummary | None:
        """Waits for the end of a recording; a cancelled goal stops it. None where it could not be finished."""
        due = time.monotonic()
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: recording_id in self._ended, _LOOK_S):
                    return self._ended.pop(recording_id)
            if handle.is_cancel_requested:
                self._stop(recording_id)
            elif time.monotonic() >= due and not self._closing.is_set():
                due += _FEEDBACK_S
                handle.publish_feedback(Record.Feedback(status=self._status()))

    def _stop(self, recording_id: str) -> None:
        try:
            self._manager.finish("stopped", recording_id)
        except Refused:
            return  # it has ended meanwhile, and its end is on its way to us

    def _note_end(self, recording_id: str, summary: RecordingSummary | None) -> None:
        with self._changed:
            self._ended = {recording_id: summary}  # of older ones nobody asks any more
            self._changed.notify_all()

    def _note_failure(self, recording_id: str, text: str) -> None:
        recording = self._manager.recording
        if recording is None or recording.recording_id != recording_id:
            self._note_end(recording_id, None)
