"""Where a sensor sits on the rig."""

import math

from pydantic import Field, field_validator

from rig_capture.profiles.settings.base import LIVE, Settings

OPTICAL_SUFFIX = "_optical_frame"
"""Frames of this name look along z, with x to the right and y down (REP 103); the frame without it looks along x, z up."""

_UNIT_TOLERANCE = 0.01


class MountSettings(Settings):
    """The pose of a sensor in another frame, metres and radians; of a camera, that of its body, which looks along x."""

    mount_parent: str = Field("", pattern=r"^([A-Za-z][A-Za-z0-9_/-]*)?$", json_schema_extra=LIVE)
    """Frame in which the sensor's pose is given, such as base_link; the pose is then published on /tf_static. Empty: not published."""
    mount_xyz: tuple[float, ...] = Field((0.0, 0.0, 0.0), min_length=3, max_length=3, json_schema_extra=LIVE)
    """Where the sensor is in that frame, metres: forward, left, up (REP 103)."""
    mount_rotation: tuple[float, ...] = Field((0.0, 0.0, 0.0), min_length=3, max_length=4, json_schema_extra=LIVE)
    """How the sensor is turned in that frame: roll, pitch, yaw in radians about fixed axes, or a quaternion as x, y, z, w."""

    @field_validator("mount_xyz", "mount_rotation")
    @classmethod
    def _is_finite(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(map(math.isfinite, value)):
            raise ValueError("finite numbers belong here")
        return value

    @field_validator("mount_rotation")
    @classmethod
    def _is_rotation(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) == 4 and abs(math.hypot(*value) - 1) > _UNIT_TOLERANCE:
            raise ValueError(f"a quaternion has length 1, and this one {math.hypot(*value):.3f}; its order is x, y, z, w")
        return value

    @property
    def mount_quaternion(self) -> tuple[float, float, float, float]:
        """The rotation as a unit quaternion: x, y, z, w."""
        if len(self.mount_rotation) == 3:
            roll, pitch, yaw = self.mount_rotation
            return quaternion(roll, pitch, yaw)
        x, y, z, w = self.mount_rotation
        length = math.hypot(x, y, z, w)
        return x / length, y / length, z / length, w / length


def quaternion(roll: float, pitch: float, yaw: float) -> tuple[float, float, float, float]:
    """Turns by roll about x, then pitch about y, then yaw about z, all fixed axes, radians (as REP 103 and URDF do).

    Returns:
        x, y, z, w; the product of the three turns (yaw * pitch * roll).
    """
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(angle / 2), math.sin(angle / 2)) for angle in (roll, pitch, yaw))
    return (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )
