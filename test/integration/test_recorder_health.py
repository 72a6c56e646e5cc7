"""A device that fails while it is recorded: reported, and its recovery too; a writer that fails ends the session, once."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rig_capture_msgs.msg import HealthEvent, RecorderStatus, SessionComplete
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.nodes.common.base import state_qos
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import read_manifest
from test.integration.nodes import Ear, running
from test.integration.recorders import AUDIO, IMU, VIDEO, Call, Start

CAMERA = {"width": 320, "height": 240, "fps": 30.0}


def test_a_camera_that_dies_is_reported_and_its_recovery_too(recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path) -> None:
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    statuses: list[RecorderStatus] = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    diagnosis = ear.diagnosis(namespace, "recorder")

    def level() -> int:
        status: DiagnosticStatus | None = diagnosis()
        return -1 if status is None else status.level[0]

    with running("imu", namespace, tmp_path):
        node = recorder(VIDEO + " 0.7", IMU, health_check_s=0.2)
        with running("camera", namespace, tmp_path, CAMERA) as camera:
            started = call(StartRecording, "start_recording")
            assert started.success, started.message
            os.kill(camera.process.pid, signal.SIGKILL)
            ear.until(lambda: bool(events), "the health event")
        assert (events[0].code, events[0].recovered, events[0].severity) == ("stream_silent", False, HealthEvent.ERROR)
        assert events[0].node == f"{namespace}/recorder"
        assert json.loads(events[0].evidence)["topic"] == "camera/video"
        ear.until(lambda: "camera/video: silent for" in statuses[-1].detail, "the detail of the status")
        assert statuses[-1].state == "recording", "the other streams go on"
        ear.until(lambda: level() == 2, "the error in the diagnostics")
        with running("camera", namespace, tmp_path, CAMERA):
            ear.until(lambda: len(events) > 1, "the recovery")
            assert (events[1].code, events[1].recovered) == ("stream_silent", True)
            ear.until(lambda: statuses[-1].detail == "", "no detail any more")
            stopped = call(StopRecording, "stop_recording")
    assert stopped.success
    assert len(events) == 2
    verdict = verify_session(Path(stopped.path))
    assert verdict.whole, verdict.damages
    (gap,) = read_manifest(Path(stopped.path)).streams["camera"].gaps
    assert gap.to_ns > gap.from_ns
    assert "camera/video: silent for" in node.said
    assert "delivers again" in node.said


@pytest.mark.usefixtures("sensors")
def test_a_writer_that_dies_ends_the_session_once_and_what_was_written_is_kept(
    recorder: Start, call: Call, ear: Ear, namespace: str
) -> None:
    node = recorder(VIDEO, AUDIO, IMU, chunk_s=0.5)
    ends: list[SessionComplete] = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    statuses: list[RecorderStatus] = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    session = Path(started.path)
    ear.until(lambda: len(list((session / "camera").glob("*.mkv"))) > 1, "a finished chunk")
    # Somebody takes the folder away: the next chunk can't be made.
    shutil.move(session / "camera", session / "elsewhere")
    ear.until(lambda: bool(ends), "the end of the session", 60)
    ear.until(lambda: statuses[-1].state in ("idle", "error"), "the recorder at rest")
    assert (ends[0].recording_id, ends[0].end_reason) == (started.recording_id, "error")
    assert [event.code for event in events if not event.recovered] == ["recording_failed"]
    manifest = read_manifest(session)
    assert manifest.end_reason == "error"
    assert manifest.streams["audio"].messages > 5
    assert any(entry.kind == "audio" for entry in manifest.files)
    assert list((session / "elsewhere").glob("*.mkv")), "what was written is still there"
    again = call(StartRecording, "start_recording")
    assert again.success, again.message
    assert call(StopRecording, "stop_recording").success
    assert len([end for end in ends if end.recording_id == started.recording_id]) == 1
    assert node.process.poll() is None


@pytest.mark.usefixtures("sensors")
def test_a_session_whose_folder_vanishes_is_an_error_that_the_next_start_ends(
    recorder: Start, call: Call, ear: Ear, namespace: str
) -> None:
    recorder(IMU, chunk_s=0.3)
    statuses: list[RecorderStatus] = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos(50))
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    shutil.rmtree(started.path)
    ear.until(lambda: any(status.state == "error" for status in statuses), "the state error", 30)
    ear.until(lambda: statuses[-1].state == "idle", "idle, when sessions can be written again", 30)
    again = call(StartRecording, "start_recording")
    assert again.success, again.message
    assert call(StopRecording, "stop_recording").success


@pytest.mark.usefixtures("sensors")
def test_a_storage_folder_that_can_not_be_made_is_an_error_until_it_can(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "disk"
    in_the_way.write_text("no folder")
    statuses: list[RecorderStatus] = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    recorder(IMU, root=in_the_way / "sessions")
    ear.until(lambda: bool(statuses) and statuses[-1].state == "error", "the state error")
    refused = call(StartRecording, "start_recording")
    assert not refused.success
    ear.until(lambda: statuses[-1].state == "error", "still the state error")
    in_the_way.unlink()
    ear.until(lambda: statuses[-1].state == "idle", "idle, as soon as the folder can be made")
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    assert call(StopRecording, "stop_recording").success
    assert verify_session(Path(started.path)).whole
