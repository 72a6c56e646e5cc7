"""The packaged files for DDS, read by the DDS that is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.profiles.dds_files import FILE_VARIABLES, ONE_MACHINE, RANGE, TRANSPORTS, file_variables
from test.integration.nodes import NodeProcess, running
from test.parts import wait_until

pytestmark = pytest.mark.integration

_NODE = """
import rclpy
from std_msgs.msg import Empty
rclpy.init()
node = rclpy.create_node("reads_its_file")
node.create_publisher(Empty, "anything", 1).publish(Empty())
node.destroy_node()
rclpy.shutdown()
"""


def packaged(version: str) -> list[str]:
    """Names of the files for a version of Fast DDS."""
    return sorted(file.stem for file in (TRANSPORTS / version).glob("*.xml"))


def test_each_version_has_the_same_files_but_for_a_name_that_changed() -> None:
    assert list(FILE_VARIABLES.values()) == ["fastdds2", "fastdds3"]
    assert packaged("fastdds2") == packaged("fastdds3") != []
    for name in packaged("fastdds2"):
        second, third = ((TRANSPORTS / version / f"{name}.xml").read_text() for version in ("fastdds2", "fastdds3"))
        assert third == second.replace("heartbeatPeriod", "heartbeat_period")


@pytest.mark.parametrize("transport", packaged("fastdds2"))
def test_every_file_is_understood(transport: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NODE], env=os.environ | file_variables(transport), capture_output=True, text=True, timeout=60, check=False
    )
    # Fast DDS leaves out a whole file that it does not understand, and only says so.
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def shared_memory_mb(node: NodeProcess) -> int:
    """The largest piece that a node has made or opened; 0 so far: none."""
    lines = [line.split() for line in Path(f"/proc/{node.process.pid}/maps").read_text().splitlines()]
    ends = [[int(end, 16) for end in words[0].split("-")] for words in lines if words[-1].startswith("/dev/shm/fastrtps_")]
    return max((end - start for start, end in ends), default=0) // 2**20


@pytest.mark.parametrize(("reach", "named", "size_mb"), [("SUBNET", "", 2), ("LOCALHOST", "", 2), ("SUBNET", "large_messages", 64)])
def test_a_node_started_by_hand_has_the_file_for_its_range_unless_the_environment_names_one(
    reach: str, named: str, size_mb: int, monkeypatch: pytest.MonkeyPatch, namespace: str, tmp_path: Path
) -> None:
    for name in FILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    environment = {RANGE: reach} | (file_variables(named) if named else {})
    with running("imu", namespace, tmp_path, environment=environment) as node:
        # The pieces are a little larger than asked for, as they hold what tells of their content, too.
        wait_until(lambda: size_mb <= shared_memory_mb(node) < 1.1 * size_mb + 1, f"{size_mb} MB of shared memory")


_ECHO = """
import rclpy
import sys
from std_msgs.msg import Empty
rclpy.init()
node = rclpy.create_node("echoes")
answers = node.create_publisher(Empty, sys.argv[1] + "/answers", 1)
node.create_subscription(Empty, sys.argv[1] + "/questions", answers.publish, 1)
rclpy.spin(node)
"""
_ASKER = """
import rclpy
import sys
from std_msgs.msg import Empty
rclpy.init()
node = rclpy.create_node("asks")
heard = []
questions = node.create_publisher(Empty, sys.argv[1] + "/questions", 1)
node.create_subscription(Empty, sys.argv[1] + "/answers", heard.append, 1)
while not heard:
    questions.publish(Empty())
    rclpy.spin_once(node, timeout_sec=0.1)
print("heard")
node.destroy_node()
rclpy.shutdown()
"""


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET", "SYSTEM_DEFAULT"])
def test_nodes_of_one_machine_hear_and_are_heard_by_whoever_has_no_file_whatever_range(reach: str, namespace: str) -> None:
    others = {name: value for name, value in os.environ.items() if name not in FILE_VARIABLES} | {RANGE: reach}
    echo = subprocess.Popen([sys.executable, "-c", _ECHO, namespace], env=os.environ | file_variables(ONE_MACHINE))
    try:
        asker = [sys.executable, "-c", _ASKER, namespace]
        heard = subprocess.run(asker, env=others, capture_output=True, text=True, timeout=30, check=False)
    finally:
        echo.kill()
        echo.wait()
    assert (heard.stdout, heard.returncode) == ("heard\n", 0)
