"""Executable `network`: what the network looks like from this machine, on `network`."""

from typing import NoReturn

from rig_capture_msgs.msg import NetworkStatus

from rig_capture.health.catalogue import NETWORK_LOST
from rig_capture.nodes.common.base import RigNode, run_node, state_qos, time_message
from rig_capture.nodes.common.diagnosis import ERROR, OK, WARN
from rig_capture.profiles.settings.machine import NetworkSettings
from rig_capture.sensing.network import NetworkReading, NetworkState, NetworkWatch


class NetworkNode(RigNode[NetworkSettings]):
    """Publishes every look, at intervals and on change."""

    settings_type = NetworkSettings
    task = "Network"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._publisher = self.create_publisher(NetworkStatus, "network", state_qos())
        self._watch = NetworkWatch(self.settings, self._publish)
        self._reading: NetworkReading | None = None
        self._changed_ns = 0

    def start(self) -> None:
        self._watch.start()

    def stop(self) -> None:
        self._watch.stop()

    def settings_changed(self, before: NetworkSettings) -> None:
        self._watch.update(self.settings)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        if self._watch.failure is not None:
            return ERROR, f"the watch failed: {self._watch.failure}", {}
        reading = self._reading
        if reading is None:
            return OK, "starting", {}
        level = OK if reading.state == NetworkState.ONLINE else WARN
        values = {"state": reading.state.name.lower(), "interface": reading.interface, "addresses": " ".join(reading.addresses)}
        return level, reading.detail, {**values, "ssid": reading.ssid, "round_trip_ms": f"{reading.round_trip_ms:.1f}"}

    def _publish(self, reading: NetworkReading, changed: bool) -> None:
        """Called in the watch's thread."""
        now_ns = self.now_ns()
        self._reading = reading
        if changed:
            self._changed_ns = now_ns
            self.get_logger().info(f"{reading.state.name.lower()}: {reading.detail}")
        self.health.set(
            NETWORK_LOST,
            problem=self.settings.needed and reading.state != NetworkState.ONLINE,
            message=f"the network is {reading.state.name.lower().replace('_', ' ')}: {reading.detail}",
            evidence={"interface": reading.interface, "addresses": list(reading.addresses), "ssid": reading.ssid},
        )
        status = NetworkStatus(
            state=int(reading.state),
            detail=reading.detail,
            changed_at=time_message(self._changed_ns),
            interface=reading.interface,
            addresses=list(reading.addresses),
            ssid=reading.ssid,
            signal_dbm=reading.signal_dbm,
            round_trip_ms=reading.round_trip_ms,
        )
        status.header.stamp = time_message(now_ns)
        self._publisher.publish(status)


def make_node(name: str) -> NetworkNode:
    """The node, for `group`."""
    return NetworkNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("network"))


if __name__ == "__main__":
    main()
