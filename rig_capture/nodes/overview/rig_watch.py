"""What the nodes of a rig say, kept for who sums it up: diagnostics, problems, recorder, uploader, network, battery."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rig_capture_msgs.msg import HealthEvent, NetworkStatus, RecorderStatus, UploaderStatus
from sensor_msgs.msg import BatteryState

from rig_capture.health.catalogue import NODE_LOST
from rig_capture.health.events import Severity
from rig_capture.health.problems import OpenProblems
from rig_capture.nodes.common.diagnosis import ERROR, STALE, TOPIC, WARN, NodeReport, node_reports
from rig_capture.nodes.common.health import DEPTH, event_of
from rig_capture.nodes.common.health import TOPIC as HEALTH_TOPIC
from rig_capture.nodes.common.qos import data_qos, state_qos
from rig_capture.nodes.overview.rig_status import NodeStatus

T = TypeVar("T")

_FORGET_AFTER = 12
"""A node that is no part of the profile is forgotten once it has been stale for so many times the time that makes it so."""


@dataclass(frozen=True)
class _Heard(Generic[T]):
    """A message, and when it came."""

    message: T
    at: float
    moment: datetime


class RigWatch:
    """Listens; what it heard may be asked for from any thread."""

    def __init__(self, node: Node, expected: Sequence[str], battery: str) -> None:
        """Listens from now on.

        Args:
            node: that listens, in the rig's namespace.
            expected: full names of the nodes that belong to the rig.
            battery: topic of the battery that counts; empty: none.
        """
        self._namespace = node.get_namespace()
        self._expected = tuple(expected)
        # A host of a rig has one health topic with all the others, and sums up itself.
        self._is_part = node.resolve_topic_name(HEALTH_TOPIC).rpartition("/")[0] != self._namespace.rstrip("/")
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._nodes: dict[str, _Heard[NodeReport]] = {}
        self._problems = OpenProblems()
        self._last: dict[type, _Heard[Any]] = {}
        node.create_subscription(DiagnosticArray, TOPIC, self._hear_diagnostics, data_qos(50))
        node.create_subscription(HealthEvent, HEALTH_TOPIC, self._hear_health, state_qos(DEPTH))
        for kind, topic in ((RecorderStatus, "recorder/status"), (UploaderStatus, "uploader/status"), (NetworkStatus, "network")):
            node.create_subscription(kind, topic, self._hear, state_qos())
        if battery:
            node.create_subscription(BatteryState, battery, self._hear, data_qos(10))

    def last(self, kind: type[T], stale_s: float | None = None) -> T | None:
        """The last message of a kind, where it is younger than `stale_s`."""
        with self._lock:
            heard = self._last.get(kind)
        return None if heard is None or (stale_s is not None and time.monotonic() - heard.at > stale_s) else heard.message

    def nodes(self, stale_s: float) -> list[NodeStatus]:
        """All nodes, those of the rig first; those not heard for `stale_s` are marked."""
        now = time.monotonic()
        with self._lock:
            for name, heard in list(self._nodes.items()):
                if name not in self._expected and now - heard.at > _FORGET_AFTER * stale_s:
                    del self._nodes[name]
            known = dict(self._nodes)
        names = dict.fromkeys((*self._expected, *sorted(known)))
        return [_node_status(name, known.get(name), now, now - self._since, stale_s) for name in names]

    def problems(self, nodes: Sequence[NodeStatus]) -> list[tuple[Severity, str]]:
        """What is wrong, the worst first: nodes that are gone or say so themselves, and health events without a recovery."""
        with self._lock:
            events = self._problems.worst_first
        found = [(Severity.ERROR, f"{node.name}: {node.message}") for node in nodes if node.level in (ERROR, STALE)]
        # A lost node is among those found already.
        told = [
            (event.severity, f"{event.node}: {event.message}")
            for event in events
            if event.severity > Severity.INFO and event.code != NODE_LOST.name
        ]
        return list(dict.fromkeys(sorted([*found, *told], key=lambda problem: -problem[0])))

    def _hear(self, message: object) -> None:
        with self._lock:
            self._last[type(message)] = _Heard(message, time.monotonic(), datetime.now(UTC))

    def _hear_diagnostics(self, array: DiagnosticArray) -> None:
        now, moment = time.monotonic(), datetime.now(UTC)
        with self._lock:
            for name, report in node_reports(array).items():
                if name in self._expected or name.rpartition("/")[0] == self._namespace.rstrip("/"):
                    self._nodes[name] = _Heard(report, now, moment)

    def _hear_health(self, message: HealthEvent) -> None:
        event = event_of(message)
        own = f"{self._namespace}/"
        if self._is_part and event.node not in self._expected and not event.node.startswith(own):
            return
        with self._lock:
            self._problems.see(event)


def _node_status(name: str, heard: _Heard[NodeReport] | None, now: float, watched_s: float, stale_s: float) -> NodeStatus:
    if heard is None:
        if watched_s <= stale_s:
            return NodeStatus(name=name, level=WARN, message="not heard yet")
        return NodeStatus(name=name, level=STALE, message=f"nothing was heard of it for {watched_s:.0f} s")
    report, silent_s = heard.message, now - heard.at
    is_stale = silent_s > stale_s
    rate, age = report.number("rate_hz"), report.number("age_s")
    return NodeStatus(
        name=name,
        host=report.values.get("host", ""),
        pid=_whole(report.values.get("pid")),
        level=STALE if is_stale else report.level,
        message=f"nothing was heard of it for {silent_s:.0f} s; it said last: {report.message}" if is_stale else report.message,
        started_at=_moment(report.values.get("started_at", "")),
        last_seen=heard.moment,
        settings=report.values.get("settings", ""),
        rate_hz=None if is_stale else rate,
        age_s=None if age is None else age + silent_s,
        lost=_whole(report.values.get("lost")),
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
