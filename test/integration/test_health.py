"""Health events of real nodes: each problem once when it begins, and once when it is over."""

import json
import os
import threading
from pathlib import Path

import pytest
from rig_capture_msgs.msg import AudioChunk, HealthEvent, RigStatus
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.health.events import Event
from rig_capture.nodes.common.health import DEPTH, event_of, message_of
from rig_capture.nodes.common.qos import state_qos
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import read_manifest
from test.health.parts import problem
from test.integration.nodes import Ear, running
from test.integration.recorders import AUDIO, IMU, Call, Start
from test.parts import PulseNullSink

pytestmark = pytest.mark.integration


def test_a_sound_source_lost_twice_is_two_problems_and_two_recoveries(
    ear: Ear, namespace: str, tmp_path: Path, pulse_null_sink: PulseNullSink
) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/audio/audio")
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(DEPTH))
    parameters = {"driver": "pulse", "device": pulse_null_sink.source, "retry_min_s": 0.1, "retry_max_s": 0.2}

    def told() -> list[tuple[str, bool]]:
        return [(event.code, event.recovered) for event in events if event.family == "device"]

    with running("audio", namespace, tmp_path, parameters, environment=pulse_null_sink.environment) as node:
        ear.until(lambda: len(chunks) >= 3, "sound")
        pulse_null_sink.kill()
        ear.until(lambda: told() == [("device_lost", False)], "the loss")
        pulse_null_sink.start()
        ear.until(lambda: told()[1:] == [("device_lost", True)], "the recovery")
        pulse_null_sink.kill()
        ear.until(lambda: told()[2:] == [("device_lost", False)], "the second loss")
        # A node that ends leaves no problem open.
        assert node.end()[0] == 0
        ear.until(lambda: told()[3:] == [("device_lost", True)], "the end of what the node looked after")
    lost, back = [event_of(event) for event in events if event.family == "device"][:2]
    assert lost.key == back.key == (f"{namespace}/audio", "device_lost", "audio")
    assert (lost.severity, back.severity) == (HealthEvent.ERROR, HealthEvent.INFO)
    assert "the sound source was lost" in lost.message
    seconds = back.evidence["lasted_s"]
    assert isinstance(seconds, float)
    assert abs(seconds - (back.stamp_ns - lost.stamp_ns) / 1e9) < 0.2


def test_a_device_that_was_never_there_is_one_problem_however_often_it_is_tried(ear: Ear, namespace: str, tmp_path: Path) -> None:
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(DEPTH))
    diagnosis = ear.diagnosis(namespace, "imu")
    parameters = {"driver": "iio", "sysfs_root": str(tmp_path), "retry_min_s": 0.05, "retry_max_s": 0.05}
    with running("imu", namespace, tmp_path, parameters) as node:
        ear.until(lambda: bool(events), "the problem")
        first = diagnosis()
        ear.until(lambda: diagnosis() is not first, "another second of attempts")
        assert node.end()[0] == 0
        ear.until(lambda: len(events) == 2, "its end")
    assert [event.recovered for event in events] == [False, True]
    assert json.loads(events[0].evidence)["subject"] == "imu"


