"""The log of the health events of a rig: hears `health`, and writes it, without ever waiting for the disk."""

import time

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rig_capture_msgs.msg import HealthEvent

from rig_capture.health.catalogue import lasts
from rig_capture.health.log import LogWriter
from rig_capture.health.problems import OpenProblems, ended
from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.health import TOPIC, event_of
from rig_capture.nodes.common.qos import publishers_of, state_qos
from rig_capture.profiles.places import health_dir
from rig_capture.profiles.settings.status import StatusParameters

DISCOVERY_S = 10.0
"""So long after its start, every node that is there has been found, and has told its last events again."""

_DEPTH = 1000
"""Of all nodes together: at its start each tells its last events again."""
_LOOK_S = 1.0

Publishers = frozenset[bytes]


class HealthLog:
    """Writes the events that a rig's nodes tell, from `start` to `stop`.

    A node that dies leaves its problems open. What publishes its events is gone then, also where it is started again under the same
    name; its problems end with that, on the topic as in the log.
    """

    def __init__(self, node: RigNode[StatusParameters]) -> None:
        """Hears from now on; `node` looks, and its settings say how the log is kept."""
        self._node = node
        self._topic = node.resolve_topic_name(TOPIC)
        self._writer: LogWriter | None = None
        if node.settings.log_format != "off":
            folder = health_dir(node.settings, node.get_namespace(), node.context.get_domain_id())
            self._writer = LogWriter(node.get_fully_qualified_name(), folder, node.settings, node.now_ns)
        self._problems = OpenProblems()
        self._publishers: dict[tuple[str, str, str], Publishers] = {}
        self._begun = time.monotonic()
        self._told = False
        group = MutuallyExclusiveCallbackGroup()
        node.create_subscription(HealthEvent, TOPIC, self._hear, state_qos(_DEPTH), callback_group=group)
        node.create_timer(_LOOK_S, self._look, callback_group=group)

    @property
    def trouble(self) -> str:
        """Why events are missing from the log; empty where none are."""
        return self._writer.problem if self._writer is not None else ""

    def start(self) -> None:
        """Begins to write."""
        if self._writer is not None:
            self._writer.start()

    def stop(self) -> None:
        """Writes what waits, and ends; raises what the writer died of."""
        if self._writer is not None:
            self._writer.stop()

    def check(self) -> None:
        """Raises what the writer died of."""
        if self._writer is not None:
            self._writer.check()

    def _hear(self, message: HealthEvent) -> None:
        event = event_of(message)
        self._problems.see(event)
        if lasts(event.code) and not event.recovered:
            self._publishers.pop(event.key, None)
        if self._writer is not None:
            self._writer.put(event)

    def _look(self) -> None:
        self._end_those_of_the_dead()
        discovered = time.monotonic() - self._begun > DISCOVERY_S
        if self._writer is not None and discovered and (not self._told or self._writer.is_behind):
            self._told = True
            self._writer.open(self._problems.events)

    def _end_those_of_the_dead(self) -> None:
        problems = self._problems.events
        if not problems:
            self._publishers.clear()
            return
        here: dict[str, set[bytes]] = {}
        for publisher in publishers_of(self._node, self._topic):
            name = f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
            here.setdefault(name, set()).add(bytes(publisher.endpoint_gid))
        for event in problems:
            now = frozenset(here.get(event.node, ()))
            then = self._publishers.setdefault(event.key, now) if now else self._publishers.get(event.key)
            if then and not then & now:
                self._node.health.publish(ended(event, self._node.now_ns(), "no longer looked at: its node is gone"))
