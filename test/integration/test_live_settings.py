"""Settings that are changed while nodes run: what is said of each, and that the change has its effect."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from rig_capture_msgs.msg import AudioChunk, HealthEvent, NetworkStatus, UploaderStatus
from rig_capture_msgs.srv import StartRecording, StopRecording
from sensor_msgs.msg import Imu

from rig_capture.nodes.clients.settings import Outcome, SettingReport, SettingsClient, Value
from rig_capture.nodes.common.qos import state_qos
from rig_capture.session.manifest import read_manifest
from test.delivery.sessions import make_session
from test.integration.nodes import Ear, running
from test.integration.recorders import Call, Start
from test.parts import PulseNullSink

pytestmark = pytest.mark.integration

ID = "rec_20261120_100000_aaaa"


def outcomes(reports: list[SettingReport]) -> dict[str, Outcome]:
    return {report.setting: report.outcome for report in reports}


def rig(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    folders = {f"RIG_CAPTURE_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "rig_capture.cli", "profile", *arguments]
    return subprocess.run(command, env=os.environ | folders, capture_output=True, text=True, timeout=60, check=False)


def test_an_upload_on_its_way_obeys_the_bandwidth_and_the_wish_to_be_offline(ear: Ear, namespace: str, tmp_path: Path) -> None:
    make_session(tmp_path / "sessions" / ID, {"f": os.urandom(2**24)}, recording_id=ID)
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    places: dict[str, object] = {
        key: str(tmp_path / place) for key, place in {"storage_path": "sessions", "store": "store", "catalog": "c.db"}.items()
    }
    uploader = f"{namespace}/uploader"
    with running("uploader", namespace, tmp_path, places | {"bandwidth_limit": 1000}), SettingsClient(namespace) as client:
        ear.until(lambda: bool(heard) and heard[-1].state == UploaderStatus.UPLOADING and heard[-1].current_bytes > 0, "a slow upload")
        assert outcomes(client.apply(uploader, {"offline": True, "threads": 4})) == {"offline": Outcome.APPLIED}
        ear.until(lambda: heard[-1].state == UploaderStatus.OFFLINE, "offline in the middle of a file")
        assert outcomes(client.apply(uploader, {"offline": False, "threads": 2})) == dict.fromkeys(("offline", "threads"), Outcome.APPLIED)
        ear.until(lambda: heard[-1].state == UploaderStatus.UPLOADING, "uploading again")
        assert outcomes(client.apply(uploader, {"bandwidth_limit": 0})) == {"bandwidth_limit": Outcome.APPLIED}
        ear.until(lambda: list(heard[-1].ingested) == [ID], "all at once, without the limit")


def test_the_next_recording_has_the_new_settings_and_limits_hold_at_once(
    recorder: Start, call: Call, namespace: str, tmp_path: Path
) -> None:
    with running("imu", namespace, tmp_path), SettingsClient(namespace) as client:
        recorder("topic imu/data_raw sensor_msgs/msg/Imu required 5", site="here")
        first = call(StartRecording, "start_recording")
        wanted: dict[str, Value] = {
            "site": "there",
            "tags": ["a", "b"],
            "profile": '{"rig": "x"}',
            "writer": "rosbag2",
            "merge_topics": ["-"],
            "queue_mb": 0,
        }
        reports = client.apply(f"{namespace}/recorder", wanted)
        assert outcomes(reports) == {
            **dict.fromkeys(("site", "tags", "profile", "merge_topics"), Outcome.APPLIED),
            "writer": Outcome.RESTART,
            "queue_mb": Outcome.REJECTED,
        }
        assert all(report.reason for report in reports if report.outcome != Outcome.APPLIED)
        assert call(StopRecording, "stop_recording").success
        second = call(StartRecording, "start_recording")
        assert call(StopRecording, "stop_recording").success
        assert outcomes(client.apply(f"{namespace}/recorder", {"storage_reserve": 2**60})) == {"storage_reserve": Outcome.APPLIED}
        refused = call(StartRecording, "start_recording")
    manifests = [read_manifest(Path(started.path)) for started in (first, second)]
    assert [(manifest.site, manifest.tags) for manifest in manifests] == [("here", ()), ("there", ("a", "b"))]
    assert not refused.success
    assert "below the reserve" in refused.message


def test_small_nodes_take_settings_and_their_heartbeat_shows_others(ear: Ear, namespace: str, tmp_path: Path) -> None:
    samples = ear.hear(Imu, f"{namespace}/imu/data_raw")
    networks = ear.hear(NetworkStatus, f"{namespace}/network", state_qos())
    diagnosis = ear.diagnosis(namespace, "imu")

    def digest() -> str:
        status = diagnosis()
        return "" if status is None else {pair.key: pair.value for pair in status.values}["settings"]

    nodes = ("imu:imu", "network:network", "clock:clock")
    with running("group", namespace, tmp_path, nodes=nodes), SettingsClient(namespace) as client:
        ear.until(lambda: bool(samples and networks and digest()), "the nodes")
        before, looks = digest(), len(networks)
        wanted = {"accel_stddev": 0.5, "timeout_s": 2.0, "rate_hz": 100.0}
        assert outcomes(client.apply(f"{namespace}/imu", wanted)) == {
            "accel_stddev": Outcome.APPLIED,
            "timeout_s": Outcome.APPLIED,
            "rate_hz": Outcome.RESTART,
        }
        ear.until(lambda: digest() != before and samples[-1].linear_acceleration_covariance[0] == pytest.approx(0.25), "their effect")
        assert outcomes(client.apply(f"{namespace}/network", {"interval_s": 0.2})) == {"interval_s": Outcome.APPLIED}
        ear.until(lambda: len(networks) >= looks + 4, "looks at the new interval", 5)
        assert outcomes(client.apply(f"{namespace}/clock", {"interval_s": 0.5, "reference": "/a/clock"})) == {
            "interval_s": Outcome.APPLIED,
            "reference": Outcome.RESTART,
        }
        assert client.apply(f"{namespace}/clock", {"interval_s": 0.5}) == []


def test_a_changed_profile_reaches_the_nodes_that_run(ear: Ear, namespace: str, tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text(
        f"namespace: {namespace.strip('/')}\nclock: null\nrecorder: null\nuploader: null\nstatus: null\nconsole: null\n"
        "imus:\n  imu: {driver: synthetic}\nbatteries:\n  battery: {driver: synthetic}\n"
    )
    silent = rig(tmp_path, "apply", str(profile))
    assert (silent.returncode, "no node of the rig" in silent.stderr) == (3, True)
    diagnosis = ear.diagnosis(namespace, "imu")
    nodes = ("imu:imu", "network:network")
    with running("group", namespace, tmp_path, nodes=nodes):
        ear.until(lambda: diagnosis() is not None, "the nodes")
        first = rig(tmp_path, "apply", str(profile), "--json")
        assert first.returncode == 1, "the battery does not run"
        assert [(report["node"], report["outcome"]) for report in json.loads(first.stdout)] == [(f"{namespace}/battery", "no answer")]
        settings = ("imus.imu.gyro_stddev=0.5", "imus.imu.rate_hz=50", "network.interval_s=9", "microphones.mic.driver=synthetic")
        options = [word for setting in settings for word in ("--set", setting)]
        changed = rig(tmp_path, "update", str(profile), *options, "--apply", "--json")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    said: dict[tuple[str, str], Any] = {(report["node"], report["setting"]): report for report in json.loads(changed.stdout)}
    assert {key: report["outcome"] for key, report in said.items()} == {
        (f"{namespace}/imu", "gyro_stddev"): "applied",
        (f"{namespace}/imu", "rate_hz"): "needs a restart",
        (f"{namespace}/network", "interval_s"): "applied",
        (f"{namespace}/mic", ""): "needs a restart",
    }
    assert said[f"{namespace}/imu", "gyro_stddev"]["value"] == 0.5
    assert "0.5" in profile.read_text()


def test_a_device_is_let_go_of_for_other_programs_and_had_again(
    ear: Ear, namespace: str, tmp_path: Path, pulse_null_sink: PulseNullSink
) -> None:
    chunks: list[AudioChunk] = ear.hear(AudioChunk, f"{namespace}/audio/audio")
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    state = ear.diagnosis(namespace, "audio")
    parameters: dict[str, object] = {"driver": "pulse", "device": pulse_null_sink.source}
    environment = pulse_null_sink.environment
    with running("audio", namespace, tmp_path, parameters, environment=environment) as node, SettingsClient(namespace) as client:
        ear.until(lambda: len(chunks) > 5, "sound")
        audio = f"{namespace}/audio"
        assert outcomes(client.apply(audio, {"enabled": False})) == {"enabled": Outcome.APPLIED}
        ear.until(lambda: (status := state()) is not None and status.message == "released", "the state in the diagnostics")
        # The program that recorded is gone, and with it the device.
        assert psutil.Process(node.process.pid).children() == []
        count = len(chunks)
        assert outcomes(client.apply(audio, {"enabled": True})) == {"enabled": Outcome.APPLIED}
        ear.until(lambda: len(chunks) > count + 5, "sound again")
        assert chunks[-1].segment == 1
        assert not any(event.family == "device" for event in events), "an operator's wish is no problem"
