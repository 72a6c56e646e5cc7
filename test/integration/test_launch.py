"""The launch files under launch_ros, where that is installed (it comes with ROS 2's own packages, not with the wheels)."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from rig_capture.nodes.clients.rig import RigClient
from test.integration.nodes import fresh_namespace
from test.parts import wait_until

pytest.importorskip("launch_ros", reason="launch_ros is not installed; with ROS 2's packages: apt-get install ros-$ROS_DISTRO-launch-ros")
pytestmark = pytest.mark.integration

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
PROGRAM = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [tuple(text.split(":=", 1)) for text in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)])
)
sys.exit(service.run())
"""


def start(file: str, *arguments: str, prefix: Path | None = None) -> subprocess.Popen[str]:
    """Launches; `prefix` holds further packages."""
    command = [sys.executable, "-c", PROGRAM, str(LAUNCH / file), *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    if prefix is not None:
        environment["AMENT_PREFIX_PATH"] = f"{prefix}:{environment.get('AMENT_PREFIX_PATH', '')}"
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def test_the_profiles_nodes_run_under_launch_and_end_well(tmp_path: Path) -> None:
    namespace = fresh_namespace()
    own = {f"{namespace}/{name}" for name in ("imu", "battery", "network", "recorder", "foxglove")}
    arguments = [
        "profile:=sim",
        f"namespace:={namespace}",
        f"storage_path:={tmp_path}",
        "only:=imu,battery,network,recorder",
        "foxglove:=true",
    ]
    launch = start(
        "rig.launch.py", *arguments, "set:=share_process=[imu, battery, network];imus.imu.rate_hz=50;foxglove.port=0", "disable:="
    )
    try:
        with RigClient(namespace) as client:
            assert client.wait_for_nodes(own, 30) == set()
            recording = client.start_recording(label="x")
            assert client.stop_recording().recording_id == recording.recording_id
            assert set(client.diagnostics()) == own
    finally:
        launch.send_signal(signal.SIGINT)
        said, _ = launch.communicate(timeout=60)
    assert launch.returncode == 0, said
    assert said.count("finished cleanly") == 3, said
    assert "Traceback" not in said


def test_viewers_are_started_with_the_names_of_the_rig(tmp_path: Path) -> None:
    """What is started instead of rviz and rqt writes down what it was given."""
    for package in ("rviz2", "rqt_gui"):
        program = tmp_path / "lib" / package / package
        program.parent.mkdir(parents=True)
        program.write_text(
            f'#!/bin/sh\ncp "$2" "{tmp_path}/{package}.given.new"\nmv "{tmp_path}/{package}.given.new" "{tmp_path}/{package}.given"\n'
        )
        program.chmod(0o755)
        marker = tmp_path / "share/ament_index/resource_index/packages" / package
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    namespace = fresh_namespace()
    arguments = ["profile:=sim", f"namespace:={namespace}", "only:=imu", "rviz:=true", "rqt:=true", "set:=frame_prefix=a/"]
    launch = start("rig.launch.py", *arguments, prefix=tmp_path)
    given = [tmp_path / "rviz2.given", tmp_path / "rqt_gui.given"]
    try:
        wait_until(lambda: all(file.exists() for file in given), "rviz and rqt")
    finally:
        launch.send_signal(signal.SIGINT)
        launch.communicate(timeout=60)
    rviz = yaml.safe_load(given[0].read_text())["Visualization Manager"]
    assert rviz["Global Options"]["Fixed Frame"] == "a/base_link"
    topics = [display["Topic"]["Value"] for display in rviz["Displays"] if "Topic" in display]
    assert topics == [f"{namespace}/camera_front/image_raw/compressed", f"{namespace}/camera_side/image_raw/compressed"]
    plugins = json.loads(given[1].read_text())["groups"]["pluginmanager"]["groups"]
    topic = plugins["plugin__rqt_image_view__ImageView__1"]["groups"]["plugin"]["keys"]["topic"]
    assert topic == {"type": "repr", "repr": f"'{namespace}/camera_front/image_raw/compressed'"}


@pytest.mark.parametrize(("viewer", "package"), [("rviz", "rviz2"), ("rqt", "rqt_gui")])
def test_a_viewer_that_is_not_installed_is_said(viewer: str, package: str) -> None:
    with contextlib.suppress(PackageNotFoundError):
        get_package_prefix(package)
        pytest.skip(f"{package} is installed")
    launch = start("rig.launch.py", "profile:=sim", f"{viewer}:=true")
    said, _ = launch.communicate(timeout=60)
    assert launch.returncode == 1, said
    assert f"{viewer}:=true: package {package} is not installed; run `apt-get install ros-" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("argument", ["profile:=nothing", "disable:=nobody", "set:=threads=0", "set:=threads"])
def test_a_wrong_argument_is_one_clear_message_and_a_failure(argument: str) -> None:
    launch = start("rig.launch.py", "profile:=sim", argument)
    said, _ = launch.communicate(timeout=60)
    assert launch.returncode == 1, said
    assert "Caught exception in launch" in said
    assert "Traceback" not in said
