"""How the recorder takes messages: one thread, one wait set, each subscription drained as serialized bytes.

An executor would call back once per message; draining costs a quarter of that (docs/recorder.md), and gives the
publication sequence numbers with the bytes.
"""

import importlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import EventHandler, SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription

from rig_capture.nodes.common.outside import OutsideExecutor, never_called
from rig_capture.nodes.common.qos import fitting_qos, publishers_of
from rig_capture.owned_thread import OwnedThread
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.sinks import StreamSink
from rig_capture.recorder.streams import SequenceCounter

_BATCH = 100
"""Messages taken from one subscription before the others have their turn."""
_REST_S = 0.02
"""Rest after a round of small messages, so that several are taken at a time; histories hold far more than come in it."""
_LARGE_BYTES = 500_000
"""A round that took so much is followed by the next at once: large buffers cost least where few are in use."""
_GRAPH_NS = 100_000_000
"""How long it takes at most, ns, to look again whether the graph shows a publisher that did not fit."""

log = logging.getLogger(__name__)


class _Source:
    """One subscription and the sink its messages go to."""

    def __init__(self, node: Node, group: CallbackGroup, type_name: str, topic: str, qos: QoSProfile, sink: StreamSink) -> None:
        self._node, self._group = node, group
        self._type = message_class(type_name)
        self._topic, self._qos = topic, qos
        self._sink = sink
        self._sequences: dict[bytes, SequenceCounter] = {}
        self._lost_before = 0
        """By DDS, of latched messages, before the first was heard."""
        self.unfit = False
        """A publisher came that our QoS does not fit."""
        self.subscription = self._subscribe()

    def _subscribe(self) -> Subscription:
        return self._node.create_subscription(
            self._type,
            self._topic,
            never_called,
            self._qos,
            callback_group=self._group,
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._lost, incompatible_qos=self._did_not_fit),
        )

    def refit(self) -> bool:
        """Subscribes anew where that takes another QoS to serve all publishers; True where it did.

        What is sent between the old subscription and the new one is lost, and shows in the publication sequence numbers.
        """
        qos = fitting_qos(publishers_of(self._node, self._topic), self._qos.depth)
        if (qos.reliability, qos.durability) == (self._qos.reliability, self._qos.durability):
            return False  # the graph does not show the publisher yet
        while self.drain():
            continue
        self._node.destroy_subscription(self.subscription)
        self._qos, self.unfit = qos, False
        self.subscription = self._subscribe()
        log.warning("%s: a publisher of other QoS came; subscribed anew, %s", self._topic, qos.reliability.name)
        return True

    def drain(self) -> int:
        """Takes what is there, up to a batch; returns its bytes, 0 where there was nothing."""
        handle, kind, sink = self.subscription.handle, self.subscription.msg_type, self._sink
        size = 0
        for _ in range(_BATCH):
            taken = handle.take_message(kind, True)
            if taken is None:
                break
            data, info = taken
            self._count(info)
            sink.take(data, info["received_timestamp"])
            size += len(data)
        return size

    def _count(self, info: dict[str, Any]) -> None:
        # Jazzy does not tell publishers apart; then gaps count only where the graph knows a single one.
        gid = info.get("publisher_gid")
        publisher: bytes = gid["data"] if gid else b""
        sequence = self._sequences.setdefault(publisher, SequenceCounter())
        gap = sequence.see(info["publication_sequence_number"])
        if gap and (publisher or self._node.count_publishers(self._topic) == 1):
            self._sink.counter.lost_publications += gap

    def _lost(self, event: _rclpy.rmw_message_lost_status_t) -> None:
        if self._qos.durability == DurabilityPolicy.TRANSIENT_LOCAL and not self._sequences:
            self._lost_before += event.total_count_change
        else:
            self._sink.counter.lost_dds += event.total_count_change

    def close(self) -> None:
        """Unsubscribes.

        What was latched and replaced while the first message was on its way was said before the stream began, and is no loss of
        its; where nothing ever came, it is.
        """
        self._node.destroy_subscription(self.subscription)
        if not self._sequences:
            self._sink.counter.lost_dds += self._lost_before

    def _did_not_fit(self, event: _rclpy.rmw_requested_qos_incompatible_event_status_t) -> None:
        self.unfit = True


class Intake:
    """Owns the subscriptions of one recording and the thread that drains them, from `start` to `stop`."""

    def __init__(self, node: Node, on_failure: Callable[[BaseException], None]) -> None:
        self._node = node
        self._group = OutsideExecutor()
        self._lock = threading.Lock()
        self._new: list[_Source] = []
        self._sources: list[_Source] = []
        """Those that the thread waits on; after `start` they belong to it."""
        self._ending = threading.Event()
        self._thread = OwnedThread("intake", self._run, on_failure)
        with node.context.handle:
            self._wake = _rclpy.GuardCondition(node.context.handle)

    def add(self, type_name: str, topic: str, qos: QoSProfile, sink: StreamSink) -> None:
        """Subscribes to a topic; also while messages are taken. Raises UnknownMessageType."""
        source = _Source(self._node, self._group, type_name, topic, qos, sink)
        with self._lock:
            self._new.append(source)
        self._wake.trigger_guard_condition()

    def start(self) -> None:
        """Begins to take messages."""
        self._thread.start()

    def stop(self) -> None:
        """Takes what has arrived, then unsubscribes and joins."""
        self._ending.set()
        self._wake.trigger_guard_condition()
        self._thread.join()
        self._take_in_new()
        for source in self._sources:
            source.close()
        self._wake.destroy_when_not_in_use()

    @property
    def failure(self) -> BaseException | None:
        """What the thread died of."""
        return self._thread.failure

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def _run(self) -> None:
        changed = True
        while not self._ending.is_set():
            if self._take_in_new() or changed:
                handlers = [handler for source in self._sources for handler in source.subscription.event_handlers]
                wait_set = _rclpy.WaitSet(len(self._sources), 1, 0, 0, 0, len(handlers), self._node.context.handle)
            self._wait(wait_set, handlers)
            ready = set(wait_set.get_ready_entities("subscription"))
            # Before the messages, as DDS tells of losses before it hands out what came after them.
            for handler in handlers:
                if handler.is_ready(wait_set):
                    handler.callback(handler.take_data())
            size = sum(source.drain() for source in self._sources if source.subscription.handle.pointer in ready)
            changed = sum(source.refit() for source in self._sources if source.unfit) > 0
            if size < _LARGE_BYTES:
                self._ending.wait(_REST_S)
        self._take_in_new()
        for source in self._sources:
            while source.drain():
                continue

    def _take_in_new(self) -> bool:
        with self._lock:
            new, self._new = self._new, []
        self._sources += new
        return bool(new)

    def _wait(self, wait_set: _rclpy.WaitSet, handlers: list[EventHandler]) -> None:
        wait_set.clear_entities()
        wait_set.add_guard_condition(self._wake)
        for source in self._sources:
            wait_set.add_subscription(source.subscription.handle)
        for handler in handlers:
            handler.add_to_wait_set(wait_set)
        wait_set.wait(_GRAPH_NS if any(source.unfit for source in self._sources) else -1)


class UnknownMessageType(RecordingError):
    """A message type whose Python module is not installed."""


def message_class(type_name: str) -> type:
    """The class of a type such as ``sensor_msgs/msg/Imu``. Raises UnknownMessageType."""
    package, _, name = type_name.partition("/msg/")
    try:
        found: type = getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownMessageType(f"message type {type_name} is not installed on this machine") from error
    return found
