"""Angles at joints, from any skeleton."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rig_capture.estimation.analysis.gaps import Floats


@dataclass(frozen=True)
class JointAngle:
    """The angle at a joint between the bones to two others; indices of joints."""

    joint: int
    one: int
    other: int

    def name(self, names: Sequence[str]) -> str:
        """Such as ``left_elbow(left_shoulder,left_wrist)``."""
        return f"{names[self.joint]}({names[self.one]},{names[self.other]})"


def angles_of(joints: int, edges: Sequence[tuple[int, int]]) -> list[JointAngle]:
    """All angles of a skeleton: at each joint one for every two of its bones, by joint, then by the joints they lead to.

    Args:
        joints: how many there are.
        edges: bones, as pairs of indices; one given twice, or from a joint to itself, counts once, or not at all.
    """
    neighbours: list[set[int]] = [set() for _ in range(joints)]
    for one, other in edges:
        if one != other:
            neighbours[one].add(other)
            neighbours[other].add(one)
    return [JointAngle(joint, *pair) for joint in range(joints) for pair in combinations(sorted(neighbours[joint]), 2)]


def joint_angles(poses: Floats, angles: Sequence[JointAngle]) -> Floats:
    """Angles of every frame.

    The angle between the bones u and v is atan2(|u x v|, u . v), which is exact also where they are nearly parallel.

    Args:
        poses: (T, J, D), D = 2 or 3.
        angles: A of them.

    Returns:
        (T, A) degrees, 0 to 180; NaN where a joint is missing or a bone has no length.
    """
    joint, one, other = (np.array([getattr(angle, end) for angle in angles], dtype=np.intp) for end in ("joint", "one", "other"))
    u, v = poses[:, one] - poses[:, joint], poses[:, other] - poses[:, joint]
    along = np.sum(u * v, axis=2)
    flat = poses.shape[2] == 2
    across = np.abs(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]) if flat else np.linalg.norm(np.cross(u, v), axis=2)
    degrees: Floats = np.degrees(np.arctan2(across, along))
    degrees[(np.linalg.norm(u, axis=2) == 0) | (np.linalg.norm(v, axis=2) == 0)] = np.nan
    return degrees
