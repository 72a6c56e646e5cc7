"""Executable `wifi`: looks around, connects, and opens a hotspot for setting Wi-Fi up, on request."""

import time
from typing import NoReturn

from rclpy.callback_groups import ReentrantCallbackGroup
from rig_capture_msgs.msg import WifiNetwork
from rig_capture_msgs.srv import WifiConnect, WifiScan, WifiSetup
from std_msgs.msg import String

from rig_capture.nodes.common.base import RigNode, run_node, state_qos
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.profiles.settings.field import WifiSettings
from rig_capture.sensing.wifi.control import WifiControl
from rig_capture.sensing.wifi.errors import WifiError
from rig_capture.sensing.wifi.states import WifiState

_LOOK_S = 10.0
"""Time between looks whether there is Wi-Fi at all."""


class WifiNode(RigNode[WifiSettings]):
    """The services `wifi/scan`, `wifi/connect` and `wifi/setup`, and what it does now on `wifi/state`."""

    settings_type = WifiSettings
    task = "Wi-Fi"
    # A connection may take long, and can be given up meanwhile; diagnostics go on.
    executor_threads = 4

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._why = self._problem = ""
        self._look_at = 0.0
        self._state = self.create_publisher(String, "wifi/state", state_qos())
        self._control = WifiControl(self.settings, self._changed)
        group = ReentrantCallbackGroup()
        self.create_service(WifiScan, "wifi/scan", self._scan, callback_group=group)
        self.create_service(WifiConnect, "wifi/connect", self._connect, callback_group=group)
        self.create_service(WifiSetup, "wifi/setup", self._setup, callback_group=group)

    def start(self) -> None:
        self._state.publish(String(data=self._control.state.value))

    def stop(self) -> None:
        self._control.stop()

    def check(self) -> None:
        self._control.check()
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_S
            self._problem = self._control.problem()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        state = self._control.state
        return (WARN if self._problem else OK), self._problem or self._why or state.value, {"state": state.value}

    def _changed(self, state: WifiState, why: str) -> None:
        self._why = why
        self.get_logger().info(f"{state}: {why}")
        self._state.publish(String(data=state.value))

    def _scan(self, request: WifiScan.Request, response: WifiScan.Response) -> WifiScan.Response:
        try:
            networks = self._control.scan(rescan=request.rescan)
        except WifiError as error:
            response.message = str(error)
            return response
        response.success = True
        response.networks = [
            WifiNetwork(ssid=each.ssid, strength=each.strength, security=each.security, known=each.known, active=each.active)
            for each in networks
        ]
        return response

    def _connect(self, request: WifiConnect.Request, response: WifiConnect.Response) -> WifiConnect.Response:
        try:
            response.message = self._control.connect(
                request.ssid, request.password, hidden=request.hidden, timeout_s=float(request.timeout_s)
            )
            response.success = True
        except WifiError as error:
            response.message = str(error)
        return response

    def _setup(self, request: WifiSetup.Request, response: WifiSetup.Response) -> WifiSetup.Response:
        try:
            if request.enable:
                response.ssid, response.password = self._control.open_setup(float(request.timeout_s))
                response.message = f"join the Wi-Fi {response.ssid} to set this machine up"
            else:
                self._control.close_setup()
                response.message = "closed"
            response.success = True
        except WifiError as error:
            response.message = str(error)
        return response


def make_node(name: str) -> WifiNode:
    """The node, for `group`."""
    return WifiNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("wifi"))


if __name__ == "__main__":
    main()
