"""The status node among real nodes: what it sums up, marks as stale, writes, and says of the hardware."""

import json
import os
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rig_capture_msgs.msg import HealthEvent, NodeHeartbeat, RecorderStatus, RigStatus, StreamStatus, UploaderStatus
from rig_capture_msgs.srv import GetInventory

from rig_capture import __version__
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.nodes.common.qos import state_qos
from rig_capture.nodes.overview.rig_status import read_status
from test.integration.nodes import Ear, running

pytestmark = pytest.mark.integration


def nodes_of(status: RigStatus) -> dict[str, NodeHeartbeat]:
    return {node.name.rsplit("/", 1)[1]: node for node in status.nodes}


@pytest.fixture
def parameters(namespace: str, tmp_path: Path) -> dict[str, object]:
    names = json.dumps([f"{namespace}/{name}" for name in ("imu", "battery", "ghost")])
    return {
        "nodes": names,
        "battery": "battery",
        "file": str(tmp_path / "status.json"),
        "stale_s": 2.0,
        "storage_path": str(tmp_path / "s"),
    }


@pytest.fixture
def last(ear: Ear, namespace: str) -> Callable[[], RigStatus]:
    heard = ear.hear(RigStatus, f"{namespace}/rig/status", state_qos())
    return lambda: heard[-1] if heard else RigStatus()


def test_machine_nodes_and_battery_are_summed_up_on_the_topic_and_in_the_file(
    ear: Ear, namespace: str, tmp_path: Path, parameters: dict[str, object], last: Callable[[], RigStatus]
) -> None:
    file = tmp_path / "status.json"
    with (
        running("imu", namespace, tmp_path) as imu,
        running("battery", namespace, tmp_path),
        RigClient(namespace) as client,
        running("status", namespace, tmp_path, parameters | {"rig": "walker"}) as node,
    ):
        ear.until(lambda: bool(last().nodes) and nodes_of(last())["imu"].rate_hz > 150 and last().has_battery, "the IMU's rate")
        ear.until(lambda: nodes_of(last())["ghost"].level == NodeHeartbeat.STALE and not last().healthy, "the node that is missing")
        status, written, heard = last(), read_status(file), client.rig_status()
        code, _ = node.end(signal.SIGTERM)
    assert (code, node.said) == (0, "")
    assert not file.exists(), "a file is left only by what was killed"
    assert (status.rig, status.host, status.version, status.state) == ("walker", socket.gethostname(), __version__, "absent")
    assert (status.memory_total, len(status.cpu_percent_per_core)) == (psutil.virtual_memory().total, psutil.cpu_count())
    assert 0 < status.storage_available < status.storage_total
    assert status.storage_path == str(tmp_path / "s")
    assert 0 <= status.battery_percent <= 100
    assert status.battery_voltage > 1
    beat = nodes_of(status)["imu"]
    assert (beat.host, beat.pid, beat.level, beat.lost) == (socket.gethostname(), imu.process.pid, NodeHeartbeat.OK, 0)
    assert 0 <= beat.age_s < 2
    assert len(beat.settings) == 12
    assert any("ghost" in problem for problem in status.problems)
    assert written is not None
    assert {node.name for node in written.nodes} == {node.name for node in heard.nodes} == {node.name for node in status.nodes}
    assert (written.namespace, heard.namespace, heard.rig) == (namespace, namespace, "walker")
    assert (datetime.now(UTC) - written.stamp).total_seconds() < 30


def test_a_node_that_is_killed_becomes_stale_and_back_well(
    ear: Ear, namespace: str, tmp_path: Path, parameters: dict[str, object], last: Callable[[], RigStatus]
) -> None:
    events = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))

    def told(subject: str) -> list[tuple[str, bool]]:
        return [
            (e.code, e.recovered) for e in events if e.family == "node" and json.loads(e.evidence)["subject"] == f"{namespace}/{subject}"
        ]

    with running("status", namespace, tmp_path, parameters | {"file": "none", "missing_s": 3.0}):
        with running("imu", namespace, tmp_path) as imu:
            ear.until(lambda: bool(last().nodes) and nodes_of(last())["imu"].level == NodeHeartbeat.OK, "the IMU")
            first = nodes_of(last())["imu"]
            os.kill(imu.process.pid, signal.SIGKILL)
            ear.until(lambda: nodes_of(last())["imu"].level == NodeHeartbeat.STALE, "stale")
            assert "nothing was heard of it" in nodes_of(last())["imu"].message
            ear.until(lambda: told("imu") == [("node_lost", False)], "the event of its loss")
            ear.until(lambda: told("ghost") == [("node_lost", False)], "the event of one that never came")
            assert sum(f"{namespace}/imu" in problem for problem in last().problems) == 1, "told twice"
        with running("imu", namespace, tmp_path) as imu:
            ear.until(lambda: nodes_of(last())["imu"].level == NodeHeartbeat.OK, "well again")
            again = nodes_of(last())["imu"]
            ear.until(lambda: len(told("imu")) == 3, "its return")
    assert told("imu")[1:] == [("node_lost", True), ("node_restarted", False)]
    assert (again.pid, again.settings) == (imu.process.pid, first.settings)
    assert again.started_at.sec >= first.started_at.sec


