"""Where sensors sit: poses in a profile, and the names of frames."""

import math

import pytest

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.nodes import describe_nodes, recorded_streams
from rig_capture.profiles.settings.mount import MountSettings, quaternion

Vector = tuple[float, float, float]


def turned(q: tuple[float, float, float, float], vector: Vector) -> Vector:
    """A vector turned by a unit quaternion x, y, z, w."""
    (x, y, z, w), (a, b, c) = q, vector
    tx, ty, tz = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return a + w * tx + y * tz - z * ty, b + w * ty + z * tx - x * tz, c + w * tz + x * ty - y * tx


def test_angles_turn_about_fixed_axes_roll_first() -> None:
    # A quarter about x brings y to z, then a quarter about z leaves it there; x goes to y.
    turn = quaternion(math.pi / 2, 0.0, math.pi / 2)
    assert turned(turn, (0, 1, 0)) == pytest.approx((0, 0, 1))
    assert turned(turn, (1, 0, 0)) == pytest.approx((0, 1, 0))
    # Pitch is positive downwards (REP 103).
    assert turned(quaternion(0.0, math.pi / 2, 0.0), (1, 0, 0)) == pytest.approx((0, 0, -1))


def test_a_quaternion_may_be_given_instead_and_is_made_a_unit_one() -> None:
    settings = MountSettings(mount_rotation=(0.0, 0.0, 0.705, 0.709))
    assert math.hypot(*settings.mount_quaternion) == pytest.approx(1)
    assert turned(settings.mount_quaternion, (1, 0, 0)) == pytest.approx((0, 1, 0), abs=0.01)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mount_xyz", "[0.1, 0.2]", "at least 3 items"),
        ("mount_rotation", "[1, 0, 0, 1]", "a quaternion has length 1, and this one 1.414"),
        ("mount_rotation", "[.nan, 0, 0]", "finite numbers"),
        ("mount_parent", "base link", "should match pattern"),
    ],
)
def test_a_pose_that_is_none_is_an_error(key: str, value: str, said: str) -> None:
    with pytest.raises(ProfileError, match=f"{key}.*{said}"):
        load_profile("sim", overrides={f"imus.imu.{key}": value})


def test_poses_are_recorded_where_there_are_some() -> None:
    assert "topic /tf_static tf2_msgs/msg/TFMessage optional" in recorded_streams(load_profile("sim").profile)
    assert not any("/tf_static" in stream for stream in recorded_streams(load_profile("lab").profile))


def test_a_prefix_of_frames_keeps_rigs_apart() -> None:
    profile = load_profile("sim", overrides={"frame_prefix": "rig1/", "cameras.camera_side.frame_id": "side"}).profile
    frames = {node.name: node.parameters.get("frame_id") for node in describe_nodes(profile)}
    assert frames["camera_front"] == "rig1/camera_front_optical_frame"
    assert (frames["camera_side"], frames["imu"], frames["audio_main"]) == ("rig1/side", "rig1/imu", "rig1/audio_main")
    parents = {node.parameters.get("mount_parent") for node in describe_nodes(profile)}
    assert parents == {None, "", "rig1/base_link"}
