"""Executable `status`: a machine of the rig at a glance, on `rig/status` and in a JSON file, and its hardware on request."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rclpy.task import Future
from rig_capture_msgs.msg import NetworkStatus, RecorderStatus, RigStatus, UploaderStatus
from rig_capture_msgs.srv import GetInventory
from sensor_msgs.msg import BatteryState

from rig_capture import __version__
from rig_capture.health.events import Severity
from rig_capture.nodes.common.base import RigNode, run_node, time_message
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.nodes.common.qos import state_qos
from rig_capture.nodes.overview import rig_status
from rig_capture.nodes.overview.health_log import HealthLog
from rig_capture.nodes.overview.node_health import NodeHealth
from rig_capture.nodes.overview.rig_watch import RigWatch
from rig_capture.nodes.overview.system_health import SystemHealth
from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.host import host_name
from rig_capture.profiles.places import sessions_dir, status_file
from rig_capture.profiles.settings.status import StatusParameters
from rig_capture.recorder.identity import node_id
from rig_capture.sensing.inventory import Inventory, take_inventory
from rig_capture.sensing.machine import MachineMeter, read_storage

ABSENT = "absent"
"""State of a recorder of which nothing is heard."""


class StatusNode(RigNode[StatusParameters]):
    """Sums up in a thread of its own, so that a disk that hangs holds up no other node of the process."""

    settings_type = StatusParameters

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._begin = time.monotonic()
        self._node_id = node_id()
        self._publisher = self.create_publisher(RigStatus, rig_status.TOPIC, state_qos())
        self._watch = RigWatch(self, self.settings.nodes, self.settings.battery)
        self._node_health = NodeHealth(self.health, self.settings.nodes)
        self._log = HealthLog(self)
        self._system = SystemHealth(self, sessions_dir(self.settings))
        self._meter = MachineMeter()
        self._file = self._status_path()
        self._problem = ""
        self._published = self._problems = 0
        self._changed = threading.Event()
        self._ending = False
        self._thread = OwnedThread("status", self._run)
        self._inventory: tuple[float, Inventory] | None = None
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="inventory")
        self.create_service(GetInventory, "get_inventory", self._get_inventory)

    def start(self) -> None:
        self._log.start()
        self._system.start()
        self._thread.start()

    def stop(self) -> None:
        self._ending = True
        self._changed.set()
        self._thread.join()
        self._looking.shutdown(cancel_futures=True)
        self._system.stop()
        self._log.stop()
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        self.check()

    def check(self) -> None:
        self._thread.check()
        self._system.check()
        self._log.check()

    def settings_changed(self, before: StatusParameters) -> None:
        self._changed.set()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        values: dict[str, object] = {"published": self._published, "problems": self._problems, "file": self._file or ""}
        problem = self._problem or self._log.trouble
        return (WARN, problem, values) if problem else (OK, "running", values)

    def look(self) -> rig_status.RigStatus:
        """The machine and its rig now."""
        settings, machine = self.settings, self._meter.read()
        nodes = self._watch.nodes(settings.stale_s)
        self._node_health.look(nodes, time.monotonic() - self._begin, settings.missing_s)
        root = sessions_dir(settings)
        storage, problems = self._storage(root), self._watch.problems(nodes)
        self._problems = len(problems)
        return rig_status.RigStatus(
            stamp=datetime.now(UTC),
            rig=settings.rig,
            namespace=self.get_namespace(),
            host=host_name(),
            node_id=self._node_id,
            version=__version__,
            uptime_s=time.monotonic() - self._begin,
            storage_path=str(root),
            **storage,
            cpu_percent=machine.cpu_percent,
            cpu_percent_per_core=machine.cpu_percent_per_core,
            cpu_temperature=machine.cpu_temperature,
            load_1min=machine.load_1min,
            memory_total=machine.memory_total,
            memory_used=machine.memory_used,
            memory_available=machine.memory_available,
            **_recording(self._watch.last(RecorderStatus, settings.stale_s)),
            **_network(self._watch.last(NetworkStatus), self.count_publishers("network")),
            **_battery(self._watch.last(BatteryState, settings.stale_s)),
            **_uploads(self._watch.last(UploaderStatus)),
            healthy=not any(severity == Severity.ERROR for severity, _ in problems),
            problems=tuple(text for _, text in problems),
            nodes=tuple(nodes),
        )

    def _storage(self, root: Path) -> dict[str, int]:
        try:
            reading = read_storage(root)
        except OSError as error:  # such as a server of files that is gone
            self._problem = f"{root}: can't be looked at: {error.strerror}"
            return {}
        return {"storage_total": reading.total, "storage_used": reading.used, "storage_available": reading.available}

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ending:
            self._changed.clear()
            self._problem = ""
            self._tell(self.look())
            due = max(due + self.settings.interval_s, time.monotonic())
            self._changed.wait(due - time.monotonic())

    def _tell(self, status: rig_status.RigStatus) -> None:
        self._publisher.publish(rig_status.message_of(status))
        self._published += 1
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            rig_status.write_status(self._file, status)
        except OSError as error:
            self._problem = f"{self._file}: can't be written: {error.strerror}; set `file` to another place, or to none"

    def _status_path(self) -> Path | None:
        text = self.settings.file
        if text == "none":
            return None
        return Path(text).expanduser().absolute() if text else status_file(self.get_namespace(), self.context.get_domain_id())

    async def _get_inventory(self, request: GetInventory.Request, response: GetInventory.Response) -> GetInventory.Response:
        """Waits without holding up the executor: asking a sound server may take seconds."""
        answer = Future(executor=self.executor)

        def look() -> None:
            try:
                answer.set_result(self._look_at_hardware(refresh=request.refresh))
            except Exception as error:  # noqa: BLE001 - told in the answer
                answer.set_exception(error)

        self._looking.submit(look)
        try:
            inventory: Inventory = await answer
        except OSError as error:
            response.success, response.message = False, f"the hardware can't be looked at: {error}"
            return response
        response.success, response.message = True, "; ".join(f"{source}: {why}" for source, why in inventory.problems.items())
        response.looked_at = time_message(int(inventory.looked_at.timestamp() * 1e6) * 1000)
        response.inventory = inventory.model_dump_json()
        return response

    def _look_at_hardware(self, *, refresh: bool) -> Inventory:
        if not refresh and self._inventory is not None and time.monotonic() - self._inventory[0] < self.settings.inventory_s:
            return self._inventory[1]
        inventory = take_inventory()
        self._inventory = time.monotonic(), inventory
        return inventory


def _recording(status: RecorderStatus | None) -> dict[str, object]:
    if status is None:
        return {"state": ABSENT}
    losses = (stream.lost_dds + stream.lost_sequence + stream.dropped_queue + stream.dropped_encoder for stream in status.streams)
    return {
        "state": status.state,
        "recording": status.state in (RecorderStatus.RECORDING, RecorderStatus.STOPPING),
        "recording_id": status.recording_id,
        "recording_s": status.elapsed_s,
        "recording_bytes": status.bytes,
        "recording_lost": sum(losses),
    }


def _network(status: NetworkStatus | None, publishers: int) -> dict[str, object]:
    if status is None or not publishers:
        return {"network_detail": "nobody watches the network"}
    signal = {} if math.isnan(status.signal_dbm) else {"signal_dbm": status.signal_dbm}
    return {"network": status.state, "network_detail": status.detail, "ssid": status.ssid, **signal}


def _battery(state: BatteryState | None) -> dict[str, object]:
    if state is None or not state.present:
        return {"has_battery": False}
    values = {
        "battery_percent": 100 * state.percentage,
        "battery_voltage": state.voltage,
        "battery_current": state.current,
        "battery_power": state.voltage * state.current,
    }
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    charging = state.power_supply_status == BatteryState.POWER_SUPPLY_STATUS_CHARGING
    return {"has_battery": True, "battery_charging": charging, **known}


def _uploads(status: UploaderStatus | None) -> dict[str, object]:
    return {} if status is None else {"queued_uploads": status.queued}


def make_node(name: str) -> StatusNode:
    """The node, for `group`."""
    return StatusNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("status"))


if __name__ == "__main__":
    main()
