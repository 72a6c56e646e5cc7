"""The action `record`, and starts that are given up."""

import json
from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rig_capture_msgs.action import Record
from rig_capture_msgs.msg import RecorderStatus
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording

from rig_capture.nodes.common.base import state_qos
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout, sessions_in
from test.integration.nodes import Ear
from test.integration.recorders import IMU, VIDEO, Call, Start


class Goals:
    """A client of the action."""

    def __init__(self, ear: Ear, namespace: str) -> None:
        self._ear = ear
        self.client = ActionClient(ear.node, Record, f"{namespace}/record")
        self.feedback: list[RecorderStatus] = []

    def send(self, **fields: Any) -> Any:
        """Sends a goal; returns its handle."""
        self._ear.until(self.client.server_is_ready, "the action server")
        sent = self.client.send_goal_async(Record.Goal(**fields), feedback_callback=lambda m: self.feedback.append(m.feedback.status))
        self._ear.until(sent.done, "the answer to the goal")
        return sent.result()

    def result(self, handle: Any, *, cancel: bool = False) -> tuple[int, Record.Result]:
        """Waits for the end of a goal; returns status and result."""
        if cancel:
            cancelled = handle.cancel_goal_async()
            self._ear.until(cancelled.done, "the answer to the cancel")
        ended = handle.get_result_async()
        self._ear.until(ended.done, "the result", 60)
        return ended.result().status, ended.result().result


@pytest.fixture
def goals(ear: Ear, namespace: str) -> Any:
    """A client of the action, destroyed before its node."""
    client = Goals(ear, namespace)
    yield client
    client.client.destroy()


@pytest.fixture
def statuses(ear: Ear, namespace: str) -> list[RecorderStatus]:
    """What the recorder says of itself."""
    return ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos(50))


@pytest.mark.usefixtures("sensors")
def test_a_timed_goal_records_gives_feedback_and_succeeds(recorder: Start, goals: Goals, ear: Ear) -> None:
    recorder(IMU)
    # Feedback is not kept for who comes late: long enough for the recorder to find who listens, on a busy machine too.
    status, result = goals.result(goals.send(duration_s=6.0, label="walk"))
    assert (status, result.success, result.message) == (GoalStatus.STATUS_SUCCEEDED, True, "complete (duration)")
    assert result.duration_s >= 6.0
    assert "recording" in [feedback.state for feedback in goals.feedback]
    assert all(feedback.recording_id == result.recording_id for feedback in goals.feedback if feedback.recording_id)
    ear.until(SessionLayout(Path(result.path)).complete_mark.exists, "the completion mark")
    verdict = verify_session(Path(result.path))
    assert verdict.whole, verdict.damages


@pytest.mark.usefixtures("sensors")
def test_cancelling_a_goal_stops_the_recording_and_keeps_it_and_a_second_goal_is_rejected(
    recorder: Start, goals: Goals, ear: Ear, statuses: list[RecorderStatus]
) -> None:
    node = recorder(IMU)
    first = goals.send()
    assert first.accepted
    ear.until(lambda: bool(goals.feedback), "feedback")
    assert not goals.send().accepted
    ear.until(lambda: "a goal was rejected: rec_" in statuses[-1].detail, "the reason in the status")
    assert "was rejected: rec_" in node.said
    status, result = goals.result(first, cancel=True)
    assert (status, result.success, result.message) == (GoalStatus.STATUS_CANCELED, True, "complete (stopped)")
    ear.until(SessionLayout(Path(result.path)).complete_mark.exists, "the completion mark")
    assert verify_session(Path(result.path)).whole
    status, result = goals.result(goals.send(duration_s=0.3))
    assert status == GoalStatus.STATUS_SUCCEEDED


@pytest.mark.usefixtures("sensors")
def test_a_recording_that_somebody_stops_ends_its_goal(recorder: Start, goals: Goals, ear: Ear, call: Call) -> None:
    recorder(IMU)
    handle = goals.send(duration_s=60.0)
    ear.until(lambda: bool(goals.feedback), "feedback")
    assert call(StopRecording, "stop_recording").success
    status, result = goals.result(handle)
    assert (status, result.success) == (GoalStatus.STATUS_SUCCEEDED, True)
    handle = goals.send(duration_s=60.0)
    goals.feedback.clear()
    ear.until(lambda: bool(goals.feedback), "feedback")
    assert call(CancelRecording, "cancel_recording").success
    status, result = goals.result(handle)
    assert (status, result.success) == (GoalStatus.STATUS_ABORTED, False)
    assert "cancelled" in result.message


def test_a_goal_that_can_not_be_begun_says_why(recorder: Start, goals: Goals, tmp_path: Path) -> None:
    recorder(VIDEO, ready_timeout_s=0.3)
    status, result = goals.result(goals.send(duration_s=1.0))
    assert (status, result.success) == (GoalStatus.STATUS_ABORTED, False)
    assert "camera/video: nobody publishes it" in result.message
    assert sessions_in(tmp_path / "sessions") == []


def test_a_goal_that_waits_for_its_devices_can_be_cancelled(
    recorder: Start, goals: Goals, ear: Ear, statuses: list[RecorderStatus], tmp_path: Path
) -> None:
    recorder(VIDEO, ready_timeout_s=300.0)
    handle = goals.send(duration_s=1.0)
    ear.until(lambda: bool(statuses) and statuses[-1].state == "starting", "the start")
    status, result = goals.result(handle, cancel=True)
    assert (status, result.success) == (GoalStatus.STATUS_CANCELED, False)
    ear.until(lambda: statuses[-1].state == "idle", "idle again")
    assert sessions_in(tmp_path / "sessions") == []


@pytest.mark.parametrize(("service", "name"), [(StopRecording, "stop_recording"), (CancelRecording, "cancel_recording")])
def test_a_start_that_waits_for_its_devices_can_be_given_up(
    recorder: Start, call: Call, ear: Ear, namespace: str, statuses: list[RecorderStatus], tmp_path: Path, service: Any, name: str
) -> None:
    recorder(VIDEO, ready_timeout_s=300.0)
    starts = ear.node.create_client(StartRecording, f"{namespace}/start_recording")
    ear.until(starts.service_is_ready, "the service")
    answer = starts.call_async(StartRecording.Request())
    ear.until(lambda: bool(statuses) and statuses[-1].state == "starting", "the start")
    given_up = call(service, name)
    assert given_up.success
    assert "given up" in given_up.message
    ear.until(answer.done, "the answer of the start")
    assert not answer.result().success
    assert "given up" in answer.result().message
    assert sessions_in(tmp_path / "sessions") == []
    assert not list((tmp_path / "sessions").iterdir())


@pytest.mark.usefixtures("sensors")
def test_the_states_follow_one_another(recorder: Start, goals: Goals, ear: Ear, statuses: list[RecorderStatus]) -> None:
    recorder(IMU)
    ear.until(lambda: bool(statuses), "the status")
    goals.result(goals.send(duration_s=0.5))
    ear.until(lambda: statuses[-1].state == "idle", "idle again")
    states = [status.state for status in statuses]
    changes = [state for index, state in enumerate(states) if index == 0 or state != states[index - 1]]
    assert changes[-5:] == ["idle", "starting", "recording", "stopping", "idle"], json.dumps(states)
