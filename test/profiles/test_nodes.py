"""The one list of nodes that a profile yields."""

import pytest

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.nodes import describe_nodes, describe_processes, only_nodes, recorded_streams


def test_nodes_can_be_left_out_and_the_recorder_does_not_wait_for_them() -> None:
    profile = only_nodes(load_profile("sim").profile, without=["camera_side", "uploader"])
    names = {node.name for node in describe_nodes(profile)}
    assert names == {"camera_front", "audio_main", "imu", "battery", "network", "clock", "recorder", "console", "status"}
    assert not any("camera_side" in stream for stream in recorded_streams(profile))
    recorder = next(node for node in describe_nodes(profile) if node.name == "recorder")
    assert recorder.parameters["streams"] == recorded_streams(profile)


def test_only_some_nodes_can_be_kept() -> None:
    profile = only_nodes(load_profile("field").profile, only=["imu", "battery", "recorder"])
    assert [(process.name, len(process.nodes)) for process in describe_processes(profile)] == [("recorder", 1), ("group", 2)]


def test_a_name_that_no_node_has_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ProfileError, match="no such node in this profile: camera_sid; there are: camera_front, camera_side"):
        only_nodes(load_profile("sim").profile, without=["camera_sid"])


def test_full_names_hold_the_namespace() -> None:
    nodes = describe_nodes(load_profile("sim", overrides={"namespace": "lab/rig1"}).profile)
    assert nodes[0].full_name == "/lab/rig1/camera_front"
    assert describe_nodes(load_profile("sim").profile)[0].full_name == "/camera_front"


def test_the_estimator_is_there_where_a_profile_asks_for_it() -> None:
    assert "estimator" not in {node.name for node in describe_nodes(load_profile("lab").profile)}
    profile = load_profile("lab", overrides={"estimator.model": "onnx:pose", "estimator.streams": ["camera_*"]}).profile
    node = next(node for node in describe_nodes(profile) if node.name == "estimator")
    assert (node.executable, node.parameters["model"], node.parameters["streams"]) == ("estimator", "onnx:pose", ["camera_*"])
    assert {process.name for process in describe_processes(profile)} >= {"estimator"}
