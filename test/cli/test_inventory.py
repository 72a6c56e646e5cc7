"""`rig inventory` as an operator calls it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.cli import main


def test_the_page_and_the_json_tell_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inventory"]) == 0
    page = capsys.readouterr().out
    assert os.uname().nodename in page
    assert "disks" in page
    assert main(["inventory", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [volume["mount"] for volume in found["volumes"]]


def test_a_source_that_cannot_be_read_shows_in_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lsblk").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "lsblk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert main(["inventory"]) == 1
    assert "disks: lsblk does not tell" in capsys.readouterr().out


def test_watching_ends_with_ctrl_c() -> None:
    with subprocess.Popen([sys.executable, "-m", "rig_capture.cli", "inventory", "--watch", "--json"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["host"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
