"""QoS of what we publish, and of subscriptions, fitted to the publishers that are there, and how rosbag2 writes QoS down."""

from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo


def data_qos(depth: int) -> QoSProfile:
    """Everything recorded: reliable, so that nothing is lost between processes; it still serves best-effort subscribers."""
    return QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=depth)


def state_qos(depth: int = 1) -> QoSProfile:
    """State and events: the last one (or `depth` events) also reaches who comes late."""
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
    )


def fitting_qos(publishers: list[TopicEndpointInfo], depth: int) -> QoSProfile:
    """A subscription that every publisher can serve: reliable and with latched messages wherever all of them offer it."""
    qos = data_qos(depth)
    if any(publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for publisher in publishers):
        qos.reliability = ReliabilityPolicy.BEST_EFFORT
    if publishers and all(publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for publisher in publishers):
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return qos


def publishers_of(node: Node, topic: str) -> list[TopicEndpointInfo]:
    """All publishers of an absolute topic name."""
    return list(node.get_publishers_info_by_topic(topic))


def qos_metadata(qos: QoSProfile) -> dict[str, Any]:
    """A QoS profile as rosbag2's metadata.yaml writes it (version 9)."""
    return {
        "history": qos.history.short_key,
        "depth": qos.depth,
        "reliability": qos.reliability.short_key,
        "durability": qos.durability.short_key,
        "deadline": _duration(qos.deadline.nanoseconds),
        "lifespan": _duration(qos.lifespan.nanoseconds),
        "liveliness": qos.liveliness.short_key,
        "liveliness_lease_duration": _duration(qos.liveliness_lease_duration.nanoseconds),
        "avoid_ros_namespace_conventions": qos.avoid_ros_namespace_conventions,
    }


def _duration(nanoseconds: int) -> dict[str, int]:
    return {"sec": nanoseconds // 10**9, "nsec": nanoseconds % 10**9}
