"""The status of a machine of the rig as a model: the message RigStatus, and the JSON file that outside readers find."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from pydantic import BaseModel, ConfigDict, ValidationError
from rig_capture_msgs.msg import NodeHeartbeat
from rig_capture_msgs.msg import RigStatus as RigStatusMessage

from rig_capture.nodes.common.generated import Message
from rig_capture.session.atomic import write_atomic

TOPIC = "rig/status"


class _Status(BaseModel):
    """Fields as in the message of the same name; what is not known there, as NaN or as time zero, is None here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class NodeStatus(_Status):
    """One node (NodeHeartbeat)."""

    name: str
    host: str = ""
    pid: int = 0
    level: int
    """0 well, 1 warning, 2 error, 3 stale."""
    message: str
    started_at: datetime | None = None
    last_seen: datetime | None = None
    settings: str = ""
    """Digest of its settings."""
    rate_hz: float | None = None
    age_s: float | None = None
    """Since its last sample."""
    lost: int = 0


class RigStatus(_Status):
    """One machine of a rig (RigStatus.msg tells each field)."""

    stamp: datetime
    rig: str
    namespace: str = ""
    """Of the status node; not in the message, whose topic tells it."""
    host: str
    node_id: str
    version: str
    uptime_s: float
    state: str
    storage_path: str
    storage_total: int = 0
    storage_used: int = 0
    storage_available: int = 0
    cpu_percent: float
    cpu_percent_per_core: tuple[float, ...]
    cpu_temperature: float | None = None
    load_1min: float
    memory_total: int
    memory_used: int
    memory_available: int
    network: int = 0
    """0 offline, 1 network only, 2 online."""
    network_detail: str = ""
    ssid: str = ""
    signal_dbm: float | None = None
    recording: bool = False
    recording_id: str = ""
    recording_s: float = 0.0
    recording_bytes: int = 0
    recording_lost: int = 0
    has_battery: bool = False
    battery_percent: float | None = None
    battery_voltage: float | None = None
    battery_current: float | None = None
    battery_power: float | None = None
    battery_charging: bool = False
    queued_uploads: int = 0
    healthy: bool
    problems: tuple[str, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()

    @property
    def age_s(self) -> float:
        """Seconds since it was true."""
        return (datetime.now(UTC) - self.stamp).total_seconds()


def message_of(status: RigStatus) -> RigStatusMessage:
    """As it is published."""
    values = _values(status, RigStatusMessage, leave_out=("nodes",))
    message = RigStatusMessage(**values, nodes=[NodeHeartbeat(**_values(node, NodeHeartbeat)) for node in status.nodes])
    message.header.stamp = _time(status.stamp)
    return message


def status_of(message: RigStatusMessage, namespace: str) -> RigStatus:
    """A published status; `namespace` is that of its topic."""
    nodes = tuple(NodeStatus.model_validate(_fields(node)) for node in message.nodes)
    return RigStatus.model_validate(_fields(message) | {"stamp": _moment(message.header.stamp), "namespace": namespace, "nodes": nodes})


def write_status(path: Path, status: RigStatus) -> None:
    """Replaces the JSON file. Raises OSError."""
    # Worth nothing after a power cut: a disk needn't be woken for it once a second.
    write_atomic(path, (status.model_dump_json(indent=1) + "\n").encode(), durable=False)


def read_status(path: Path) -> RigStatus | None:
    """The JSON file; None where there is none, or it is not ours."""
    try:
        return RigStatus.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _values(model: BaseModel, kind: type[Message], leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    types: Mapping[str, str] = kind.get_fields_and_field_types()
    return {name: _to_ros(value, types[name]) for name, value in model if name in types and name not in leave_out}


def _to_ros(value: object, kind: str) -> object:
    if kind == "builtin_interfaces/Time":
        return _time(value if isinstance(value, datetime) else None)
    if kind in ("float", "double"):
        return math.nan if value is None else value
    return list(value) if isinstance(value, tuple) else value


def _fields(message: Message) -> dict[str, Any]:
    return {name: _from_ros(getattr(message, name)) for name in message.get_fields_and_field_types()}


def _from_ros(value: object) -> object:
    if isinstance(value, Time):
        return _moment(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _time(moment: datetime | None) -> Time:
    if moment is None:
        return Time()
    # Not by timestamp(): a double holds no nanoseconds, and rounds microseconds.
    since = moment - datetime.fromtimestamp(0, UTC)
    return Time(sec=since.days * 86400 + since.seconds, nanosec=since.microseconds * 1000)


def _moment(time: Time) -> datetime | None:
    return datetime.fromtimestamp(time.sec, UTC).replace(microsecond=time.nanosec // 1000) if time.sec or time.nanosec else None
