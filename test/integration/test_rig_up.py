"""The rig as a service: real process manager, real nodes, the command as operators call it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from rig_capture.nodes.clients.errors import NoAnswer, Refused
from rig_capture.nodes.clients.rig import RigClient
from test.parts import wait_until

pytestmark = pytest.mark.integration

SMALL = """
discovery: LOCALHOST
batteries:
  battery: {driver: synthetic}
recorder: null
uploader: null
status: null
console: null
share_process: [network, clock]
"""
"""Two processes, three nodes."""


class Operator:
    """Someone at a terminal, with folders and ROS domain of their own."""

    def __init__(self, home: Path, runtime: Path, domain: int) -> None:
        self.home = home
        self.runtime = runtime
        self.domain = domain
        self.environment = os.environ | {
            "RIG_CAPTURE_RUNTIME_DIR": str(runtime),
            "RIG_CAPTURE_DATA_DIR": str(home / "data"),
            "RIG_CAPTURE_CONFIG_DIR": str(home / "config"),
            "ROS_DOMAIN_ID": str(domain),
        }

    def profile(self, text: str, name: str = "small") -> str:
        path = self.home / f"{name}.yaml"
        path.write_text(text)
        return str(path)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rig_capture.cli", *arguments],
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=1,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rig_capture.cli", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return answer

    def processes(self) -> list[psutil.Process]:
        """All processes of rigs of this operator, told by the runtime folder in their command line."""
        everyone = psutil.process_iter(["cmdline"])
        return [process for process in everyone if any(str(self.runtime) in part for part in process.info["cmdline"] or [])]


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    runtime = Path(tempfile.mkdtemp(prefix="rig-"))  # a socket's path must be short
    someone = Operator(tmp_path, runtime, int(os.environ["ROS_DOMAIN_ID"]) - 40)
    yield someone
    left = someone.processes()
    for process in left:
        process.kill()
    psutil.wait_procs(left, 10)
    shutil.rmtree(runtime, ignore_errors=True)
    assert not left, "a test left processes behind"


def read_until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """Lines of a process up to the one that holds a pattern."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"it ended without saying {pattern!r}: {''.join(lines)}")


def end(process: subprocess.Popen[str], signals: Sequence[signal.Signals]) -> tuple[int, float, str]:
    """Exit code, seconds it took, and what was said."""
    begin = time.monotonic()
    for number in signals:
        process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - begin, said


def test_background_start_returns_when_all_report_and_the_rig_records_and_goes_down(operator: Operator) -> None:
    up = operator.run("up", "--profile", "sim", "--background", "--storage-path", str(operator.home / "sessions"))
    assert up.returncode == 0, up.stderr
    assert "11 nodes" in up.stdout
    status = operator.status()
    assert status["well"], status
    assert {process["state"] for process in status["processes"]} <= {"RUNNING", "STARTING"}
    assert all(process["memory_bytes"] > 1_000_000 and process["restarts"] == 0 for process in status["processes"])
    assert status["nodes"]["/camera_front"]["level"] == 0
    assert (status["recorder"]["state"], status["uploader"]["queued"]) == ("idle", 0)
    table = operator.run("status")
    assert table.returncode == 0
    assert "camera_front" in table.stdout
    assert status["console"]["url"] == f"{status['console']['address']}?token={status['console']['token']}"
    assert status["console"]["url"] in table.stdout

    again = operator.run("up", "--profile", "sim", "--background")
    assert again.returncode == 1
    assert "running already" in again.stderr

    started = operator.run("record", "start", "--label", "walk", "--participant", "p1", "--json")
    assert started.returncode == 0, started.stderr
    recording = json.loads(started.stdout)
    assert Path(recording["path"]).parent == operator.home / "sessions"
    assert operator.run("record", "start").returncode == 1
    assert recording["recording_id"] in operator.run("record", "status").stdout
    stopped = operator.run("record", "stop", "--json")
    assert json.loads(stopped.stdout)["recording_id"] == recording["recording_id"]
    wait_until((Path(recording["path"]) / ".rig_complete").exists, "the completion mark")
    listed = json.loads(operator.run("sessions", "--json").stdout)
    assert (listed["path"], [row["path"] for row in listed["sessions"]]) == (str(operator.home / "sessions"), [recording["path"]])
    # A profile that is named is meant, not the rig that happens to be up.
    assert json.loads(operator.run("sessions", "--profile", "lab", "--json").stdout)["path"] != str(operator.home / "sessions")
    with RigClient("", operator.domain) as client:
        assert recording["recording_id"] in client.wait_for_upload(recording["recording_id"], 60).ingested

    timed = operator.run("record", "start", "--seconds", "1", "--json")
    assert timed.returncode == 0, timed.stderr
    assert json.loads(timed.stdout)["end_reason"] == "duration"
    cancelled = json.loads(operator.run("record", "start", "--json").stdout)
    assert operator.run("record", "cancel").returncode == 0
    assert not Path(cancelled["path"]).exists()
    nothing = operator.run("record", "stop")
    assert (nothing.returncode, nothing.stderr) == (1, "error: no recording runs\n")

    unfinished = json.loads(operator.run("record", "start", "--json").stdout)
    down = operator.run("down")
    assert down.returncode == 0, down.stderr
    # By themselves, none killed; timed by the process manager, without the start of the command itself.
    log = next(operator.home.rglob("supervisor.log")).read_text()
    ended = re.findall(r"^(.{23}) INFO stopped: \w+ \(exit status 0\)", log, re.MULTILINE)
    asked = re.search(r"^(.{23}) INFO waiting for .* to die", log, re.MULTILINE)
    assert len(ended) == 11
    assert asked is not None
    assert datetime.fromisoformat(ended[-1]) - datetime.fromisoformat(asked[1]) < timedelta(seconds=5)
    assert operator.processes() == []
    assert (Path(unfinished["path"]) / ".rig_complete").exists()
    assert operator.run("status").returncode == 3


