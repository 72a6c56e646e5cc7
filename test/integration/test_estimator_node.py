"""The estimator node in a process of its own, over DDS."""

import signal
from pathlib import Path

import psutil
import pytest
from rig_capture_msgs.msg import EstimateEvent, EstimatorStatus, HealthEvent, RecorderStatus, SessionComplete
from std_srvs.srv import SetBool, Trigger

from rig_capture.estimation.listing import estimated_by
from rig_capture.nodes.common.base import state_qos
from test.estimation.sessions.parts import install_models, record
from test.integration.nodes import Ear, running
from test.integration.recorders import Call
from test.parts import alive, wait_until


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of sessions, with models for tests installed."""
    install_models(tmp_path / "models", monkeypatch)
    return tmp_path / "sessions"


def settings(root: Path, **others: object) -> dict[str, object]:
    """Parameters of the node; it looks at the disk by itself only once an hour."""
    return {"storage_path": str(root), "model": "plain", "scan_interval_s": 3600.0, **others}


def test_sessions_on_disk_and_those_that_an_event_tells_of_are_estimated(ear: Ear, namespace: str, tmp_path: Path, root: Path) -> None:
    first = record(root, "camera_front")
    status = ear.hear(EstimatorStatus, f"{namespace}/estimator/status", state_qos())
    events = ear.hear(EstimateEvent, f"{namespace}/estimate_event", state_qos(50))
    complete = ear.node.create_publisher(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    diagnosis = ear.diagnosis(namespace, "estimator")
    with running("estimator", namespace, tmp_path, settings(root)) as node:
        ear.until(lambda: len(events) == 1 and bool(status) and status[-1].state == EstimatorStatus.IDLE, "the first session")
        second = record(root, "camera_side")
        complete.publish(SessionComplete(state="complete", recording_id=second.name, path=str(second)))
        ear.until(lambda: len(events) == 2 and status[-1].state == EstimatorStatus.IDLE, "the second session")
        ear.until(lambda: (said := diagnosis()) is not None and said.level == b"\x00", "all well")
        code, seconds = node.end(signal.SIGTERM)
    assert (code, "Traceback" in node.said) == (0, False)
    assert seconds < 3
    assert [(event.recording_id, event.stream, event.success, event.frames) for event in events] == [
        (first.name, "camera_front", True, 12),
        (second.name, "camera_side", True, 12),
    ]
    assert events[0].path == str(first)
    assert "estimates/camera_front.plain.json" in events[0].files
    assert (status[-1].streams_done, status[-1].queued, status[-1].model) == (2, 0, "plain")
    assert estimated_by(second) == {"camera_side": ("plain",)}


def test_a_model_that_crashes_takes_no_node_with_it_and_is_told(ear: Ear, namespace: str, tmp_path: Path, root: Path, call: Call) -> None:
    record(root, "camera_front")
    events = ear.hear(EstimateEvent, f"{namespace}/estimate_event", state_qos(50))
    health = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    diagnosis = ear.diagnosis(namespace, "estimator")
    with running("estimator", namespace, tmp_path, settings(root, model="crashing", attempts=1)) as node:
        ear.until(lambda: len(events) == 1 and any(event.code == "estimate_failing" for event in health), "the failure")
        assert (events[0].success, events[0].given_up) == (False, True)
        assert "SIGSEGV" in events[0].error
        ear.until(lambda: (said := diagnosis()) is not None and said.level == b"\x01", "a warning")
        assert call(Trigger, "estimator/retry").success
        ear.until(lambda: len(events) == 2, "another try")
        assert node.end(signal.SIGINT)[0] == 0


def test_it_waits_for_recordings_and_can_be_paused(ear: Ear, namespace: str, tmp_path: Path, root: Path, call: Call) -> None:
    record(root, "camera_front", frames=40)
    status = ear.hear(EstimatorStatus, f"{namespace}/estimator/status", state_qos())
    recorder = ear.node.create_publisher(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    recorder.publish(RecorderStatus(state=RecorderStatus.IDLE))
    with running("estimator", namespace, tmp_path, settings(root, model="slow", batch=1)):
        ear.until(lambda: bool(status) and bool(status[-1].current_frames) and status[-1].current_frames[0] > 0, "some frames")
        recorder.publish(RecorderStatus(state=RecorderStatus.RECORDING))
        ear.until(lambda: status[-1].state == EstimatorStatus.WAITING, "the wait")
        assert call(SetBool, "estimator/pause", data=True).success
        ear.until(lambda: status[-1].state == EstimatorStatus.PAUSED, "the pause")
        recorder.publish(RecorderStatus(state=RecorderStatus.IDLE))
        call(SetBool, "estimator/pause", data=False)
        ear.until(lambda: status[-1].streams_done == 1, "the end")


def test_a_killed_node_leaves_no_process_behind_and_the_next_one_does_what_it_left(
    ear: Ear, namespace: str, tmp_path: Path, root: Path
) -> None:
    session = record(root, "camera_front", frames=60)
    status = ear.hear(EstimatorStatus, f"{namespace}/estimator/status", state_qos())
    events = ear.hear(EstimateEvent, f"{namespace}/estimate_event", state_qos(50))
    with running("estimator", namespace, tmp_path, settings(root, model="slow", batch=1)) as node:
        ear.until(lambda: bool(status) and bool(status[-1].current_frames) and status[-1].current_frames[0] > 0, "some frames")
        children = psutil.Process(node.process.pid).children()
        node.end(signal.SIGKILL)
    wait_until(lambda: not any(alive(child.pid) for child in children), "the end of its process")
    assert len(children) == 1
    assert not (session / "estimates").exists()
    with running("estimator", namespace, tmp_path, settings(root, model="slow")):
        ear.until(lambda: len(events) == 1, "the session")
    assert events[0].success
