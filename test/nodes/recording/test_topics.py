"""What an operator's list of topics takes."""

import pytest

from rig_capture.nodes.recording.topics import BadPattern, TopicSelection, own_side_topics, topic_spec
from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.streams import StreamSpec

IMAGE = "sensor_msgs/msg/Image"
JOINTS = "sensor_msgs/msg/JointState"


def select(*topics: str, exclude: tuple[str, ...] = ()) -> TopicSelection:
    """A selection in the namespace /rig."""
    return TopicSelection.parse(topics, exclude, lambda name: name if name.startswith("/") else f"/rig/{name}")


@pytest.mark.parametrize(
    ("pattern", "topic", "taken"),
    [
        ("/robot/*/joint_states", "/robot/left/joint_states", True),
        ("/robot/*/joint_states", "/robot/left/arm/joint_states", False),
        ("/robot/**", "/robot/left/arm/joint_states", True),
        ("/robot/**", "/robotics/joint_states", False),
        ("*/joint_states", "/rig/left/joint_states", True),
        ("*/joint_states", "/left/joint_states", False),
        ("/arm[12]/joint_states", "/arm2/joint_states", True),
        ("/arm?/joint_states", "/arm12/joint_states", False),
        ("re:/robot/(left|right)/.*", "/robot/right/joint_states", True),
        ("re:/robot/(left|right)/.*", "/x/robot/right/joint_states", False),
        (f"type:{JOINTS}", "/anything", True),
        ("type:sensor_msgs/msg/*", "/anything", True),
        (f"type:{IMAGE}", "/anything", False),
        ("re:.*", "/robot/_hidden/state", False),
        ("/robot/joint_states", "/robot/joint_states", False),
    ],
)
def test_patterns_and_types(pattern: str, topic: str, taken: bool) -> None:
    assert select(pattern).takes(topic, JOINTS) is taken


def test_names_are_no_patterns_and_come_once() -> None:
    selection = select("/a", "b", "/a", "/c/*")
    assert selection.names == ("/a", "b")
    assert selection.open_ended
    assert not select("/a").open_ended


def test_what_is_excluded_is_left_out() -> None:
    selection = select("/robot/**", exclude=("/robot/*/debug", f"type:{IMAGE}", "re:.*/raw"))
    assert selection.takes("/robot/a/state", JOINTS)
    assert not selection.takes("/robot/a/debug", JOINTS)
    assert not selection.takes("/robot/a/image", IMAGE)
    assert not selection.takes("/robot/a/raw", JOINTS)


def test_a_bad_pattern_is_named() -> None:
    with pytest.raises(BadPattern, match=r"'re:\(' is no regular expression"):
        select("re:(")


def test_the_rigs_own_pictures_are_known() -> None:
    specs = [
        StreamSpec("video", "camera/video", "rig_capture_msgs/msg/VideoPacket"),
        StreamSpec("topic", "imu/data_raw", "sensor_msgs/msg/Imu"),
    ]
    assert list(own_side_topics(specs)) == ["camera/image_raw", "camera/image_raw/compressed"]


def test_pictures_are_kept_as_the_profile_says() -> None:
    assert topic_spec("/x", IMAGE, RecorderSettings()).kind == "topic"
    assert topic_spec("/x", IMAGE, RecorderSettings(images="video")).kind == "video"
    assert topic_spec("/x", JOINTS, RecorderSettings(images="video")).kind == "topic"
