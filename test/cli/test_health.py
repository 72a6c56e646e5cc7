"""`rig health`, from a log as the status node leaves it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rig_capture.cli import main
from rig_capture.health.events import Event
from rig_capture.health.log import LogWriter
from rig_capture.profiles.places import health_dir
from rig_capture.profiles.settings.health import HealthSettings
from test.health.parts import problem

Out = pytest.CaptureFixture[str]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the log of the default rig is, while none is up."""
    monkeypatch.setenv("RIG_CAPTURE_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ROS_DOMAIN_ID", "41")
    return health_dir(HealthSettings(), "", 41)


def write(folder: Path, *events: Event) -> None:
    """Appends to a log."""
    writer = LogWriter("/status", folder, HealthSettings())
    writer.start()
    for event in events:
        writer.put(event)
    assert writer.stop(30)


def lines(capsys: Out) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_open_problems_come_first_and_the_exit_code_tells_of_errors(capsys: Out, log: Path) -> None:
    assert main(["health"]) == 0
    assert "no problem is open" in capsys.readouterr().out
    write(log, problem(1), problem(2), problem(1, recovered=True))
    assert main(["health"]) == 1
    text = capsys.readouterr().out
    assert text.index("Problems") < text.index("Events")
    assert text.count("✘ device_lost") == 3
    assert text.count("✔ device_lost") == 1
    assert main(["health", "--problems", "--json"]) == 1
    (only,) = lines(capsys)
    assert (only["open"], only["subject"], only["evidence"]) == (True, "imu2", {"losses": 2})
    write(log, problem(2, recovered=True))
    assert main(["health", "--json"]) == 0
    assert [(line["open"], line["recovered"]) for line in lines(capsys)] == [(False, False), (False, False), (False, True), (False, True)]


def test_since_leaves_out_what_is_older_but_not_what_is_open(capsys: Out, log: Path) -> None:
    now = time.time_ns()
    write(log, problem(1), problem(2, stamp_ns=now - 3600 * 10**9), problem(3, code="recording_failed", stamp_ns=now))
    assert main(["health", "--since", "2h", "--json"]) == 1
    assert [(line["open"], line["subject"]) for line in lines(capsys)] == [
        (True, "imu1"),
        (True, "imu2"),
        (False, "imu2"),
        (False, "imu3"),
    ]
    assert main(["health", "--since", "soon"]) == 2
    assert "no length of time" in capsys.readouterr().err


def test_a_session_s_events_are_shown_by_its_path(capsys: Out, tmp_path: Path) -> None:
    (tmp_path / "health.jsonl").write_text(problem(5).line() + "\n")
    assert main(["health", "--path", str(tmp_path), "--json"]) == 1
    assert [line["subject"] for line in lines(capsys)] == ["imu5", "imu5"]


def test_follow_tells_what_comes_until_ctrl_c(log: Path) -> None:
    write(log, problem(1))
    command = [sys.executable, "-m", "rig_capture.cli", "health", "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout is not None
        assert [json.loads(process.stdout.readline())["open"] for _ in range(2)] == [True, False]
        write(log, problem(1, recovered=True))
        assert json.loads(process.stdout.readline())["recovered"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, "nothing is open any more"
