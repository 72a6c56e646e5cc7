"""Where a sensor sits, on /tf_static: kept there for who comes later, and recorded with the rest."""

from collections.abc import Iterator

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from rig_capture.nodes.common.qos import state_qos
from rig_capture.profiles.settings.mount import OPTICAL_SUFFIX, MountSettings

TOPIC = "/tf_static"
"""Absolute, as tf2 has it; `frame_prefix` of a profile, or a remapping, keeps rigs apart."""

_OPTICAL = (-0.5, 0.5, -0.5, 0.5)
"""From a camera's body (x forward, z up) to its picture (z forward, x right): roll -90 degrees, yaw -90 degrees (REP 103)."""


class MountPublisher:
    """Publishes one sensor's place."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(TFMessage, TOPIC, state_qos())

    def publish(self, settings: MountSettings, frame_id: str) -> None:
        """Publishes the place of a frame; of an optical one, that of the camera's body and how the picture lies in it."""
        stamp = self._node.get_clock().now().to_msg()
        message = TFMessage(transforms=list(transforms(settings, frame_id)))
        for transform in message.transforms:
            transform.header.stamp = stamp
        self._publisher.publish(message)


def transforms(settings: MountSettings, frame_id: str) -> Iterator[TransformStamped]:
    """From the parent frame to a sensor's frame, one or two steps; stamps are left at zero."""
    body = frame_id.removesuffix(OPTICAL_SUFFIX)
    yield _transform(settings.mount_parent, body, settings.mount_xyz, settings.mount_quaternion)
    if body != frame_id:
        yield _transform(body, frame_id, (0.0, 0.0, 0.0), _OPTICAL)


def _transform(parent: str, child: str, xyz: tuple[float, ...], turn: tuple[float, ...]) -> TransformStamped:
    (x, y, z), (qx, qy, qz, qw) = xyz, turn
    pose = Transform(translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw))
    return TransformStamped(header=Header(frame_id=parent), child_frame_id=child, transform=pose)
