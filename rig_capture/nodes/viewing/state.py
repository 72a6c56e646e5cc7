"""What a rig says of itself unasked, as viewers are told it: status, batteries, network, health, and that lists changed."""

import math
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

from rclpy.node import Node
from rig_capture_msgs.msg import EstimateEvent, HealthEvent, NetworkStatus, RecorderStatus, SessionComplete, UploaderStatus
from rig_capture_msgs.msg import RigStatus as RigStatusMessage
from sensor_msgs.msg import BatteryState

from rig_capture.health.events import Event
from rig_capture.health.problems import OpenProblems, Seen
from rig_capture.nodes.clients.reports import RecorderReport, UploaderReport, recorder_report, uploader_report
from rig_capture.nodes.common.health import DEPTH, event_of
from rig_capture.nodes.common.health import TOPIC as HEALTH_TOPIC
from rig_capture.nodes.common.qos import data_qos, state_qos
from rig_capture.nodes.overview.rig_status import TOPIC as STATUS_TOPIC
from rig_capture.nodes.overview.rig_status import status_of
from rig_capture.nodes.viewing.feeds import Tell

_STALE_S = 5.0
"""What was said once a second, and then not for so long, is not true any more."""
_EVENTS_KEPT = 100


class RigState:
    """Listens from the start; used in the executor's thread."""

    def __init__(self, node: Node, batteries: Collection[str], tell: Tell) -> None:
        """Listens from now on.

        Args:
            node: that listens, in the rig's namespace.
            batteries: their topics.
            tell: has something told to the viewers.
        """
        self._node, self._tell = node, tell
        self._status: dict[str, Any] | None = None
        self._status_at = 0.0
        self._recorder: RecorderReport | None = None
        self._recorder_at = 0.0
        self._uploader: UploaderReport | None = None
        self._problems, self._seen = OpenProblems(), Seen()
        self._events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        node.create_subscription(RigStatusMessage, STATUS_TOPIC, self._hear_status, state_qos())
        node.create_subscription(RecorderStatus, "recorder/status", self._hear_recorder, state_qos())
        node.create_subscription(UploaderStatus, "uploader/status", self._hear_uploader, state_qos())
        node.create_subscription(NetworkStatus, "network", self._hear_network, state_qos())
        node.create_subscription(HealthEvent, HEALTH_TOPIC, self._hear_health, state_qos(DEPTH))
        node.create_subscription(SessionComplete, "session_complete", lambda _: self._sessions_changed(), state_qos(50))
        node.create_subscription(EstimateEvent, "estimate_event", lambda _: self._sessions_changed(), state_qos(50))
        for name in batteries:
            node.create_subscription(BatteryState, name, self._battery_teller(name), data_qos(10))

    def every_second(self) -> None:
        """Tells the status, also where its node is silent."""
        if time.monotonic() - self._recorder_at > _STALE_S:
            self._recorder = None  # one that was killed never says that it ended
        if not self._node.count_publishers("uploader/status"):
            self._uploader = None
        if time.monotonic() - self._status_at > _STALE_S:
            self._status = None
        self._tell_status()

    def _tell_status(self) -> None:
        recorder = None if self._recorder is None else asdict(self._recorder)
        uploader = None if self._uploader is None else asdict(self._uploader)
        state = "absent" if self._recorder is None else self._recorder.state
        told = {"type": "status", **(self._status or {}), "state": state, "recorder": recorder, "uploader": uploader}
        told["status_node"] = self._status is not None
        self._tell(lambda hub: hub.state("status", told))

    def _hear_status(self, message: RigStatusMessage) -> None:
        status = status_of(message, self._node.get_namespace())
        self._status = status.model_dump(mode="json") | {"stamp_s": status.stamp.timestamp()}
        self._status_at = time.monotonic()

    def _hear_recorder(self, message: RecorderStatus) -> None:
        before, self._recorder, self._recorder_at = self._recorder, recorder_report(message), time.monotonic()
        if before is None or (before.state, before.recording_id) != (self._recorder.state, self._recorder.recording_id):
            self._tell_status()
            self._sessions_changed()
            self._tell(lambda hub: hub.news({"type": "jobs"}))

    def _hear_uploader(self, message: UploaderStatus) -> None:
        before, self._uploader = self._uploader, uploader_report(message)
        if before is None or (before.current, before.ingested) != (self._uploader.current, self._uploader.ingested):
            self._sessions_changed()

    def _sessions_changed(self) -> None:
        self._tell(lambda hub: hub.news({"type": "sessions"}))

    def _hear_network(self, message: NetworkStatus) -> None:
        told = {"type": "network", "state": message.state, "detail": message.detail, "interface": message.interface}
        told |= {"addresses": list(message.addresses), "ssid": message.ssid}
        told |= {"signal_dbm": _known(message.signal_dbm), "round_trip_ms": _known(message.round_trip_ms)}
        self._tell(lambda hub: hub.state("network", told))

    def _battery_teller(self, name: str) -> Callable[[BatteryState], None]:
        def hear(state: BatteryState) -> None:
            told = {"type": "battery", "battery": name, "present": state.present, "percent": _known(100 * state.percentage)}
            told |= {"voltage": _known(state.voltage), "current": _known(state.current), "power": _known(state.voltage * state.current)}
            told["charging"] = state.power_supply_status == BatteryState.POWER_SUPPLY_STATUS_CHARGING
            self._tell(lambda hub: hub.state(f"battery {name}", told))

        return hear

    def _hear_health(self, message: HealthEvent) -> None:
        event = event_of(message)
        if event in self._seen:
            return
        self._seen.add(event)
        self._problems.see(event)
        self._events.append(event)
        still_open = [_told(problem) for problem in self._problems.worst_first]
        summary = {"type": "health", "event": None, "open": still_open, "events": [_told(known) for known in reversed(self._events)]}
        self._tell(lambda hub: hub.event({"type": "health", "event": _told(event), "open": still_open}))
        self._tell(lambda hub: hub.remember("health", summary))


def _told(event: Event) -> dict[str, Any]:
    return event.model_dump(mode="json") | {"stamp_s": event.stamp_ns / 1e9}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
