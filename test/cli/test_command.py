"""The command `rig` as a whole: help, version, exit codes, errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture import __version__
from rig_capture.cli import main
from rig_capture.profiles.load import user_profiles_dir


def test_help_lists_every_command_without_importing_what_is_heavy() -> None:
    program = "import sys; from rig_capture.cli import main; code = main(['--help']); print(sorted(sys.modules)); sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    for name in ("demo", "up", "down", "status", "record", "jobs", "sessions", "verify", "ingest", "profile"):
        assert f" {name} " in done.stdout
    for heavy in ("rclpy", "av", "numpy", "sqlalchemy", "boto3", "supervisor.xmlrpc", "pydantic"):
        assert f"'{heavy}'" not in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["up", "--nothing"], ["profile", "update"], ["profile", "update", "--set", "threads"], ["profile", "create"]],
)
def test_a_wrong_call_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_a_wrong_profile_is_one_clear_message_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("cameras:\n  a: {fpss: 3}\n")
    assert main(["up", "--profile", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}:2: cameras.a.fpss: unknown key; did you mean fps?")
    assert "Traceback" not in error


def test_the_debug_switch_shows_tracebacks() -> None:
    for arguments, variables in ((["--debug"], {}), ([], {"RIG_CAPTURE_DEBUG": "1"})):
        command = [sys.executable, "-m", "rig_capture.cli", *arguments, "profile", "get", "nothing"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, timeout=60, check=False)
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "ProfileNotFound: there is no profile 'nothing'" in done.stderr


def test_status_and_down_without_a_rig_are_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIG_CAPTURE_RUNTIME_DIR", str(tmp_path))
    assert main(["status"]) == 3
    assert main(["down"]) == 3
    capsys.readouterr()
    assert main(["status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_up_names_missing_files_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["up", "--profile", "sim", "--set", "cameras.camera_front.driver=file", "--set", "cameras.camera_front.source=/no/such.mkv"]
    assert main(arguments) == 2
    assert "flag: cameras.camera_front.source: /no/such.mkv: no such file" in capsys.readouterr().err


def test_profile_commands_from_end_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "create", "recording", "--from", "lab"]) == 0
    update = ["profile", "update", "recording", "--storage-limit", "2gb", "--bandwidth-limit", "50mb", "--storage-path", "/data/records"]
    update += ["--num-threads", "4", "--max-concurrent-uploads", "7", "--wakelock", "--offline", "--organisation", "acme"]
    assert main([*update, "--set", "cameras.camera_front.fps=15"]) == 0
    capsys.readouterr()
    assert main(["profile", "get", "recording", "--effective", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)["values"]
    assert values["storage_limit"] == {"value": 2_000_000_000, "origin": f"{user_profiles_dir() / 'recording.yaml'}:3"}
    assert [
        values[key]["value"] for key in ("bandwidth_limit", "threads", "concurrent_uploads", "wake_lock", "offline", "organisation")
    ] == [*(50_000_000, 4, 7, True, True, "acme")]
    assert values["cameras.camera_front.fps"]["value"] == 15.0
    assert main(["profile", "update", "recording", "--online", "--no-wakelock", "--unset", "threads"]) == 0
    capsys.readouterr()
    assert main(["profile", "get", "recording", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["values"]
    assert (shown["offline"], shown["wake_lock"]) == (False, False)
    assert "threads" not in shown
    assert main(["profile", "delete", "recording"]) == 0
    assert main(["profile", "get", "recording"]) == 2


def test_an_invalid_update_is_refused_and_leaves_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "create", "mine"]) == 0
    before = (user_profiles_dir() / "mine.yaml").read_bytes()
    assert main(["profile", "update", "mine", "--storage-limit", "2 bananas"]) == 2
    assert "is not a size" in capsys.readouterr().err
    assert (user_profiles_dir() / "mine.yaml").read_bytes() == before


def test_get_shows_the_default_profile_and_where_values_come_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIG_CAPTURE_THREADS", "9")
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["profile", "get"]) == 0
    assert "threads" not in capsys.readouterr().out
    assert main(["profile", "get", "--effective"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["threads", "9", "$RIG_CAPTURE_THREADS"] in lines
    assert ["concurrent_uploads", "5", "default"] in lines


def test_the_list_shows_packaged_and_own_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "create", "mine"]) == 0
    assert main(["profile", "list"]) == 0
    assert "packaged" in capsys.readouterr().out
    assert main(["profile", "list", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == ["default", "field", "lab", "mine", "sim"]


@pytest.mark.parametrize("arguments", [["delete", "default"], ["delete", "lab"], ["create", "default"], ["update", "--set", "api_key=x"]])
def test_what_profiles_protect_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "update", "--threads", "2"]) == 0
    assert main(["profile", *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: ")
