"""A process that publishes one kind of message at a fixed rate: `python -m bench.load`.

It waits until every topic has a subscriber, publishes, prints how many it sent as JSON, and stays (so that nothing of its
history is lost) until its standard input is closed.
"""

import argparse
import json
import sys
import time

import rclpy
from rclpy.duration import Duration
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rig_capture_msgs.msg import AudioChunk, VideoPacket
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import ByteMultiArray


def message(kind: str, size: int) -> tuple[type, object]:
    """A message of a kind with `size` bytes of data, and its type."""
    data = bytes(range(256)) * (size // 256 + 1)
    if kind == "image":
        image = Image(encoding="rgb8", step=size)
        image.data.frombytes(data[:size])
        return Image, image
    if kind == "video":
        packet = VideoPacket(codec="mjpeg", width=640, height=480, keyframe=True)
        packet.data.frombytes(data[:size])
        return VideoPacket, packet
    if kind == "audio":
        chunk = AudioChunk(sample_rate=48000, channels=2, format="S16LE", frames=size // 4)
        chunk.data.frombytes(data[:size])
        return AudioChunk, chunk
    if kind == "imu":
        return Imu, Imu()
    return ByteMultiArray, ByteMultiArray(data=[bytes([n % 256]) for n in range(size)])


def main() -> None:
    """Publishes as asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", default="bytes")
    parser.add_argument("--topic", action="append", required=True)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--depth", type=int, default=200)
    arguments = parser.parse_args()
    rclpy.init(args=[])
    node = rclpy.create_node(f"load_{time.monotonic_ns()}", enable_rosout=False, start_parameter_services=False)
    kind, content = message(arguments.kind, arguments.size)
    qos = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=arguments.depth)
    publishers = [node.create_publisher(kind, topic, qos) for topic in arguments.topic]
    with_header = hasattr(content, "header")
    counted = hasattr(content, "seq")
    serialized = serialize_message(content)
    while any(publisher.get_subscription_count() == 0 for publisher in publishers):
        time.sleep(0.01)
    count = int(arguments.rate * arguments.seconds)
    begin = time.monotonic()
    for number in range(count):
        wait = begin + number / arguments.rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        if with_header and (counted or arguments.kind == "imu"):
            content.header.stamp = node.get_clock().now().to_msg()  # type: ignore[attr-defined]
            if counted:
                content.seq = number  # type: ignore[attr-defined]
                if isinstance(content, VideoPacket):
                    content.pts_ns = round(number * 1e9 / arguments.rate)
                elif isinstance(content, AudioChunk):
                    content.first_sample = number * content.frames
            serialized = serialize_message(content)
        for publisher in publishers:
            publisher.publish(serialized)
    for publisher in publishers:
        publisher.wait_for_all_acked(Duration(seconds=30))
    sys.stdout.write(json.dumps({"sent": count * len(publishers), "seconds": time.monotonic() - begin}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
