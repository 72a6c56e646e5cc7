"""What the process manager is told."""

import configparser
import os
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from rig_capture.profiles.load import load_profile
from rig_capture.profiles.nodes import describe_processes
from rig_capture.profiles.places import runtime_dir
from rig_capture.running.configuration import command, environment, record_of, supervisor_configuration, write_files
from rig_capture.running.errors import NotRunning, RunningError, SeveralRunning
from rig_capture.running.folder import RigFolder, domain_of, only_one, rig_folders
from rig_capture.running.rig import find_rig
from rig_capture.running.usage import Meter


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RigFolder:
    monkeypatch.setenv("RIG_CAPTURE_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(tmp_path / "data 100%"))
    return RigFolder.of("/a/b", 7)


def test_every_process_is_a_program_and_the_recorder_is_stopped_first(folder: RigFolder) -> None:
    processes = describe_processes(load_profile("field").profile)
    parser = configparser.RawConfigParser()
    parser.read_string(supervisor_configuration(folder, processes))
    programs = {name.removeprefix("program:") for name in parser.sections() if name.startswith("program:")}
    assert programs == {"camera_front", "audio_main", "wifi", "recorder", "uploader", "console", "group"}
    assert parser["group:recorder"]["programs"] == "recorder"
    assert int(parser["group:recorder"]["priority"]) > int(parser["group:nodes"]["priority"])
    assert "data 100%%" in parser["program:group"]["stdout_logfile"]
    assert shlex.split(parser["program:group"]["command"])[:4] == [sys.executable, "-P", "-m", "rig_capture.nodes.group"]


def test_a_command_line_holds_arguments_parameter_file_name_and_namespace() -> None:
    processes = {process.name: process for process in describe_processes(load_profile("field", overrides={"namespace": "a/b"}).profile)}
    assert command(processes["group"], Path("/p.yaml"))[4:] == [
        *("imu:imu", "battery:battery", "network:network", "clock:clock", "buttons:buttons", "status:status"),
        *("--ros-args", "--params-file", "/p.yaml", "-r", "__ns:=/a/b"),
    ]
    assert command(processes["camera_front"], Path("/p.yaml"))[4:] == [
        *("--ros-args", "--params-file", "/p.yaml", "-r", "__node:=camera_front", "-r", "__ns:=/a/b"),
    ]


def test_parameter_files_hold_each_nodes_settings(folder: RigFolder) -> None:
    profile = load_profile("sim", overrides={"namespace": "a/b", "cameras.camera_front.fps": "15"}).profile
    processes = describe_processes(profile)
    folder.make()
    write_files(folder, record_of("sim", profile, processes), processes)
    parameters = yaml.safe_load(folder.parameters("camera_front").read_text())["/a/b/camera_front"]["ros__parameters"]
    assert (parameters["fps"], parameters["driver"]) == (15.0, "synthetic")
    record = folder.read_record()
    assert record is not None
    assert (record.namespace, len(record.nodes)) == ("/a/b", 11)
    assert oct(folder.path.stat().st_mode & 0o777) == "0o700"


def test_nodes_run_in_the_profiles_domain_and_range_with_the_code_that_starts_them() -> None:
    variables = environment(load_profile("sim", overrides={"domain_id": 42, "discovery": "SUBNET"}).profile)
    assert (variables["ROS_DOMAIN_ID"], variables["ROS_AUTOMATIC_DISCOVERY_RANGE"]) == ("42", "SUBNET")
    assert (Path(variables["PYTHONPATH"].split(os.pathsep)[0]) / "rig_capture" / "__init__.py").is_file()


def test_the_domain_is_the_profiles_else_the_environments_else_zero() -> None:
    profile = load_profile("sim").profile
    assert domain_of(load_profile("sim", overrides={"domain_id": 3}).profile, {"ROS_DOMAIN_ID": "9"}) == 3
    assert (domain_of(profile, {"ROS_DOMAIN_ID": "9"}), domain_of(profile, {})) == (9, 0)
    with pytest.raises(RunningError, match="ROS_DOMAIN_ID"):
        domain_of(profile, {"ROS_DOMAIN_ID": "x"})


def test_rigs_of_other_namespaces_and_domains_have_other_folders(folder: RigFolder) -> None:
    assert RigFolder.of("/", 0).path == runtime_dir() / "root-0"
    assert len({RigFolder.of(namespace, domain).path for namespace in ("", "/a", "a/b") for domain in (0, 1)}) == 6


def test_a_path_too_long_for_a_socket_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_CAPTURE_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(RunningError, match="RIG_CAPTURE_RUNTIME_DIR"):
        RigFolder.of("", 0).make()


def test_without_a_running_rig_none_is_found(folder: RigFolder) -> None:
    with pytest.raises(NotRunning, match="rig up"):
        find_rig()
    folder.make()
    processes = describe_processes(load_profile("sim").profile)
    write_files(folder, record_of("sim", load_profile("sim").profile, processes), processes)
    assert list(rig_folders()) == [folder]
    with pytest.raises(NotRunning, match=r"a\.b-7"):
        find_rig(folder)  # a record left by one that was killed
    with pytest.raises(SeveralRunning, match="--namespace"):
        only_one([folder, RigFolder.of("", 0)])


def test_usage_of_a_process_and_none_of_one_that_is_gone() -> None:
    usage = Meter([os.getpid(), 2**22 + 1]).read()
    assert set(usage) == {os.getpid()}
    assert usage[os.getpid()].memory_bytes > 1_000_000