def events_in(file: Path) -> list[Event]:
    return [Event.parse(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def of(events: list[Event], code: str) -> list[bool]:
    return [event.recovered for event in events if event.code == code]


def test_a_sound_server_lost_while_recording_is_on_the_topic_in_the_log_and_in_the_session(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path, pulse_null_sink: PulseNullSink
) -> None:
    heard: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(DEPTH))
    log = tmp_path / "log" / "health.jsonl"
    parameters = {
        "log_folder": str(log.parent),
        "file": str(tmp_path / "status.json"),
        "probe_s": 0.2,
        "storage_path": str(tmp_path),
        "ntp": False,
    }
    source = {"driver": "pulse", "device": pulse_null_sink.source, "retry_min_s": 0.1, "retry_max_s": 0.2}
    environment = pulse_null_sink.environment
    with running("status", namespace, tmp_path, parameters, environment=environment) as status:
        recorder(AUDIO + " 2.0", health_check_s=0.2)
        with running("audio", namespace, tmp_path, source, environment=environment) as audio:
            started = call(StartRecording, "start_recording")
            assert started.success, started.message
            pulse_null_sink.kill()
            for code in ("device_lost", "stream_silent", "audio_backend_lost"):
                ear.until(lambda code=code: of([event_of(event) for event in heard], code) == [False], code)  # type: ignore[misc]
            pulse_null_sink.start()
            for code in ("device_lost", "stream_silent", "audio_backend_lost"):
                ear.until(lambda code=code: of([event_of(event) for event in heard], code) == [False, True], code)  # type: ignore[misc]
            stopped = call(StopRecording, "stop_recording")
            assert stopped.success, stopped.message
            assert audio.end()[0] == 0
        ear.until(lambda: len(events_in(log)) == len(heard), "everything in the log")
        exit_code, _ = status.end()
    assert (exit_code, status.said) == (0, "")
    session = Path(stopped.path)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert [entry.kind for entry in read_manifest(session).files if entry.path == "health.jsonl"] == ["health"]
    for told in (events_in(log), events_in(session / "health.jsonl")):
        for name in ("device_lost", "stream_silent", "audio_backend_lost"):
            assert of(told, name) == [False, True], name
    in_log = events_in(log)
    assert all(event in in_log for event in events_in(session / "health.jsonl"))


def test_a_problem_of_a_node_that_was_killed_ends_and_one_that_is_open_is_in_the_next_session(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    heard: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(DEPTH))
    log = tmp_path / "log" / "health.jsonl"
    parameters = {
        "log_folder": str(log.parent),
        "file": str(tmp_path / "status.json"),
        "storage_path": str(tmp_path),
        "ntp": False,
        "sound_servers": "[pipewire]",
    }
    missing = {"driver": "iio", "sysfs_root": str(tmp_path)}
    with running("status", namespace, tmp_path, parameters), running("imu", namespace, tmp_path):
        recorder(IMU)
        with running("imu", namespace, tmp_path, missing, name="lost") as lost:
            ear.until(lambda: of([event_of(event) for event in heard], "device_lost") == [False], "the problem")
            ear.until(lambda: of(events_in(log), "device_lost") == [False], "the problem in the log")
            started = call(StartRecording, "start_recording")
            assert started.success, started.message
            session = Path(started.path)
            ear.until(lambda: of(events_in(session / "health.jsonl"), "device_lost") == [False], "what was open, in the session")
            lost.kill()
            with running("imu", namespace, tmp_path, name="lost"):
                ear.until(lambda: of([event_of(event) for event in heard], "device_lost") == [False, True], "its end", 60)
                assert call(StopRecording, "stop_recording").success
        assert of(events_in(session / "health.jsonl"), "device_lost") == [False, True]
        assert of(events_in(log), "device_lost") == [False, True]


def test_a_stuck_log_disk_holds_up_neither_events_nor_the_recording(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    heard: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(DEPTH))
    statuses: list[RigStatus] = ear.hear(RigStatus, f"{namespace}/rig/status", state_qos())
    (tmp_path / "log").mkdir()
    log = tmp_path / "log" / "health.jsonl"
    os.mkfifo(log)  # to open it is to wait for a reader: a disk that hangs
    parameters = {
        "log_folder": str(log.parent),
        "log_queue": 5,
        "file": str(tmp_path / "status.json"),
        "storage_path": str(tmp_path),
        "ntp": False,
    }
    sender = ear.node.create_publisher(HealthEvent, f"{namespace}/health", state_qos(DEPTH))
    with running("status", namespace, tmp_path, parameters) as status, running("imu", namespace, tmp_path):
        recorder(IMU)
        ear.until(lambda: sender.get_subscription_count() >= 3, "who hears")
        started = call(StartRecording, "start_recording")
        assert started.success, started.message
        for number in range(40):
            sender.publish(message_of(problem(number, node="/somebody")))
        ear.until(lambda: len(heard) >= 40, "all events on the topic")
        session = Path(started.path)
        ear.until(lambda: len(events_in(session / "health.jsonl")) >= 40, "all events in the session")
        before = len(statuses)
        ear.until(lambda: len(statuses) >= before + 2, "the status goes on")
        stopped = call(StopRecording, "stop_recording")
        assert stopped.success, stopped.message
        assert verify_session(session).whole
        with log.open("rb") as disk:  # the disk is back
            ended = threading.Thread(target=status.end)
            ended.start()
            written = [Event.parse(line) for line in disk.read().splitlines()]
            ended.join()
    losses = [event for event in written if event.code == "log_lost_events"]
    assert losses
    assert "stuck" in losses[0].message
