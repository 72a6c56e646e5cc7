"""The buttons node on mock pins, with a real recorder and a Wi-Fi node, all in processes of their own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rig_capture_msgs.msg import ButtonEvent, RecorderStatus
from rig_capture_msgs.srv import WifiConnect, WifiScan, WifiSetup
from std_msgs.msg import String

from rig_capture.nodes.common.base import state_qos
from test.integration.nodes import Ear, end_or_kill, running
from test.integration.recorders import Call, Start
from test.sensing.wifi.parts import MockedManager, mocked_manager

pytestmark = pytest.mark.integration

SETTINGS = {"pin": "GPIO17", "led_pin": "GPIO27", "buzzer_pin": "GPIO22", "long_s": 2.0, "double_s": 1.0, "bounce_s": 0.0}


class Board:
    """A button, a lamp and a buzzer."""

    def __init__(self, namespace: str, log: Path) -> None:
        command = [sys.executable, "-m", "test.integration.mock_pins", "--ros-args", "-r", f"__ns:={namespace}"]
        for key, value in SETTINGS.items():
            command += ["-p", f"{key}:={value}"]
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def is_on(self, pin: str) -> bool:
        self.tell(f"is {pin}")
        assert self.process.stdout is not None
        return self.process.stdout.readline() == "1\n"

    def press(self) -> None:
        self.tell("down GPIO17")
        self.tell("up GPIO17")


def served(status: DiagnosticStatus | None) -> list[str]:
    """Services that the buttons' node has found."""
    return {pair.key: pair.value for pair in status.values}["served"].split() if status is not None else []


@pytest.fixture
def board(namespace: str, tmp_path: Path) -> Iterator[Board]:
    made = Board(namespace, tmp_path / "buttons.log")
    yield made
    end_or_kill(made.process)


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockedManager]:
    with mocked_manager(tmp_path_factory.mktemp("nm")) as mocked:
        mocked.add_network("Field Lab", 90)
        yield mocked


def test_a_short_press_starts_a_recording_and_another_stops_it(ear: Ear, namespace: str, board: Board, recorder: Start) -> None:
    events = ear.hear(ButtonEvent, f"{namespace}/button_event", state_qos(50))
    states = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    diagnosis = ear.diagnosis(namespace, "buttons")
    recorder("topic health rig_capture_msgs/msg/HealthEvent optional")
    ear.until(lambda: (status := diagnosis()) is not None and "state idle" in status.message, "an idle machine")
    ear.until(lambda: "start_recording" in served(diagnosis()), "the recorder's services")
    board.press()
    ear.until(lambda: bool(events), "the start")
    assert (events[0].press, events[0].action, events[0].success) == ("short", "start_recording", True), events[0].detail
    # From another process than the event, and so perhaps after it.
    ear.until(lambda: states[-1].state == "recording", "the recorder's state")
    ear.until(lambda: (status := diagnosis()) is not None and "state recording" in status.message, "the state")
    assert board.is_on("GPIO27")
    board.tell("down GPIO17")
    ear.until(lambda: len(events) == 2, "a long press")
    assert (events[1].press, events[1].action, events[1].success) == ("long", "", False)
    assert "needs an idle machine" in events[1].detail
    board.tell("up GPIO17")
    board.press()
    ear.until(lambda: len(events) == 3, "the stop")
    assert (events[2].press, events[2].action, events[2].success) == ("short", "stop_recording", True)
    ear.until(lambda: states[-1].state == "idle", "an idle recorder")
    board.press()
    board.press()
    ear.until(lambda: len(events) == 4, "a double press")
    assert (events[3].press, events[3].action, events[3].success) == ("double", "preview", True)
    board.process.terminate()
    assert board.process.wait(20) == 0


