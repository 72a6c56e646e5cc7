"""What nodes say of themselves on `/diagnostics`, and what others make of it.

Conventions (REP 107, the package diagnostic_updater): the topic is `/diagnostics` in every namespace, a status is called
"NODE: TASK" with the node's full name (`use_fqn` of diagnostic_updater), and `hardware_id` is the machine. Full names keep
the rigs of one ROS domain apart. Keys with one meaning in all nodes: `rate_hz`, `age_s`, `lost`, and those of the heartbeat.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from rig_capture.profiles.host import host_name
from rig_capture.profiles.settings.base import Settings

TOPIC = "/diagnostics"
HEARTBEAT = "Node"
"""The task that every node has: who it is, since when, with which settings."""
OK, WARN, ERROR, STALE = 0, 1, 2, 3

_DIGEST_DIGITS = 12


@dataclass(frozen=True)
class Task:
    """One line of a node in the diagnostics."""

    name: str
    level: int
    """OK, WARN, ERROR or STALE."""
    message: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeReport:
    """All tasks of a node together."""

    name: str
    """Fully qualified, such as ``/rig1/camera_front``."""
    level: int
    """0 well, 1 warning, 2 error, 3 stale: that of its worst task."""
    message: str
    """That of its worst task."""
    values: dict[str, str]
    age_s: float
    """Seconds since it was heard."""

    def number(self, key: str) -> float | None:
        """A value that is a number; None where it is not given."""
        try:
            return float(self.values.get(key, ""))
        except ValueError:
            return None


def settings_digest(settings: Settings) -> str:
    """12 hex digits of the SHA-256 over the settings as JSON with sorted keys and without spaces: the same settings, the same digits."""
    text = json.dumps(settings.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def statuses(node: str, tasks: Iterable[Task]) -> list[DiagnosticStatus]:
    """The messages of a node's tasks; `node` is its full name."""
    host = host_name()
    return [
        DiagnosticStatus(
            level=bytes([task.level]),
            name=f"{node}: {task.name}",
            message=task.message,
            hardware_id=host,
            values=[KeyValue(key=key, value=str(value)) for key, value in task.values.items()],
        )
        for task in tasks
    ]


def node_reports(array: DiagnosticArray, namespace: str | None = None) -> dict[str, NodeReport]:
    """What an array says of nodes, by full name, heard just now.

    Args:
        array: with statuses called "NODE: TASK"; of others the whole name counts as the node's.
        namespace: only nodes right in this one; None: all.
    """
    reports: dict[str, NodeReport] = {}
    for status in array.status:
        node = status.name.partition(": ")[0]
        if namespace is not None and node.rpartition("/")[0] != namespace.rstrip("/"):
            continue
        level, values = status.level[0], {pair.key: pair.value for pair in status.values}
        before = reports.get(node)
        if before is None:
            reports[node] = NodeReport(node, level, status.message, values, 0.0)
        else:
            worst, message = max((before.level, before.message), (level, status.message), key=lambda said: said[0])
            reports[node] = NodeReport(node, worst, message, values | before.values, 0.0)
    return reports
