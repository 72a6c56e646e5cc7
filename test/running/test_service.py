"""The unit that runs a rig is what systemd wants, and is put where it looks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.cli import main
from rig_capture.running.service import BOOTED, Service, ServiceError, install, remove

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in *"$REFUSED"*) [ -z "$REFUSED" ] || { echo "Access denied" >&2; exit 4; };; esac
"""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mark of a running systemd; what systemctl is called with comes into the file `calls` beside it."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("REFUSED", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "booted").mkdir()
    return tmp_path / "booted"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("scope", ["--user", "--system"])
def test_systemd_takes_the_unit(scope: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "64")
    monkeypatch.setenv("RIG_CAPTURE_SECRET_ACCESS_KEY", "hidden")
    folder = tmp_path / "50% off, $HOME"
    folder.mkdir()
    profile = folder / "cellar.yaml"
    profile.write_text("extends: sim\n")
    assert main(["install-service", scope, "--profile", str(profile), "--print"]) == 0
    text = capsys.readouterr().out
    assert "hidden" not in text
    assert '"ROS_DOMAIN_ID=64"' in text
    unit = tmp_path / "rig-cellar.service"
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    problems = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert not problems
    assert done.returncode == 0, done.stderr


def test_the_unit_starts_the_command_that_is_installed() -> None:
    service = Service("sim", system=False)
    environment = dict(os.environ)
    command = next(line for line in service.text(environment, user="me").splitlines() if line.startswith("ExecStart="))
    words = [word.strip('"') for word in command.removeprefix("ExecStart=").split()]
    assert words[-3:] == ["up", "--profile", "sim"]
    done = subprocess.run([*words[:-3], "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("rig_capture ")
    # Over a ROS 2 that is sourced there is no script that would find it again: the variables are taken along.
    text = service.text(environment | {"AMENT_PREFIX_PATH": "/opt/ros/jazzy", "ROS_DISTRO": "jazzy"}, user="me")
    assert f'ExecStart="{sys.executable}" "-P" "-m" "rig_capture.cli" "up"' in text
    assert 'Environment="AMENT_PREFIX_PATH=/opt/ros/jazzy"' in text


def test_it_is_installed_enabled_and_removed(systemd: Path) -> None:
    service = Service("lab", system=False)
    assert install(service, service.text(os.environ, user="me"), systemd) == []
    assert service.path == systemd.parent / "config" / "systemd" / "user" / "rig-lab.service"
    assert "TimeoutStopSec=60" in service.path.read_text()
    assert remove(service, systemd) == []
    assert not service.path.exists()
    calls = (systemd.parent / "calls").read_text().splitlines()
    assert calls == [
        "--user daemon-reload",
        "--user enable rig-lab.service",
        "--user disable --now rig-lab.service",
        "--user daemon-reload",
    ]
    with pytest.raises(ServiceError, match="no such unit"):
        remove(service, systemd)


def test_what_systemd_refuses_is_told_with_the_lines_to_run(systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service("lab", system=False)
    monkeypatch.setenv("REFUSED", "enable")
    left = install(service, service.text(os.environ, user="me"), systemd)
    assert left == ["systemctl --user enable rig-lab.service: Access denied", "systemctl --user enable rig-lab.service"]
    monkeypatch.setenv("REFUSED", "disable")
    with pytest.raises(ServiceError, match=r"could not be stopped: .*Access denied"):
        remove(service, systemd)
    assert service.path.exists()


@pytest.mark.skipif(BOOTED.is_dir(), reason="systemd runs here")
def test_without_systemd_it_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["install-service", "--user", "--profile", "sim"]) == 1
    assert "was not started by systemd" in capsys.readouterr().err
    assert main(["install-service", "--profile", "nothing"]) == 2
    assert not list(tmp_path.rglob("*.service"))