def test_a_press_that_nobody_serves_says_so_and_the_buzzer_complains(ear: Ear, namespace: str, board: Board) -> None:
    events = ear.hear(ButtonEvent, f"{namespace}/button_event", state_qos(50))
    diagnosis = ear.diagnosis(namespace, "buttons")
    ear.until(lambda: (status := diagnosis()) is not None and "state boot" in status.message, "the node")
    board.tell("down GPIO17")
    ear.until(lambda: bool(events), "the press")
    assert (events[0].press, events[0].action, events[0].success) == ("long", "open_wifi_setup", False)
    assert "nobody serves wifi/setup" in events[0].detail
    ear.until(lambda: board.is_on("GPIO22"), "the buzzer")


def test_a_long_press_opens_wifi_set_up_and_any_press_closes_it(
    ear: Ear, namespace: str, board: Board, manager: MockedManager, tmp_path: Path
) -> None:
    events = ear.hear(ButtonEvent, f"{namespace}/button_event", state_qos(50))
    states = ear.hear(String, f"{namespace}/wifi/state", state_qos())
    diagnosis = ear.diagnosis(namespace, "buttons")
    with running("wifi", namespace, tmp_path) as wifi:
        ear.until(lambda: bool(states) and "wifi/setup" in served(diagnosis()), "both nodes, which know each other")
        board.tell("down GPIO17")
        ear.until(lambda: bool(events) and states[-1].data == "setup", "the hotspot")
        assert (events[0].press, events[0].action, events[0].success) == ("long", "open_wifi_setup", True), events[0].detail
        board.tell("up GPIO17")
        ear.until(lambda: (status := diagnosis()) is not None and "wifi_setup" in status.message, "the machine's state")
        assert manager.names() == ["rig_capture set-up"]
        board.press()
        ear.until(lambda: len(events) == 2 and states[-1].data == "idle", "its end")
        assert events[1].action == "close_wifi_setup"
        assert manager.names() == []
        assert wifi.end()[0] == 0


def test_wifi_is_looked_at_joined_and_set_up_by_services(
    ear: Ear, namespace: str, call: Call, manager: MockedManager, tmp_path: Path
) -> None:
    password = "correct horse"
    with running("wifi", namespace, tmp_path, {"hotspot_ssid": "rig-7"}) as wifi:
        networks = call(WifiScan, "wifi/scan", rescan=True).networks
        assert [(each.ssid, each.strength, each.security, each.known) for each in networks] == [("Field Lab", 90, "WPA2", False)]
        refused = call(WifiConnect, "wifi/connect", ssid="Elsewhere", password=password)
        assert not refused.success
        assert "not in reach" in refused.message
        assert call(WifiConnect, "wifi/connect", ssid="Field Lab", password=password).success
        hotspot: Any = call(WifiSetup, "wifi/setup", enable=True, timeout_s=0.5)
        assert (hotspot.success, hotspot.ssid, len(hotspot.password)) == (True, "rig-7", 12)
        states = ear.hear(String, f"{namespace}/wifi/state", state_qos())
        ear.until(lambda: bool(states) and states[-1].data == "idle", "the end of its time")
        call(WifiSetup, "wifi/setup", enable=True)
        assert (wifi.end()[0], manager.names()) == (0, ["Field Lab"])
        assert password not in wifi.said
        assert hotspot.password not in wifi.said


def test_a_machine_without_networkmanager_says_so_and_the_node_stays_up(ear: Ear, namespace: str, tmp_path: Path) -> None:
    diagnosis = ear.diagnosis(namespace, "wifi")
    with running("wifi", namespace, tmp_path, environment={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/none"}) as node:
        ear.until(lambda: (status := diagnosis()) is not None and "apt-get install network-manager" in status.message, "the problem")
        assert node.end()[0] == 0


def test_pins_that_are_not_there_leave_the_node_up_and_say_what_to_do(ear: Ear, namespace: str, tmp_path: Path) -> None:
    diagnosis = ear.diagnosis(namespace, "buttons")
    with running("buttons", namespace, tmp_path, environment={"GPIOZERO_PIN_FACTORY": "none_here"}) as node:
        ear.until(lambda: (status := diagnosis()) is not None and "can't be had" in status.message, "the problem")
        assert node.end()[0] == 0
