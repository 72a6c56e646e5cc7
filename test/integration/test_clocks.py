"""The clocks of several hosts: measured while a recording runs, on record in its manifest, and corrected by who reads it."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rig_capture_msgs.msg import ClockStatus, HealthEvent, RecorderStatus
from rig_capture_msgs.srv import StartRecording, StopRecording

import rig_capture
from rig_capture.nodes.common.base import state_qos
from rig_capture.reading.errors import NoCommonClock
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.reporting.sync.measure import measure_sync
from rig_capture.sensing.flash_beep import BEEP_HZ
from rig_capture.session.manifest import read_manifest, write_manifest
from test.integration.nodes import Ear, running
from test.integration.recorders import AUDIO, VIDEO, Call, Start
from test.parts import need_programs

pytestmark = pytest.mark.integration

AHEAD_NS = 250_000_000
IMU = "sensor_msgs/msg/Imu"
CLOCK = "rig_capture_msgs/msg/ClockStatus"


@pytest.fixture
def other_host() -> dict[str, str]:
    """What makes processes those of a host whose clock is 250 ms ahead."""
    need_programs("faketime", "faketime")
    # The program only sets these variables; it would have to be the one that is signalled at the end.
    found = subprocess.run(["faketime", "-f", "+0.25", "env"], capture_output=True, text=True, check=True).stdout
    variables = dict(line.split("=", 1) for line in found.splitlines() if "=" in line)
    return {
        "RIG_CAPTURE_HOST": "left",
        "LD_PRELOAD": variables["LD_PRELOAD"],
        "FAKETIME": "+0.25",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
    }


def test_a_host_whose_clock_is_apart_is_measured_told_and_corrected(
    ear: Ear,
    namespace: str,
    call: Call,
    recorder: Start,
    other_host: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = f"{namespace}/left"
    statuses = ear.hear(ClockStatus, f"{left}/clock_status", state_qos())
    health = ear.hear(HealthEvent, f"{left}/health", state_qos(50))
    states = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    diagnosis = ear.diagnosis(left, "clock")
    measuring = {"reference": f"{namespace}/clock", "interval_s": 0.5, "source": True}
    streams = [f"topic {place}imu/data_raw {IMU} required" for place in ("", "left/")]
    streams += [f"topic {place}clock_status {CLOCK} optional" for place in ("", "left/")]
    streams += [VIDEO, VIDEO.replace("camera/", "left/camera/"), AUDIO]
    flashing = {"width": 160, "height": 120, "pattern": "flash_beep"}
    monkeypatch.setenv("RIG_CAPTURE_HOST", "lead")
    with (
        running("clock", namespace, tmp_path, {"source": False}),
        running("imu", namespace, tmp_path),
        running("clock", left, tmp_path, measuring, environment=other_host),
        running("imu", left, tmp_path, environment=other_host),
        running("camera", namespace, tmp_path, flashing),
        running("camera", left, tmp_path, flashing, environment=other_host),
        running("audio", namespace, tmp_path, {"pattern": "flash_beep"}),
        running("status", left, tmp_path, {"log_format": "'off'", "file": "none"}, environment=other_host),
    ):
        recorder(*streams, clock_wait_s=5.0)
        ear.until(lambda: any(status.probes for status in statuses), "a measured offset")
        started = call(StartRecording, "start_recording")
        assert started.success, started.message
        ear.until(lambda: states[-1].elapsed_s > 6 and diagnosis() is not None, "a while")
        stopped = call(StopRecording, "stop_recording")
        ear.until(lambda: "clock_skew" in [event.code for event in health], "the skew as a health event")
    path = Path(stopped.path)
    entry = read_manifest(path).clock["left"]
    assert (entry.method, entry.reference, entry.source != "") == ("ntp_exchange", f"{namespace}/clock", True)
    assert entry.start is not None
    assert entry.end is not None
    assert len(entry.series) >= 10
    for reading in (entry.start, entry.end):
        assert abs(reading.offset_ns + AHEAD_NS) <= reading.uncertainty_ns + 50_000
    assert read_manifest(path).clock.keys() == {"lead", "left"}
    assert verify_session(path).damages == []
    check_readers(path)


def check_readers(path: Path) -> None:
    """Stamps as they were taken, and on the common clock."""
    session = rig_capture.open_session(path)
    fit = session.clocks["left"]
    assert fit is not None
    assert fit.is_line
    assert fit.offset_ns == pytest.approx(-AHEAD_NS, abs=1e6)
    assert session.clocks["lead"] is not None
    assert {session.streams[name].entry.host for name in ("imu/data_raw", "left/imu/data_raw")} == {"lead", "left"}
    lateness = {name: lateness_ms(session, name) for name in ("imu/data_raw", "left/imu/data_raw")}
    common = rig_capture.open_session(path, clock="common")
    corrected = {name: lateness_ms(common, name) for name in lateness}
    assert lateness["left/imu/data_raw"] - lateness["imu/data_raw"] == pytest.approx(-250, abs=5)
    assert corrected["left/imu/data_raw"] - corrected["imu/data_raw"] == pytest.approx(0, abs=5)
    check_flashes(path)
    manifest = read_manifest(path)
    write_manifest(path, manifest.model_copy(update={"clock": {"lead": manifest.clock["lead"]}}))
    with pytest.raises(NoCommonClock, match="the clock of left was not measured"):
        rig_capture.open_session(path, clock="common")
    assert lateness_ms(rig_capture.open_session(path, clock="common", strict=False), "left/imu/data_raw") < -200


def check_flashes(path: Path) -> None:
    """The same light, seen from both hosts, and the sound that comes with it."""
    by_host = measure_sync(rig_capture.open_session(path), BEEP_HZ, "host")
    common = measure_sync(rig_capture.open_session(path, clock="common"), BEEP_HZ, "common")
    apart = {(pair.first, pair.second): pair.apart_ms.median for pair in by_host.pairs}
    assert apart["camera", "left.camera"] == pytest.approx(250, abs=2)
    assert apart["camera", "audio"] == pytest.approx(0, abs=2)
    assert apart["left.camera", "audio"] == pytest.approx(-250, abs=2)
    assert len(common.pairs) == 3
    assert all(abs(pair.apart_ms.median) < 5 for pair in common.pairs)


def lateness_ms(session: Any, name: str) -> float:
    """The least time from a message's stamp to its reception."""
    columns = session.topic(name).to_numpy()
    return float(np.min(columns["received_ns"] - columns["stamp_ns"])) / 1e6
