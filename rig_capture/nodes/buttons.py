"""Executable `buttons`: a button that starts and stops recordings, with a lamp and a buzzer that tell what came of it."""

import time
from typing import Any, NoReturn

from rclpy.client import Client
from rclpy.task import Future
from rig_capture_msgs.msg import ButtonEvent, RecorderStatus
from rig_capture_msgs.srv import StartRecording, StopRecording, TriggerRecording, WifiSetup
from std_msgs.msg import String

from rig_capture.health.catalogue import DEVICE_LOST
from rig_capture.nodes.common.base import RigNode, run_node, state_qos
from rig_capture.nodes.common.diagnosis import ERROR, OK
from rig_capture.profiles.settings.field import ButtonsSettings
from rig_capture.sensing.buttons.panel import Panel
from rig_capture.sensing.buttons.presses import Recognised
from rig_capture.sensing.buttons.states import Action, MachineState, action_of, machine_state
from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.wifi.states import WifiState

REQUESTS: dict[Action, tuple[Any, str, Any]] = {
    Action.START: (StartRecording, "start_recording", StartRecording.Request()),
    Action.STOP: (StopRecording, "stop_recording", StopRecording.Request()),
    Action.TRIGGER: (TriggerRecording, "trigger_recording", TriggerRecording.Request(label="button")),
    Action.OPEN_WIFI: (WifiSetup, "wifi/setup", WifiSetup.Request(enable=True)),
    Action.CLOSE_WIFI: (WifiSetup, "wifi/setup", WifiSetup.Request(enable=False)),
}
"""The service that an action calls, and what it is asked."""


class _Asked:
    """A service that was asked, and until when its answer is waited for."""

    def __init__(self, press: Recognised, action: Action, until: float) -> None:
        self.press = press
        self.action = action
        self.until = until


class ButtonsNode(RigNode[ButtonsSettings]):
    """Makes presses into service calls, and tells each press with what it led to on `button_event`."""

    settings_type = ButtonsSettings
    task = "Button"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._events = self.create_publisher(ButtonEvent, "button_event", state_qos(50))
        self._recorder = ""
        self._wifi = ""
        self._panel: Panel | None = None
        self._problem = ""
        self._try_at = 0.0
        self._presses = 0
        self._asked: dict[Future, _Asked] = {}
        self._callers: dict[Action, Client] = {
            action: self.create_client(kind, service) for action, (kind, service, _) in REQUESTS.items() if action != Action.CLOSE_WIFI
        }
        self._callers[Action.CLOSE_WIFI] = self._callers[Action.OPEN_WIFI]
        self._status = self.create_subscription(RecorderStatus, "recorder/status", self._hear_recorder, state_qos())
        self._wifi_state = self.create_subscription(String, "wifi/state", self._hear_wifi, state_qos())

    @property
    def state(self) -> MachineState:
        """Where the machine stands."""
        return machine_state(self._recorder, wifi_setup=self._wifi == WifiState.SETUP)

    def start(self) -> None:
        self._open()

    def stop(self) -> None:
        if self._panel is not None:
            self._panel.show(MachineState.SHUTDOWN)
            self._panel.close()

    def check(self) -> None:
        if self._panel is not None:
            self._panel.check()
        elif time.monotonic() >= self._try_at:
            self._open()
        if self.count_publishers(self._status.topic_name) == 0:
            self._recorder = ""
        if self.count_publishers(self._wifi_state.topic_name) == 0:
            self._wifi = ""
        self._show()
        for answer, asked in list(self._asked.items()):
            if time.monotonic() > asked.until and self._asked.pop(answer, None) is not None:
                self._tell(asked.press, asked.action, success=False, detail=f"no answer within {self.settings.answer_s:g} s")

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        served = sorted({REQUESTS[action][1] for action, client in self._callers.items() if client.service_is_ready()})
        values: dict[str, object] = {
            "state": self.state.value,
            "presses": self._presses,
            "pin": self.settings.pin,
            "served": " ".join(served),
        }
        return (ERROR, self._problem, values) if self._problem else (OK, f"the machine is in state {self.state}", values)

    def _open(self) -> None:
        panel = Panel(self.settings, self._pressed, lambda: self.state in (MachineState.IDLE, MachineState.ERROR))
        try:
            panel.open()
        except DeviceError as error:
            self._problem = str(error)
            self._try_at = time.monotonic() + self.settings.retry_s
        else:
            self._problem, self._panel = "", panel
            self._show()
        self.health.set(DEVICE_LOST, problem=bool(self._problem), message=self._problem or "the button's pins are there")

    def _show(self) -> None:
        if self._panel is not None:
            self._panel.show(self.state)

    def _hear_recorder(self, status: RecorderStatus) -> None:
        self._recorder = status.state
        self._show()

    def _hear_wifi(self, state: String) -> None:
        self._wifi = state.data
        self._show()

    def _pressed(self, press: Recognised) -> None:
        """Called in the panel's thread."""
        self._presses += 1
        action, why = action_of(press.press, self.state, self.settings.double_action, self.settings.long_action)
        if action not in REQUESTS:
            self._tell(press, action, success=action != Action.NONE, detail=why)
            return
        _, service, request = REQUESTS[action]
        client = self._callers[action]
        if not client.service_is_ready():
            self._tell(press, action, success=False, detail=f"nobody serves {service}; is its node up? (`rig status` tells)")
            return
        answer = client.call_async(request)
        self._asked[answer] = _Asked(press, action, time.monotonic() + self.settings.answer_s)
        answer.add_done_callback(self._answered)

    def _answered(self, answer: Future) -> None:
        asked = self._asked.pop(answer, None)
        if asked is not None:  # otherwise its time was up
            result = answer.result()
            self._tell(asked.press, asked.action, success=result.success, detail=result.message)

    def _tell(self, press: Recognised, action: Action, *, success: bool, detail: str) -> None:
        event = ButtonEvent(
            button=self.settings.button, press=press.press.value, held_s=press.held_s, action=action.value, success=success, detail=detail
        )
        event.header.stamp = self.get_clock().now().to_msg()
        self._events.publish(event)
        level = "did" if success else "could not do"
        self.get_logger().info(f"{press.press} press {level} {action or 'nothing'}" + (f": {detail}" if detail else ""))
        if self._panel is not None:
            self._panel.sound(success=success)


def make_node(name: str) -> ButtonsNode:
    """The node, for `group`."""
    return ButtonsNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("buttons"))


if __name__ == "__main__":
    main()
