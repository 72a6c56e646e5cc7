"""Commands for scripts that begin, record and end by themselves: `rig capture`, `rig jobs run-next`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rig_capture_msgs.msg import RecorderStatus

from rig_capture.cli import main
from rig_capture.nodes.common.base import state_qos
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import sessions_in
from rig_capture.session.manifest import read_manifest
from test.integration.nodes import Ear
from test.integration.recorders import IMU, Start

pytestmark = pytest.mark.integration

PROFILE = """
rig: script
discovery: LOCALHOST
imus:
  imu: {driver: synthetic, rate_hz: 100}
network: null
clock: null
uploader: null
status: null
console: null
"""


class Script:
    """A script that calls `rig` for a rig of its own."""

    def __init__(self, home: Path, runtime: Path, namespace: str) -> None:
        self.sessions = home / "sessions"
        self._home, self._runtime, self._namespace = home, runtime, namespace
        self._environment = os.environ | {"RIG_CAPTURE_RUNTIME_DIR": str(runtime), "RIG_CAPTURE_DATA_DIR": str(home / "data")}
        self.write(PROFILE)

    def write(self, text: str) -> None:
        """Another profile from now on."""
        (self._home / "script.yaml").write_text(f"{text}\nnamespace: {self._namespace}\nstorage_path: {self.sessions}\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "rig_capture.cli", *arguments]
        if arguments[0] != "attach":
            command += ["--profile", str(self._home / "script.yaml")]
        return subprocess.Popen(command, env=self._environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments: str, code: int = 0) -> str:
        """What it printed, given that it ended with this code."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"{out}\n{err}"
        return out if not code else out + err

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        answer: dict[str, Any] = json.JSONDecoder().raw_decode(self.run(*arguments, "--json", code=code))[0]
        return answer

    def jobs(self) -> dict[str, str]:
        """State of all jobs by label."""
        return {job["label"]: job["state"] for job in self.json("jobs", "list")["jobs"]}

    @property
    def is_up(self) -> bool:
        """Whether a rig of it runs."""
        return bool(list(self._runtime.glob("*/control")))


@pytest.fixture
def script(tmp_path: Path, namespace: str) -> Iterator[Script]:
    """A script, while no rig is up."""
    runtime = Path(tempfile.mkdtemp(prefix="rig-"))  # a socket's path must be short
    someone = Script(tmp_path, runtime, namespace)
    yield someone
    was_up = someone.is_up
    if was_up:
        someone.run("down")
    shutil.rmtree(runtime)
    assert not was_up, "a rig was left running"


def test_a_capture_without_a_rig_starts_one_and_stops_it_and_tells_what_was_recorded(script: Script, tmp_path: Path) -> None:
    captured = script.json("capture", "--seconds", "0.5", "--label", "walk", "--participant", "p01")
    assert not script.is_up
    (session,) = sessions_in(script.sessions)
    assert (captured["path"], captured["state"], captured["end_reason"]) == (str(session), "complete", "duration")
    manifest = read_manifest(session)
    assert (manifest.label, manifest.participant) == ("walk", "p01")
    assert captured["streams"]["imu/data_raw"]["messages"] > 20
    assert captured["streams"]["imu/data_raw"]["lost"] == {"dds": 0, "sequence": 0, "queue": 0, "encoder": 0}
    assert verify_session(session).whole

    notes = tmp_path / "notes.txt"
    notes.write_text("left knee")
    (added,) = script.json("attach", str(session), str(notes), "--label", "notes")["files"]
    assert (added["path"], added["size"], added["label"]) == ("notes.txt", 9, "notes")
    assert "holds a notes.txt already" in script.run("attach", str(session), str(notes), code=1)
    assert (verify_session(session).whole, verify_session(session).files) == (True, len(manifest.files) + 2)
    (session / "attachments" / "notes.txt").write_text("right one")
    assert verify_session(session).damages == ["attachments/notes.txt: its SHA-256 is not that of the manifest; its contents have changed"]


def test_ctrl_c_ends_a_capture_and_keeps_what_there_is(script: Script) -> None:
    process = script.start("capture", "--seconds", "10m")
    while not sessions_in(script.sessions):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    (session,) = sessions_in(script.sessions)
    assert f"complete {session.name} (stopped)" in out
    assert "imu/data_raw" in out
    assert verify_session(session).whole


def test_one_job_is_run_and_all_others_go_on_waiting(script: Script) -> None:
    assert "no job waits" in script.run("jobs", "run-next", code=2)
    for label in ("first", "second"):
        script.run("jobs", "add", "--seconds", "0.5", "--label", label)
    script.run("jobs", "add", "--seconds", "0.5", "--in", "1h", "--label", "later")
    done = script.json("jobs", "run-next")
    assert not script.is_up
    assert (done["label"], done["state"]) == ("first", "done")
    assert script.jobs() == {"first": "done", "second": "queued", "later": "scheduled"}
    (session,) = sessions_in(script.sessions)
    assert done["path"] == str(session)
    assert (read_manifest(session).label, read_manifest(session).end_reason) == ("first", "duration")


def test_what_can_not_be_recorded_fails_and_the_rig_is_stopped(script: Script) -> None:
    script.write(PROFILE.replace("driver: synthetic", "driver: iio, iio_device: nowhere") + "recorder: {ready_timeout_s: 0.3}")
    script.run("jobs", "add", "--seconds", "5", "--label", "job")
    assert script.json("jobs", "run-next", code=1)["state"] == "failed"
    assert "imu" in script.run("capture", "--seconds", "5", code=1)
    assert script.jobs() == {"job": "failed"}
    assert sessions_in(script.sessions) == []


def test_a_rig_that_is_up_is_used_and_stays_up(script: Script) -> None:
    script.run("up", "--background")
    try:
        captured = script.json("capture", "--seconds", "0.3")
        script.run("jobs", "add", "--seconds", "0.3", "--in", "1h", "--label", "hurried")
        done = script.json("jobs", "run-next")
        assert script.is_up
        assert "rig down" in script.run("capture", "--seconds", "1", "--set", "imus.imu.rate_hz=50", code=2)
    finally:
        script.run("down")
    assert [captured["path"], done["path"]] == [str(session) for session in sessions_in(script.sessions)]


@pytest.mark.usefixtures("sensors")
def test_a_recorder_that_something_else_started_is_used(
    recorder: Start, namespace: str, tmp_path: Path, ear: Ear, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_CAPTURE_RUNTIME_DIR", str(tmp_path / "run"))
    told = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    recorder(IMU)
    ear.until(lambda: any(status.state == "idle" for status in told), "a recorder that is up")
    assert main(["capture", "--seconds", "0.3", "--namespace", namespace, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(sessions_in(tmp_path / "sessions")[0])
    assert not list((tmp_path / "run").glob("*/rig.json"))


@pytest.mark.parametrize("arguments", [[], ["--seconds", "0"], ["--seconds", "soon"], ["--seconds", "1", "--set", "nonsense"]])
def test_a_wrong_call_begins_nothing(script: Script, arguments: list[str]) -> None:
    assert script.run("capture", *arguments, code=2)
    assert not script.is_up
