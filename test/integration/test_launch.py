"""The launch files under launch_ros, where that is installed (it comes with ROS 2's own packages, not with the wheels)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.nodes.clients.rig import RigClient
from test.integration.nodes import fresh_namespace

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


def start(file: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(LAUNCH / file), *arguments]
    return subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )


def test_the_profiles_nodes_run_under_launch_and_end_well(tmp_path: Path) -> None:
    namespace = fresh_namespace()
    own = {f"{namespace}/{name}" for name in ("imu", "battery", "network", "recorder")}
    arguments = ["profile:=sim", f"namespace:={namespace}", f"storage_path:={tmp_path}", "only:=imu,battery,network,recorder"]
    launch = start("rig.launch.py", *arguments, "set:=share_process=[imu, battery, network];imus.imu.rate_hz=50", "disable:=")
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
    assert said.count("finished cleanly") == 2, said
    assert "Traceback" not in said


@pytest.mark.parametrize("argument", ["profile:=nothing", "disable:=nobody", "set:=threads=0", "set:=threads"])
def test_a_wrong_argument_is_one_clear_message_and_a_failure(argument: str) -> None:
    launch = start("rig.launch.py", "profile:=sim", argument)
    said, _ = launch.communicate(timeout=60)
    assert launch.returncode == 1, said
    assert "Caught exception in launch" in said
    assert "Traceback" not in said
