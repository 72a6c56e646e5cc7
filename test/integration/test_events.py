"""Event recording with real nodes: a trigger saves the past, nothing is lost where the past meets the present."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rig_capture_msgs.msg import HealthEvent, RecorderStatus, SessionComplete
from rig_capture_msgs.srv import StartRecording, StopRecording, TriggerRecording
from std_msgs.msg import Bool

from rig_capture.nodes.common.base import data_qos, state_qos
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import sessions_in
from rig_capture.session.manifest import Manifest, parse_time, read_manifest
from test.integration.nodes import Ear, NodeProcess, running

STREAMS = (
    "video camera/video rig_capture_msgs/msg/VideoPacket required",
    "audio audio/audio rig_capture_msgs/msg/AudioChunk required",
    "topic imu/data_raw sensor_msgs/msg/Imu required",
)

Start = Callable[..., NodeProcess]
Call = Callable[..., Any]


@pytest.fixture
def rig(namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a synthetic camera, sound, an IMU, and a recorder with these settings."""
    camera = {"width": 320, "height": 240, "fps": 30.0}
    started = []

    def start(**settings: Any) -> NodeProcess:
        values = {"storage_path": str(tmp_path / "sessions"), "streams": json.dumps(STREAMS)} | settings
        contexts = [
            running("camera", namespace, tmp_path, camera),
            running("audio", namespace, tmp_path),
            running("imu", namespace, tmp_path),
            running("recorder", namespace, tmp_path, values),
        ]
        started.extend(contexts)
        return [context.__enter__() for context in contexts][-1]

    yield start
    for context in started:
        context.__exit__(None, None, None)


def whole(session: Path) -> Manifest:
    """The manifest of a session that is whole and lost nothing, also not where the buffer met what came live."""
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert verdict.losses == []
    manifest = read_manifest(session)
    for name in ("camera", "audio"):
        seqs = [int(row.split(",")[0]) for row in (session / name / "frames.csv").read_text().splitlines()[1:]]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), name
    assert manifest.streams["imu/data_raw"].rate_hz == pytest.approx(200, rel=0.02)
    return manifest


def test_a_trigger_saves_the_past_and_overlapping_ones_give_one_session(rig: Start, call: Call, ear: Ear, namespace: str) -> None:
    recorder = rig(lookback_s=3.0, lookahead_s=2.0)
    statuses = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    ear.until(lambda: bool(statuses) and statuses[-1].lookback_s >= 3.0, "three seconds in the buffer", 60)
    # One status a second; the nodes do not all begin at once.
    begun = len(statuses)
    ear.until(lambda: len(statuses) >= begun + 4, "three seconds of every stream")
    assert statuses[-1].state == "idle"
    first = call(TriggerRecording, "trigger_recording", label="bump")
    assert first.success, first.message
    second = call(TriggerRecording, "trigger_recording", label="again", lookahead_s=3.0)
    assert second.recording_id == first.recording_id
    ear.until(lambda: bool(events), "the end after the look-ahead of the last trigger")
    assert (events[0].state, events[0].end_reason) == ("complete", "duration")
    session = Path(first.path)
    assert sessions_in(session.parent) == [session]
    manifest = whole(session)
    assert [(event.source, event.label) for event in manifest.trigger] == [("service", "bump"), ("service", "again")]
    assert manifest.label == "bump"
    triggered, last = (parse_time(event.at) for event in manifest.trigger)
    for name, stream in manifest.streams.items():
        assert stream.first_stamp_ns is not None
        assert stream.last_stamp_ns is not None
        assert stream.first_stamp_ns <= triggered - 2.9e9, name
        assert stream.last_stamp_ns >= last + 2.8e9, name
    assert events[0].duration_s == pytest.approx(6.2, abs=1.0)
    assert parse_time(manifest.started_at) <= triggered - 2.9e9
    code, seconds = recorder.end()
    assert code == 0, recorder.said
    assert seconds < 5


def test_a_topic_and_health_events_trigger_at_their_edge(rig: Start, ear: Ear, namespace: str, tmp_path: Path) -> None:
    rig(lookback_s=1.0, lookahead_s=0.5, trigger_topic="bumper", trigger_health="error")
    statuses = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    bumper = ear.node.create_publisher(Bool, f"{namespace}/bumper", data_qos(10))
    health = ear.node.create_publisher(HealthEvent, f"{namespace}/health", state_qos(50))
    ear.until(lambda: bumper.get_subscription_count() == 1 and health.get_subscription_count() >= 1, "the recorder's subscriptions")
    ear.until(lambda: bool(statuses) and statuses[-1].lookback_s >= 1.0, "a second in the buffer", 60)
    health.publish(HealthEvent(node="/x", code="dust", severity=HealthEvent.WARNING))
    for value in (False, True, True):
        bumper.publish(Bool(data=value))
    ear.until(lambda: len(events) == 1, "the session of the bumper")
    health.publish(HealthEvent(node="/x", code="smoke", severity=HealthEvent.ERROR, message="it smokes"))
    ear.until(lambda: len(events) == 2, "the session of the health event")
    one, two = (read_manifest(session) for session in sessions_in(tmp_path / "sessions"))
    assert [event.source for event in one.trigger] == ["topic bumper"]
    assert [(event.source, event.label) for event in two.trigger] == [("health /x smoke", "it smokes")]
    for session in sessions_in(tmp_path / "sessions"):
        assert verify_session(session).whole


def test_a_trigger_in_a_running_recording_is_noted_there(rig: Start, call: Call, ear: Ear, namespace: str) -> None:
    rig(lookback_s=2.0, lookahead_s=60.0)
    statuses = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    ear.until(lambda: bool(statuses) and statuses[-1].lookback_s >= 1.0, "a second in the buffer", 60)
    started = call(StartRecording, "start_recording", label="walk")
    assert started.success, started.message
    noted = call(TriggerRecording, "trigger_recording", label="bump")
    assert noted.recording_id == started.recording_id
    stopped = call(StopRecording, "stop_recording")
    assert stopped.success, stopped.message
    manifest = whole(Path(started.path))
    assert (manifest.label, manifest.trigger[0].label) == ("walk", "bump")


def test_without_a_buffer_a_trigger_saves_what_comes_also_where_a_device_is_silent(
    call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    settings = {"storage_path": str(tmp_path / "sessions"), "streams": json.dumps(STREAMS), "topics": '["nowhere"]'}
    with running("imu", namespace, tmp_path), running("recorder", namespace, tmp_path, settings):
        answer = call(TriggerRecording, "trigger_recording", lookahead_s=1.0)
        assert answer.success, answer.message
        ear.until(lambda: bool(events), "the end after one second")
    assert verify_session(Path(answer.path)).whole
    streams = read_manifest(Path(answer.path)).streams
    assert streams["camera"].messages == 0
