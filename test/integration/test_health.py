"""Health events of real nodes: each problem once when it begins, and once when it is over."""

import json
from pathlib import Path

import pytest
from rig_capture_msgs.msg import AudioChunk, HealthEvent

from rig_capture.nodes.health import DEPTH, event_of
from rig_capture.nodes.qos import state_qos
from test.integration.nodes import Ear, running
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
