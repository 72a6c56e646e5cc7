"""Rigs of several machines: what runs where, and what each node is told of the others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rig_capture.profiles.dds import dds_variables, process_variables
from rig_capture.profiles.dds_files import FILE_VARIABLES, PEERS, RANGE, TRANSPORTS, file_variables
from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.hosts import at_host
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.nodes import NodeDescription, describe_nodes, describe_processes
from rig_capture.profiles.profile import Profile

DOCS = Path(__file__).resolve().parents[2] / "docs"
RIG = """
rig: stage
namespace: stage
cameras:
  camera_left: {driver: synthetic}
  camera_right: {driver: synthetic}
imus:
  imu: {driver: synthetic}
batteries:
  battery_right: {driver: synthetic}
share_process: [imu, clock, status]
hosts:
  left: {nodes: [camera_left], address: 192.168.1.11}
  right: {nodes: [camera_right, imu, battery_right], hostname: Pi-Two, address: 192.168.1.12, storage_path: /mnt/ssd}
"""


ALONE = RIG.partition("hosts:")[0]


def profile(tmp_path: Path, rig: str = RIG, **overrides: object) -> Profile:
    path = tmp_path / "stage.yaml"
    path.write_text(rig)
    return load_profile(str(path), overrides={key.replace("__", "."): value for key, value in overrides.items()}, environment={}).profile


def named(profile: Profile) -> Mapping[str, NodeDescription]:
    return {node.full_name: node for node in describe_nodes(profile)}


def test_a_central_recorder_has_all_sensors_and_each_host_its_own_nodes(tmp_path: Path) -> None:
    left, right = (named(profile(tmp_path, host=host)) for host in ("left", "right"))
    assert {"/stage/camera_left", "/stage/clock", "/stage/recorder", "/stage/uploader", "/stage/status"} <= set(left)
    assert set(right) == {
        *("/stage/camera_right", "/stage/imu", "/stage/battery_right"),
        *("/stage/right/network", "/stage/right/clock", "/stage/right/status"),
    }
    streams = [stream.split()[1] for stream in _list(left["/stage/recorder"], "streams")]
    assert {"camera_left/video", "camera_right/video", "imu/data_raw", "clock_status", "right/clock_status"} <= set(streams)
    assert right["/stage/right/clock"].parameters["reference"] == "/stage/clock"
    assert right["/stage/right/status"].remappings == {"health": "/stage/health", "battery_right": "/stage/battery_right"}
    assert {"/stage/right/clock", "/stage/imu"} <= set(_list(left["/stage/status"], "nodes"))
    assert "/stage/camera_left" not in _list(right["/stage/right/status"], "nodes")


def test_where_each_records_the_recorders_know_each_other(tmp_path: Path) -> None:
    left, right = (named(profile(tmp_path, host=host, record="each")) for host in ("left", "right"))
    lead, follower = left["/stage/recorder"], right["/stage/right/recorder"]
    assert _list(lead, "followers") == ["right /stage/right/recorder required"]
    assert (follower.parameters["leader"], follower.parameters["storage_path"]) == ("/stage/recorder", "/mnt/ssd")
    assert follower.remappings["camera_right/video"] == "/stage/camera_right/video"
    assert not any("camera_left" in stream for stream in _list(follower, "streams"))
    assert "/stage/right/uploader" in right


def test_nodes_of_two_namespaces_in_one_process_are_told_apart(tmp_path: Path) -> None:
    group = next(process for process in describe_processes(profile(tmp_path, host="right")) if process.name == "group")
    assert group.arguments == ["imu:imu", "clock:clock", "status:status"]
    rules = group.ros_arguments[1::2]
    assert {"imu:__ns:=/stage", "clock:__ns:=/stage/right", "clock:health:=/stage/health"} <= set(rules)


@pytest.mark.parametrize(("name", "host"), [("left", "left"), ("LEFT.lab.example", "left"), ("pi-two", "right"), ("right", "right")])
def test_a_machine_knows_its_host_by_its_name(tmp_path: Path, name: str, host: str) -> None:
    assert at_host(profile(tmp_path), name).host == host


def test_a_machine_that_is_none_of_the_hosts_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"this machine is called laptop, and none of the rig's hosts is \(left, right\); give --host NAME"
    ):
        at_host(profile(tmp_path), "laptop")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"hosts.right": None}, "hosts: on no host: battery_right, camera_right, imu; list each under `nodes` of one of left"),
        ({"hosts.left.nodes": ["camera_left", "imu"]}, "hosts.right: imu runs on left already"),
        ({"hosts.left.nodes": ["camera_lift"]}, "hosts.left: 'camera_lift' is no node of this profile"),
        ({"hosts.left.nodes": ["clock"]}, "hosts.left: clock is not listed here: every host has it"),
        ({"hosts.left.nodes": ["recorder"]}, "hosts.left: recorder is not listed here: `record` and `lead` say where it runs"),
        ({"hosts.imu": {}}, "hosts.imu: a node is called so"),
        ({"lead": "middle"}, "lead: 'middle' is none of the hosts (left, right)"),
    ],
)
def test_a_rig_that_makes_no_sense_names_the_host_and_the_reason(tmp_path: Path, overrides: dict[str, Any], said: str) -> None:
    path = tmp_path / "stage.yaml"
    path.write_text(RIG)
    with pytest.raises(ProfileError) as error:
        load_profile(str(path), overrides=overrides, environment={})
    assert said in str(error.value)


def test_dds_is_told_where_the_other_hosts_are(tmp_path: Path) -> None:
    given = profile(tmp_path, host="left", discovery="LOCALHOST", static_peers=["192.168.1.99"], domain_id=7, transport="large_messages")
    variables = process_variables(given)
    assert variables["ROS_STATIC_PEERS"] == "192.168.1.12;192.168.1.99"
    assert (variables["ROS_AUTOMATIC_DISCOVERY_RANGE"], variables["ROS_DOMAIN_ID"]) == ("LOCALHOST", "7")
    assert variables["RIG_CAPTURE_HOST"] == "left"
    assert Path(variables["FASTRTPS_DEFAULT_PROFILES_FILE"]).read_text().startswith("<?xml")
    server = dds_variables(profile(tmp_path, discovery_server="192.168.1.11:11811", super_client=True, transport="large_data"))
    assert (server["ROS_DISCOVERY_SERVER"], server["ROS_SUPER_CLIENT"]) == ("192.168.1.11:11811", "TRUE")
    assert server["FASTDDS_BUILTIN_TRANSPORTS"] == "LARGE_DATA"


@pytest.mark.parametrize(
    ("environment", "keys", "file", "discovery"),
    [
        ({}, {"discovery": "SUBNET"}, "network", "SUBNET"),
        ({}, {"transport": "large_data"}, "network", ""),
        ({}, {"discovery": "LOCALHOST"}, "addresses", "LOCALHOST"),
        ({}, {"discovery": "LOCALHOST", "rig": ALONE}, "one_machine", "SYSTEM_DEFAULT"),
        ({}, {"transport": "one_machine", "discovery": "SUBNET"}, "one_machine", "SYSTEM_DEFAULT"),
        ({RANGE: "LOCALHOST"}, {"rig": ALONE}, "one_machine", "SYSTEM_DEFAULT"),
        ({RANGE: "LOCALHOST", PEERS: "192.168.1.99"}, {"rig": ALONE}, "addresses", ""),
        # As the processes of a rig have it, which may start others.
        (file_variables("one_machine"), {"rig": ALONE}, "", ""),
        (file_variables("one_machine"), {"discovery": "LOCALHOST", "rig": ALONE}, "one_machine", "SYSTEM_DEFAULT"),
        (file_variables("one_machine"), {"discovery": "SUBNET"}, "network", "SUBNET"),
        # As somebody wishes it.
        ({"FASTDDS_DEFAULT_PROFILES_FILE": "/etc/own.xml"}, {"discovery": "LOCALHOST"}, "", "LOCALHOST"),
        ({"FASTDDS_DEFAULT_PROFILES_FILE": "/etc/own.xml"}, {"transport": "large_messages"}, "large_messages", ""),
        (file_variables("large_messages"), {"discovery": "LOCALHOST"}, "", "LOCALHOST"),
    ],
)
def test_the_file_for_dds_fits_the_network_and_its_version_unless_somebody_names_another(
    environment: dict[str, str], keys: dict[str, Any], file: str, discovery: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*FILE_VARIABLES, RANGE, PEERS):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = dds_variables(profile(tmp_path, **keys))
    files = [str(Path(given[name]).relative_to(TRANSPORTS)) for name in FILE_VARIABLES if name in given]
    assert files == ([f"fastdds2/{file}.xml", f"fastdds3/{file}.xml"] if file else [])
    assert given.get(RANGE, "") == discovery


def test_a_variable_that_is_stronger_than_the_range_does_not_undo_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_LOCALHOST_ONLY", raising=False)
    assert "ROS_LOCALHOST_ONLY" not in file_variables("one_machine")
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
    assert file_variables("one_machine")["ROS_LOCALHOST_ONLY"] == "0"


def test_a_transport_that_is_not_there_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    known = "addresses, large_data, large_messages, network, one_machine"
    with pytest.raises(ProfileError, match=f"'carrier_pigeon' is neither one of {known} nor the path of an XML profile"):
        dds_variables(profile(tmp_path, transport="carrier_pigeon"))


def test_the_profiles_of_the_guide_can_be_used(tmp_path: Path) -> None:
    blocks = (DOCS / "many-machines.md").read_text().split("```yaml\n")[1:]
    assert len(blocks) >= 2
    for number, block in enumerate(blocks):
        path = tmp_path / f"guide_{number}.yaml"
        path.write_text(block.partition("```")[0])
        loaded = load_profile(str(path), environment={}).profile
        for host in loaded.hosts:
            assert describe_nodes(at_host(loaded, host))


def _list(node: NodeDescription, key: str) -> list[str]:
    value = node.parameters[key]
    assert isinstance(value, list)
    return value
