"""The packaged files for DDS, read by the DDS that is installed."""

import os
import subprocess
import sys

import pytest

from rig_capture.profiles.dds import FILE_VARIABLES, TRANSPORTS, file_variables

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