@pytest.mark.parametrize("signals", [[signal.SIGINT] * 4, [signal.SIGTERM]], ids=["ctrl-c-four-times", "sigterm"])
def test_the_foreground_shows_prefixed_lines_and_stops_cleanly(operator: Operator, signals: list[signal.Signals]) -> None:
    up = operator.start("up", "--profile", operator.profile(SMALL))
    shown = "".join(read_until(up, "all processes run"))
    assert re.search(r"^rig +\| profile small, 3 nodes", shown, re.MULTILINE)
    assert operator.run("up", "--profile", operator.profile(SMALL)).returncode == 1
    assert len(operator.processes()) == 3
    code, seconds, said = end(up, signals)
    assert code == 0, said
    assert seconds < 5
    assert "stopped" in said
    assert "Traceback" not in said
    assert operator.processes() == []


def test_a_process_that_dies_is_started_again_and_that_is_shown(operator: Operator) -> None:
    up = operator.start("up", "--profile", operator.profile(SMALL))
    read_until(up, "all processes run")
    battery = next(process for process in operator.processes() if "rig_capture.nodes.battery" in process.cmdline())
    battery.kill()
    read_until(up, r"battery (was started again|ended)")
    wait_until(lambda: operator.status()["well"], "a rig that is well", 30)
    status = operator.status()
    assert {process["name"]: process["restarts"] for process in status["processes"]} == {"battery": 1, "group": 0}
    assert end(up, [signal.SIGINT])[0] == 0


def test_a_rig_whose_command_was_killed_can_still_be_seen_and_stopped(operator: Operator) -> None:
    up = operator.start("up", "--profile", operator.profile(SMALL))
    read_until(up, "all processes run")
    assert end(up, [signal.SIGKILL])[0] == -signal.SIGKILL
    assert operator.status()["well"]
    assert operator.run("down").returncode == 0
    assert operator.processes() == []


def test_the_foreground_ends_when_the_rig_is_stopped_from_elsewhere(operator: Operator) -> None:
    up = operator.start("up", "--profile", operator.profile(SMALL))
    read_until(up, "all processes run")
    manager = next(process for process in operator.processes() if "supervisor.supervisord" in process.cmdline())
    manager.terminate()
    said, _ = up.communicate(timeout=30)
    assert up.returncode == 0, said
    assert operator.processes() == []


def test_a_node_that_can_not_start_is_named_with_its_last_lines_and_all_is_stopped(operator: Operator) -> None:
    # A library that is broken on this machine; only the recorder needs it.
    library = operator.home / "broken" / "rosbags"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("raise RuntimeError('broken on this machine')")
    operator.environment["PYTHONPATH"] = f"{library.parent}{os.pathsep}{operator.environment['PYTHONPATH']}"
    profile = operator.profile(SMALL.replace("recorder: null", "recorder: {}"))
    up = operator.run("up", "--profile", profile, "--background")
    assert up.returncode == 1
    assert "recorder ended" in up.stderr
    assert "broken on this machine" in up.stderr
    assert operator.processes() == []


def test_two_rigs_in_other_namespaces_and_domains_do_not_see_each_other(operator: Operator) -> None:
    profile = operator.profile(SMALL)
    domains = {"/one": operator.domain, "/two": operator.domain - 20 if operator.domain >= 40 else operator.domain + 20}
    for namespace, domain in domains.items():
        up = operator.run("up", "--profile", profile, "--background", "--namespace", namespace, "--domain", str(domain))
        assert up.returncode == 0, up.stderr
    assert operator.run("status").returncode == 2  # which one?
    for namespace, domain in domains.items():
        with RigClient(namespace, domain) as client:
            own = {f"{namespace}/{name}" for name in ("battery", "network", "clock")}
            assert client.wait_for_nodes(own, 10) == set()
            assert set(client.diagnostics()) == own
            other = next(name for name in domains if name != namespace)
        with RigClient(other, domain) as client:
            assert client.wait_for_nodes([f"{other}/battery"], 1.5) == {f"{other}/battery"}
        named = operator.run("status", "--profile", profile, "--namespace", namespace, "--domain", str(domain), "--json")
        assert set(json.loads(named.stdout)["nodes"]) == own
    for namespace, domain in domains.items():
        down = operator.run("down", "--profile", profile, "--namespace", namespace, "--domain", str(domain))
        assert down.returncode == 0, down.stderr
    assert operator.processes() == []


def test_a_client_says_who_does_not_answer(operator: Operator) -> None:
    with RigClient("/nobody", operator.domain) as client:
        with pytest.raises(NoAnswer, match="nobody offers stop_recording"):
            client.stop_recording(timeout_s=0.2)
        with pytest.raises(NoAnswer, match="recorder said nothing"):
            client.recorder_status(0.1)
        with pytest.raises(NoAnswer, match="never said anything"):
            client.wait_for_upload("rec_x", 0.1)
    assert issubclass(Refused, Exception)
