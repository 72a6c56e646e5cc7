"""Joint angles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.estimation.analysis.angles import JointAngle, angles_of, joint_angles
from test.estimation.analysis.movements import DIMENSIONS, EDGES, NAMES, SEEDS, arm, curls, noise, rotation


def test_each_two_bones_of_a_joint_make_an_angle_with_a_name() -> None:
    found = [angle.name(NAMES) for angle in angles_of(len(NAMES), EDGES)]
    assert found == [
        "hip_left(hip_right,neck)",
        "hip_right(hip_left,neck)",
        "neck(hip_left,hip_right)",
        "neck(hip_left,shoulder)",
        "neck(hip_right,shoulder)",
        "shoulder(neck,elbow)",
        "elbow(shoulder,wrist)",
    ]
    assert angles_of(3, [(0, 1), (1, 0), (2, 2)]) == []


def test_an_elbow_has_the_angle_it_was_given() -> None:
    bend = curls(2, 1.0)
    assert joint_angles(arm(bend), [JointAngle(4, 3, 5)])[:, 0] == pytest.approx(bend)


@pytest.mark.parametrize("degrees", [0, 1e-5, 30, 90, 179.99999, 180])
def test_nearly_straight_and_nearly_folded_angles_are_exact(degrees: float) -> None:
    turned = np.radians(degrees)
    flat = np.array([[[0, 0], [2, 0], [3 * np.cos(turned), 3 * np.sin(turned)]]])
    deep = np.pad(flat, ((0, 0), (0, 0), (0, 1))) @ rotation(5, 3)
    for poses in (flat, deep):
        assert joint_angles(poses, [JointAngle(0, 1, 2)])[0, 0] == pytest.approx(degrees, abs=1e-9)


@given(SEEDS, DIMENSIONS, st.floats(0.01, 100))
def test_place_size_and_direction_do_not_matter(seed: int, dimensions: int, scale: float) -> None:
    poses = noise(seed, 6, 4, dimensions)
    angles = angles_of(4, [(0, 1), (1, 2), (2, 3), (1, 3)])
    moved = scale * poses @ rotation(seed, dimensions) + 1000
    assert joint_angles(moved, angles) == pytest.approx(joint_angles(poses, angles), abs=1e-5)


def test_missing_joints_and_bones_without_length_have_no_angle() -> None:
    poses = arm(curls(1, 1.0))[:4]
    poses[1, 5] = np.nan
    poses[2, 5] = poses[2, 4]
    assert np.isnan(joint_angles(poses, [JointAngle(4, 3, 5)])[:, 0]).tolist() == [False, True, True, False]
