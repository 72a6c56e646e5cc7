"""How the recorder takes messages: one thread, one wait set, each subscription drained as serialized bytes.

An executor would call back once per message; draining costs a quarter of that (docs/recorder.md), and gives each message's
publisher and publication sequence number with the bytes.
"""

import importlib
import logging
import threading
import time
from collections.abc import Callable

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from rig_capture.nodes.common.outside import OutsideExecutor, never_called
from rig_capture.nodes.common.qos import fitting_qos, publishers_of
from rig_capture.nodes.common.taking import MessageTaker
from rig_capture.owned_thread import OwnedThread
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.publications import Publications
from rig_capture.recorder.sinks import Received, StreamSink

_BATCH = 100
"""Messages taken from one subscription before the others have their turn."""
_REST_S = 0.02
"""Rest after a round of small messages, so that several are taken at a time; histories hold far more than come in it."""
_LARGE_BYTES = 500_000
"""A round that took so much is followed by the next at once: large buffers cost least where few are in use."""
_EVENTS_S = 0.5
"""How often DDS is asked what it lost while messages come without a rest."""
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
        self._publications = Publications(sink)
        self.unfit = False
        """A publisher came that our QoS does not fit."""
        self._open()

    def _open(self) -> None:
        self.subscription = self._subscribe()
        self._taker = MessageTaker(self.subscription.handle)

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
        self._open()
        log.warning("%s: a publisher of other QoS came; subscribed anew, %s", self._topic, qos.reliability.name)
        return True

    def drain(self) -> int:
        """Takes what is there, up to a batch; returns its bytes, 0 where there was nothing."""
        messages: list[Received] = []
        size = 0
        for data, received_ns, publisher, number in self._taker.take(_BATCH):
            if number is not None and (missing := self._publications.see(publisher, number)):
                # Told where it belongs, between those before it and those after it.
                self._hand_on(messages)
                messages = []
                self._sink.counter.lost_publications += missing
            messages.append((data, received_ns))
            size += len(data)
        self._hand_on(messages)
        return size

    def _hand_on(self, messages: list[Received]) -> None:
        if messages:
            self._sink.take_all(messages)

    def hear_events(self, wait_set: _rclpy.WaitSet) -> None:
        """Asks DDS what it lost, and whether a publisher came that does not fit."""
        for handler in self.subscription.event_handlers:
            if handler.is_ready(wait_set):
                handler.callback(handler.take_data())
        self._publications.asked()

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_subscription(self.subscription)

    def _lost(self, event: _rclpy.rmw_message_lost_status_t) -> None:
        self._publications.lost(event.total_count_change)

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
        size, changed, events_due = 0, True, 0.0
        while not self._ending.is_set():
            if self._take_in_new() or changed:
                wait_set = self._new_wait_set()
            # While messages come, to look at each subscription costs a tenth of what waiting for all of them does.
            if not size or time.monotonic() >= events_due:
                self._wait(wait_set, block=not size)
                events_due = time.monotonic() + _EVENTS_S
            size = sum(source.drain() for source in self._sources)
            changed = sum(source.refit() for source in self._sources if source.unfit) > 0
            if size < _LARGE_BYTES:
                self._ending.wait(_REST_S)
        self._take_in_new()
        self._wait(self._new_wait_set(), block=False)
        for source in self._sources:
            while source.drain():
                continue

    def _take_in_new(self) -> bool:
        with self._lock:
            new, self._new = self._new, []
        self._sources += new
        return bool(new)

    def _new_wait_set(self) -> _rclpy.WaitSet:
        events = sum(len(source.subscription.event_handlers) for source in self._sources)
        return _rclpy.WaitSet(len(self._sources), 1, 0, 0, 0, events, self._node.context.handle)

    def _wait(self, wait_set: _rclpy.WaitSet, *, block: bool) -> None:
        """Until something comes, or only looks; then hears events, as DDS tells of losses before it hands out what came after them."""
        wait_set.clear_entities()
        wait_set.add_guard_condition(self._wake)
        for source in self._sources:
            wait_set.add_subscription(source.subscription.handle)
            for handler in source.subscription.event_handlers:
                handler.add_to_wait_set(wait_set)
        longest_ns = _GRAPH_NS if any(source.unfit for source in self._sources) else -1
        wait_set.wait(longest_ns if block else 0)
        for source in self._sources:
            source.hear_events(wait_set)


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
