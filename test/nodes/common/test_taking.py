"""Messages taken straight into Python's memory, from real publishers."""

import ctypes
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from rig_capture.nodes.common.taking import MessageTaker, Taken
from test.parts import wait_until

QOS = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=100)


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, args=[])
    node = Node("taker", context=context, use_global_arguments=False)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def taker(node: Node) -> MessageTaker:
    return MessageTaker(node.create_subscription(String, "taken", lambda _: None, QOS, raw=True).handle)


def matched(node: Node) -> Publisher:
    """A publisher that has its subscriber."""
    publisher = node.create_publisher(String, "taken", QOS)
    wait_until(lambda: publisher.get_subscription_count() == 1, "the subscriber")
    return publisher


def take(taker: MessageTaker, count: int) -> list[Taken]:
    """So many messages, once they are there."""
    taken: list[Taken] = []

    def enough() -> bool:
        taken.extend(taker.take(100))
        return len(taken) >= count

    wait_until(enough, f"{count} messages")
    assert len(taken) == count
    return taken


def test_messages_of_all_sizes_come_whole_and_in_order(node: Node, taker: MessageTaker) -> None:
    publisher = matched(node)
    # Growing, shrinking and staying, below and above the size from which on memory is made for each.
    sizes = [0, 10, 70_000, 70_000, 900_000, 900_000, 65_000, 20, 300_000, 300_001, 299_999, 5, 70_000]
    sent = [serialize_message(String(data=chr(97 + number) * size)) for number, size in enumerate(sizes)]
    before = time.time_ns()
    for message in sent:
        publisher.publish(message)
    taken = take(taker, len(sent))
    assert [data for data, *_ in taken] == sent
    assert all(before <= received_ns <= time.time_ns() for _, received_ns, _, _ in taken)
    assert [number for *_, number in taken] == list(range(1, len(sent) + 1))
    assert taker.take(100) == []


def test_publishers_of_one_topic_are_told_apart(node: Node, taker: MessageTaker) -> None:
    first, second = matched(node), matched(node)
    for publisher, text in ((first, "a"), (second, "b"), (first, "c"), (second, "d")):
        publisher.publish(String(data=text))
    by_publisher: dict[bytes, list[int | None]] = {}
    for _, _, publisher_id, number in take(taker, 4):
        by_publisher.setdefault(publisher_id, []).append(number)
    assert list(by_publisher.values()) == [[1, 2], [1, 2]]
    assert {len(publisher_id) for publisher_id in by_publisher} == {16}


def test_no_more_are_taken_than_asked_for(node: Node, taker: MessageTaker) -> None:
    publisher = matched(node)
    for _ in range(5):
        publisher.publish(String(data="x"))
    publisher.wait_for_all_acked(Duration(seconds=20))
    assert [len(taker.take(2)) for _ in range(4)] == [2, 2, 1, 0]


def test_what_is_no_subscription_is_an_error_that_says_so() -> None:
    nothing = ctypes.create_string_buffer(64)
    with pytest.raises(rclpy_implementation.RCLError, match="subscription"):
        MessageTaker(SimpleNamespace(pointer=ctypes.addressof(nothing))).take(1)
