"""The least that a recorder in Python can do, as a peer to compare with: `python -m bench.peer FILE TYPE TOPIC...`.

One wait set, messages taken until there are none, their bytes straight into foxglove-sdk's MCAP writer; nothing is counted,
synchronised to the disk, split or watched. Prints `ready` when it has subscribed, and at SIGTERM how much it wrote.
"""

import importlib
import json
import signal
import sys
import threading

import foxglove
import rclpy
from foxglove.mcap import MCAPWriteOptions
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy


def main() -> None:
    """Records until it is told to end."""
    file, type_name, topics = sys.argv[1], sys.argv[2], sys.argv[3:]
    package, _, name = type_name.partition("/msg/")
    kind = getattr(importlib.import_module(f"{package}.msg"), name)
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ending.set())
    rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    node = rclpy.create_node("peer", enable_rosout=False, start_parameter_services=False)
    qos = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=1000)
    subscriptions = [node.create_subscription(kind, topic, lambda data: None, qos, raw=True) for topic in topics]
    context = foxglove.Context()
    writer = foxglove.open_mcap(file, context=context, writer_options=MCAPWriteOptions(profile="ros2", compression=None))
    schema = foxglove.Schema(name=type_name, encoding="ros2msg", data=b"")
    channels = [foxglove.Channel(topic, schema=schema, message_encoding="cdr", context=context) for topic in topics]
    wait_set = _rclpy.WaitSet(len(subscriptions), 0, 0, 0, 0, 0, node.context.handle)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    messages = size = 0
    while not ending.is_set():
        wait_set.clear_entities()
        for subscription in subscriptions:
            wait_set.add_subscription(subscription.handle)
        wait_set.wait(100_000_000)
        for subscription, channel in zip(subscriptions, channels, strict=True):
            while (taken := subscription.handle.take_message(subscription.msg_type, True)) is not None:
                data, info = taken
                channel.log(data, log_time=info["received_timestamp"])
                messages += 1
                size += len(data)
    writer.close()
    sys.stdout.write(json.dumps({"messages": messages, "bytes": size}) + "\n")


if __name__ == "__main__":
    main()