def test_recording_uploads_and_problems_are_those_that_the_nodes_tell(
    ear: Ear, namespace: str, tmp_path: Path, parameters: dict[str, object], last: Callable[[], RigStatus]
) -> None:
    recorder = ear.node.create_publisher(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    uploader = ear.node.create_publisher(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    health = ear.node.create_publisher(HealthEvent, f"{namespace}/health", state_qos(50))
    stream = StreamStatus(topic="a", lost_dds=1, lost_sequence=2, dropped_queue=3, dropped_encoder=4)
    recorder.publish(RecorderStatus(state="recording", recording_id="rec_x", elapsed_s=2.5, bytes=1234, streams=[stream, stream]))
    uploader.publish(UploaderStatus(state="idle", queued=7))
    event: dict[str, Any] = {"node": f"{namespace}/recorder", "family": "recorder", "code": "stream_silent", "severity": HealthEvent.ERROR}
    for subject in ("one", "two"):
        health.publish(HealthEvent(**event, message=f"{subject} is silent", evidence=json.dumps({"subject": subject})))
    health.publish(HealthEvent(**event | {"code": "recording_failed"}, message="an incident, which lasts no time"))
    with running("status", namespace, tmp_path, parameters | {"nodes": json.dumps([f"{namespace}/recorder"]), "stale_s": 30.0}):
        ear.until(lambda: last().recording and last().queued_uploads == 7 and len(last().problems) == 2, "all that was told")
        status = last()
        assert (status.recording_id, status.recording_s, status.recording_bytes, status.recording_lost) == ("rec_x", 2.5, 1234, 20)
        assert not status.healthy
        assert all("is silent" in problem for problem in status.problems)
        health.publish(HealthEvent(**event | {"severity": 0}, message="back", recovered=True, evidence=json.dumps({"subject": "one"})))
        ear.until(lambda: len(last().problems) == 1, "one recovery")
        assert "two is silent" in last().problems[0]
        health.publish(HealthEvent(**event | {"severity": 0}, message="back", recovered=True, evidence=json.dumps({"subject": "two"})))
        ear.until(lambda: last().healthy and not last().problems, "all well")


def test_the_inventory_is_answered_and_looked_at_anew_on_request(ear: Ear, namespace: str, tmp_path: Path) -> None:
    with running("status", namespace, tmp_path, {"file": "none"}):
        client = ear.node.create_client(GetInventory, f"{namespace}/get_inventory")
        ear.until(client.service_is_ready, "the service")
        answers = []
        for refresh in (False, False, True):
            answer = client.call_async(GetInventory.Request(refresh=refresh))
            ear.until(answer.done, "the inventory")
            answers.append(answer.result())
    assert all(answer.success for answer in answers)
    stamps = [(answer.looked_at.sec, answer.looked_at.nanosec) for answer in answers]
    assert stamps[0] == stamps[1] < stamps[2]
    inventory = json.loads(answers[0].inventory)
    assert inventory["host"] == socket.gethostname()
    assert {"cameras", "alsa", "volumes"} <= set(inventory)


def test_diagnostics_follow_the_conventions_of_diagnostic_updater(ear: Ear, namespace: str, tmp_path: Path) -> None:
    arrays = ear.hear(DiagnosticArray, "/diagnostics")

    def own() -> dict[str, Any]:
        return {status.name: status for array in arrays for status in array.status if status.name.startswith(f"{namespace}/imu: ")}

    with running("imu", namespace, tmp_path) as node:
        ear.until(lambda: len(own()) == 2, "both tasks")
        statuses = own()
    assert set(statuses) == {f"{namespace}/imu: Device", f"{namespace}/imu: Node"}
    assert {status.hardware_id for status in statuses.values()} == {socket.gethostname()}
    beat = {pair.key: pair.value for pair in statuses[f"{namespace}/imu: Node"].values}
    assert set(beat) == {"pid", "host", "started_at", "settings", "version"}
    assert (beat["pid"], beat["version"]) == (str(node.process.pid), __version__)
    assert datetime.fromisoformat(beat["started_at"]).tzinfo is not None
    assert {"state", "driver", "rate_hz", "age_s", "lost"} <= {pair.key for pair in statuses[f"{namespace}/imu: Device"].values}
