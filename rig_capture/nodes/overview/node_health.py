"""Nodes of the rig that are gone, or were started again, as health events."""

from collections.abc import Collection, Sequence
from datetime import datetime

from rig_capture.health.catalogue import NODE_LOST, NODE_RESTARTED
from rig_capture.nodes.common.diagnosis import STALE
from rig_capture.nodes.common.health import HealthReporter
from rig_capture.nodes.overview.rig_status import NodeStatus


class NodeHealth:
    """Looks at what was heard of the rig's nodes, and tells what changed. For one thread."""

    def __init__(self, reporter: HealthReporter, expected: Collection[str]) -> None:
        """Knows of no node yet; `expected` are those that belong to the rig: others, such as tools, may come and go."""
        self._reporter = reporter
        self._expected = frozenset(expected)
        self._starts: dict[str, tuple[datetime | None, int]] = {}

    def look(self, nodes: Sequence[NodeStatus], watched_s: float, missing_s: float) -> None:
        """Tells what is different from the look before.

        Args:
            nodes: as they are now.
            watched_s: how long they have been listened for.
            missing_s: a node that was never heard is lost after so long; before, it may still be starting.
        """
        for node in nodes:
            if node.name not in self._expected:
                continue
            known = node.name in self._starts
            is_lost = node.level == STALE and (known or watched_s >= missing_s)
            message = f"{node.name}: {node.message}; its log says why it ended" if is_lost else f"{node.name} is heard"
            self._reporter.set(NODE_LOST, node.name, problem=is_lost, message=message, evidence={"pid": node.pid} if known else {})
            if node.level != STALE and node.last_seen is not None:
                self._see_start(node)

    def _see_start(self, node: NodeStatus) -> None:
        before, now = self._starts.get(node.name), (node.started_at, node.pid)
        self._starts[node.name] = now
        if before is not None and before != now:
            message = f"{node.name} was started again as process {node.pid}; what it should have delivered meanwhile is missing"
            self._reporter.tell(NODE_RESTARTED, node.name, message=message, evidence={"pid_before": before[1], "pid": node.pid})
