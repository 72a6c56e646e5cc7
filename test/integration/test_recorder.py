"""The recorder node with real sensor nodes, each in a process of its own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig_capture_msgs.msg import RecorderStatus, SessionComplete
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording

from rig_capture.nodes.common.base import state_qos
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import sessions_in
from rig_capture.session.manifest import read_manifest
from test.integration.nodes import Ear, running
from test.integration.recorders import AUDIO, IMU, VIDEO, Call, Start
from test.parts import fill_to_the_brim


def last_state(statuses: list[RecorderStatus]) -> str:
    """The state last heard."""
    return str(statuses[-1].state) if statuses else ""


@pytest.mark.usefixtures("sensors")
def test_a_session_of_real_nodes_is_whole_and_nothing_is_lost(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    node = recorder(VIDEO, AUDIO, IMU)
    statuses = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    started = call(StartRecording, "start_recording", label="walk", participant="p01")
    assert started.success, started.message
    ear.until(lambda: bool(statuses) and statuses[-1].elapsed_s > 3, "three seconds of recording")
    assert {stream.topic for stream in statuses[-1].streams} == {"camera/video", "audio/audio", "imu/data_raw"}
    stopped = call(StopRecording, "stop_recording")
    assert stopped.success, stopped.message
    ear.until(lambda: bool(events), "the session_complete event")
    event = events[0]
    assert (event.state, event.end_reason, event.recording_id) == ("complete", "stopped", started.recording_id)
    session = Path(started.path)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert verdict.losses == []
    streams = read_manifest(session).streams
    assert streams["camera"].rate_hz == pytest.approx(30, rel=0.05)
    assert streams["audio"].rate_hz == pytest.approx(20, rel=0.01)
    assert streams["imu/data_raw"].rate_hz == pytest.approx(200, rel=0.02)
    assert streams["camera"].messages >= 80
    code, seconds = node.end(signal.SIGTERM)
    assert code == 0
    assert seconds < 5
    assert "Traceback" not in node.said


def test_a_silent_device_is_named_and_nothing_is_left(recorder: Start, call: Call, tmp_path: Path) -> None:
    recorder(VIDEO, ready_timeout_s=0.5)
    answer = call(StartRecording, "start_recording")
    assert not answer.success
    assert "camera/video: nobody publishes it" in answer.message
    assert sessions_in(tmp_path / "sessions") == []


def test_a_device_that_delivers_nothing_is_quoted(recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path) -> None:
    with running("camera", namespace, tmp_path, {"driver": "file", "source": str(tmp_path / "gone.mp4")}):
        recorder(VIDEO, ready_timeout_s=4.0)
        answer = call(StartRecording, "start_recording")
    assert not answer.success
    assert f"{namespace}/camera says: " in answer.message
    assert "gone.mp4" in answer.message


@pytest.mark.usefixtures("sensors")
def test_at_most_one_recording_runs_and_cancelling_removes_it(recorder: Start, call: Call, tmp_path: Path) -> None:
    recorder(IMU)
    assert "no recording" in call(StopRecording, "stop_recording").message
    first = call(StartRecording, "start_recording")
    assert first.success
    second = call(StartRecording, "start_recording")
    assert not second.success
    assert first.recording_id in second.message
    assert call(CancelRecording, "cancel_recording", keep_data=False).success
    assert sessions_in(tmp_path / "sessions") == []
    assert call(StartRecording, "start_recording").success
    assert call(CancelRecording, "cancel_recording", keep_data=True).success
    (kept,) = sessions_in(tmp_path / "sessions")
    assert read_manifest(kept).state == "cancelled"


@pytest.mark.usefixtures("sensors")
def test_a_timed_recording_ends_by_itself(recorder: Start, call: Call, ear: Ear, namespace: str) -> None:
    recorder(IMU)
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    started = call(StartRecording, "start_recording", duration_s=1.0, topics=["audio/audio"])
    assert started.success
    ear.until(lambda: bool(events), "the end after one second")
    assert events[0].end_reason == "duration"
    assert 0.9 < events[0].duration_s < 30, "a busy machine may take longer"
    manifest = read_manifest(Path(started.path))
    assert manifest.streams["audio/audio"].messages > 0, "a topic asked for at start is recorded too"
    assert verify_session(Path(started.path)).whole


@pytest.mark.usefixtures("sensors")
def test_a_signal_finishes_the_session(recorder: Start, call: Call) -> None:
    node = recorder(IMU, AUDIO)
    started = call(StartRecording, "start_recording")
    code, seconds = node.end(signal.SIGINT)
    assert code == 0, node.said
    assert seconds < 5
    verdict = verify_session(Path(started.path))
    assert verdict.whole, verdict.damages
    assert verdict.state == "complete"


@pytest.mark.usefixtures("sensors")
def test_an_unknown_topic_is_refused(recorder: Start, call: Call) -> None:
    recorder(IMU, ready_timeout_s=1.0)
    answer = call(StartRecording, "start_recording", topics=["nowhere"])
    assert not answer.success
    assert "nowhere: no such topic" in answer.message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 9 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root: run the tests with sudo")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(small)], check=True)
    yield small
    subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.usefixtures("sensors")
@pytest.mark.parametrize("filled_by", ["the recording", "somebody else"])
def test_a_full_disk_ends_the_session_cleanly(
    recorder: Start, call: Call, ear: Ear, namespace: str, small_disk: Path, filled_by: str
) -> None:
    recorder(VIDEO, AUDIO, IMU, root=small_disk, storage_reserve=100_000)
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    statuses = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    if filled_by == "somebody else":
        ear.until(lambda: bool(statuses) and statuses[-1].elapsed_s > 3, "seconds of recording")
        fill_to_the_brim(small_disk)
    ear.until(lambda: bool(events), "the end at the full disk", 60)
    assert events[0].end_reason == "disk_full"
    verdict = verify_session(Path(started.path))
    assert verdict.whole, verdict.damages
    streams = read_manifest(Path(started.path)).streams
    assert all(stream.messages > 0 for stream in streams.values()), streams
    refused = call(StartRecording, "start_recording")
    assert not refused.success
    assert "reserve" in refused.message
