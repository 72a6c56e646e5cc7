"""`rig wifi` as an operator calls it, with a NetworkManager on a bus of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rig_capture.cli import main
from test.sensing.wifi.parts import MockedManager, mocked_manager

RIG = [sys.executable, "-m", "rig_capture.cli", "wifi"]


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockedManager]:
    with mocked_manager(tmp_path_factory.mktemp("nm")) as mocked:
        mocked.add_network("Field Lab", 90)
        mocked.add_network("Café", 60, 0)
        yield mocked


def test_networks_are_listed(manager: MockedManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wifi", "scan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2:] for line in lines if "%" in line] == [["%", "WPA2"], ["%", "open"]]
    assert main(["wifi", "scan", "--known", "--json"]) == 0
    assert [network["ssid"] for network in json.loads(capsys.readouterr().out)] == ["Field Lab", "Café"]


def test_a_network_is_joined_with_a_password_from_standard_input(manager: MockedManager, capfd: pytest.CaptureFixture[str]) -> None:
    command = [*RIG, "connect", "Field Lab", "--password-stdin"]
    done = subprocess.run(command, input="correct horse\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "connected to Field Lab\n")
    assert manager.names() == ["Field Lab"]
    assert "correct horse" not in done.stdout + done.stderr
    assert main(["wifi", "connect", "Café"]) == 0


def test_a_network_out_of_reach_is_one_clear_line(manager: MockedManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wifi", "connect", "Elsewhere"]) == 1
    assert "error: Elsewhere is not in reach; `rig wifi scan` shows what is" in capsys.readouterr().err


def test_the_hotspot_is_open_until_ctrl_c(manager: MockedManager) -> None:
    with subprocess.Popen([*RIG, "setup"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("hotspot rig-")
        assert manager.names() == ["rig_capture set-up"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert manager.names() == []
