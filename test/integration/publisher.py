"""Somebody else's node: `python -m test.integration.publisher KIND TOPIC [best_effort]` publishes until it is ended.

Kinds: image, depth, jpeg, plane, string.
"""

import sys
import threading

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from shape_msgs.msg import Plane
from std_msgs.msg import String

from test.recorder.pictures import jpeg, scene

_RATE_HZ = 30.0


def content(kind: str) -> Image | CompressedImage | Plane | String:
    """A message of a kind."""
    if kind == "jpeg":
        message = CompressedImage(format="jpeg")
        message.data.frombytes(jpeg(scene(0, 160, 120)))
        return message
    if kind == "string":
        return String(data="hello")
    if kind == "plane":
        return Plane()
    bytes_per_pixel = 2 if kind == "depth" else 3
    image = Image(width=160, height=120, step=160 * bytes_per_pixel, encoding="16UC1" if kind == "depth" else "rgb8")
    pixels = scene(0, 160, 120)
    image.data.frombytes((pixels[:, :, :2] if kind == "depth" else pixels).tobytes())
    return image


def main() -> None:
    """Publishes."""
    kind, topic, *rest = sys.argv[1:]
    rclpy.init(args=[])
    node = rclpy.create_node(f"publisher_{kind}")
    message = content(kind)
    reliability = ReliabilityPolicy.BEST_EFFORT if "best_effort" in rest else ReliabilityPolicy.RELIABLE
    publisher = node.create_publisher(type(message), topic, QoSProfile(reliability=reliability, history=HistoryPolicy.KEEP_LAST, depth=30))

    def publish() -> None:
        if hasattr(message, "header"):
            message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)

    node.create_timer(1 / _RATE_HZ, publish)
    # Ends with whoever started it, however that ends.
    threading.Thread(target=lambda: (sys.stdin.read(), rclpy.shutdown()), name="end").start()
    try:
        rclpy.spin(node)
    except ExternalShutdownException:
        return


if __name__ == "__main__":
    main()
