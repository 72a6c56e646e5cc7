"""Health events of a node, on `health`: a problem when it begins, and once more when it is over."""

import json

from rclpy.node import Node
from rig_capture_msgs.msg import HealthEvent

from rig_capture.nodes.base import state_qos
from rig_capture.recorder.health import STREAM_SILENT, StreamHealth

FAMILY = "recorder"


class HealthPublisher:
    """Publishes the recorder's health events. Safe from any thread."""

    def __init__(self, node: Node) -> None:
        """Publishes nothing yet; `node` is named in the events."""
        self._node = node
        self._publisher = node.create_publisher(HealthEvent, "health", state_qos(50))

    def stream(self, change: StreamHealth) -> None:
        """A stream fell silent, or is back."""
        evidence = {"stream": change.stream, "topic": change.topic, "silent_s": round(change.silent_s, 3), "timeout_s": change.timeout_s}
        severity = HealthEvent.INFO if change.recovered else HealthEvent.ERROR
        self._publish(STREAM_SILENT, severity, change.text, change.recovered, evidence)

    def failed(self, recording_id: str, text: str) -> None:
        """A recording came to harm."""
        self._publish("recording_failed", HealthEvent.ERROR, text, False, {"recording_id": recording_id})

    def _publish(self, code: str, severity: int, message: str, recovered: bool, evidence: dict[str, object]) -> None:
        event = HealthEvent(
            node=self._node.get_fully_qualified_name(), family=FAMILY, code=code, severity=severity, message=message, recovered=recovered
        )
        event.evidence = json.dumps(evidence)
        event.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(event)
