"""One simulated machine of `bench.scaling`: `python -m bench.scaling_host NAME PARTICIPANTS HZ BYTES`, until its input is closed."""

import sys
import threading

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rig_capture_msgs.msg import HealthEvent, VideoPacket

from rig_capture.nodes.common.qos import data_qos, state_qos


def main() -> None:
    """Says `ready` when all participants are made, then publishes."""
    name, participants, hz, size = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    nodes: list[Node] = []
    for number in range(participants):
        context = Context()
        rclpy.init(args=[], context=context)
        # As of our nodes: log, parameter services, diagnostics, health.
        nodes.append(rclpy.create_node(f"node_{number}", namespace=f"/{name}", context=context))
    values = [KeyValue(key=f"key_{number}", value="value") for number in range(8)]
    array = serialize_message(DiagnosticArray(status=[DiagnosticStatus(name=f"/{name}/node: Status", values=values)] * 2))
    diagnostics = [node.create_publisher(DiagnosticArray, "/diagnostics", data_qos(50)) for node in nodes]
    for node in nodes:
        node.create_publisher(HealthEvent, "/health", state_qos(50))
    packet = VideoPacket(codec="h264", width=640, height=480)
    packet.data.frombytes(bytes(size))
    content = serialize_message(packet)
    video = nodes[0].create_publisher(VideoPacket, "video", data_qos(200))
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    ending = threading.Event()
    publishing = threading.Thread(target=_publish, args=(ending, hz, lambda: video.publish(content)))
    telling = threading.Thread(target=_publish, args=(ending, 1.0, lambda: [publisher.publish(array) for publisher in diagnostics]))
    for thread in (publishing, telling):
        thread.start()
    sys.stdin.read()
    ending.set()
    for thread in (publishing, telling):
        thread.join()


def _publish(ending: threading.Event, hz: float, publish: object) -> None:
    assert callable(publish)
    while not ending.wait(1 / hz):
        publish()


if __name__ == "__main__":
    main()
