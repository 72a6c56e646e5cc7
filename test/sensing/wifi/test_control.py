"""Wi-Fi against a NetworkManager on a bus of its own."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.settings.field import WifiSettings
from rig_capture.sensing.wifi.control import WifiControl, hotspot_password
from rig_capture.sensing.wifi.errors import WifiCancelled, WifiError
from rig_capture.sensing.wifi.networks import AccessPoint
from rig_capture.sensing.wifi.states import WifiState
from test.parts import wait_until
from test.sensing.wifi.parts import ACTIVATED, IEEE_802_1X, NM, MockedManager, mocked_manager

PASSWORD = "correct horse battery"


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockedManager]:
    # Not tmp_path: with a long test name the path of the bus would be too long.
    with mocked_manager(tmp_path_factory.mktemp("nm")) as mocked:
        yield mocked


class Watched:
    """Settings, what was told of states, and a clock that the test turns."""

    def __init__(self) -> None:
        self.told: list[WifiState] = []
        self.why: list[str] = []
        self.now = 1000.0

    def control(self, **settings: object) -> WifiControl:
        """What is tested."""

        def changed(state: WifiState, why: str) -> None:
            self.told.append(state)
            self.why.append(why)

        return WifiControl(WifiSettings.model_validate({"connect_timeout_s": 5.0} | settings), changed, lambda: self.now)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_networks_are_listed_strongest_first(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Field Lab", 40)
    manager.add_network("Field Lab", 90)
    manager.add_network("Café", 60, 0)
    manager.add_network("Uni", 20, IEEE_802_1X)
    control = watched.control()
    found = control.scan(rescan=True)
    control.stop()
    assert [(each.ssid, each.strength, each.security) for each in found] == [
        ("Field Lab", 90, "WPA2"), ("Café", 60, ""), ("Uni", 20, "802.1X"),
    ]  # fmt: skip
    assert not any(each.known or each.active for each in found)


def test_the_radio_is_waited_for_when_it_looks_around(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Field Lab", 90)
    wireless = f"{NM}.Device.Wireless"
    manager.mock("AddProperty", "ssv", wireless, "LastScan", ("x", -1), path=manager.device)
    control = watched.control(scan_timeout_s=0.3)
    begin = time.monotonic()
    assert len(control.scan(rescan=True)) == 1  # it never comes back; what is known is the answer
    assert time.monotonic() - begin >= 0.3
    looks = f"self.UpdateProperties('{wireless}', {{'LastScan': dbus.Int64(77)}})"
    manager.mock("AddMethod", "sssss", wireless, "RequestScan", "a{sv}", "", looks, path=manager.device)
    control.stop()
    patient = watched.control(scan_timeout_s=60.0)
    assert len(patient.scan(rescan=True)) == 1
    refuses = "raise dbus.exceptions.DBusException('so soon', name='org.freedesktop.NetworkManager.Device.NotAllowed')"
    manager.mock("AddMethod", "sssss", wireless, "RequestScan", "a{sv}", "", refuses, path=manager.device)
    assert len(patient.scan(rescan=True)) == 1
    patient.stop()


def test_a_network_is_joined_kept_and_joined_again_without_its_password(
    manager: MockedManager, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    manager.add_network("Field Lab", 90)
    control = watched.control()
    control.connect("Field Lab", PASSWORD)
    (kept,) = manager.connections()
    assert bytes(kept["802-11-wireless"]["ssid"]) == b"Field Lab"
    assert kept["802-11-wireless-security"] == {"key-mgmt": "wpa-psk", "psk": PASSWORD}
    (network,) = control.scan(rescan=False)
    assert (network.known, network.active) == (True, True)
    control.connect("Field Lab", "")
    assert manager.names() == ["Field Lab"]
    control.connect("Field Lab", "another password")
    assert [settings["802-11-wireless-security"]["psk"] for settings in manager.connections()] == ["another password"]
    assert watched.told[:2] == [WifiState.CONNECTING, WifiState.IDLE]
    control.stop()
    assert PASSWORD not in caplog.text + " ".join(watched.why)


def test_hidden_and_open_networks_are_joined(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Café", 60, 0)
    control = watched.control()
    control.connect("Café", "")
    control.connect("Nobody sees me", PASSWORD, hidden=True)
    control.stop()
    settings = {each["connection"]["id"]: each for each in manager.connections()}
    assert "802-11-wireless-security" not in settings["Café"]
    assert settings["Nobody sees me"]["802-11-wireless"]["hidden"]


@pytest.mark.parametrize(
    ("ssid", "password", "reason"),
    [
        ("Elsewhere", PASSWORD, "is not in reach"),
        ("Field Lab", "short", "8 to 63 characters, and this one has 5"),
        ("Field Lab", "", "needs a password"),
        ("Uni", PASSWORD, "802.1X networks are not set up here"),
    ],
)
def test_what_cannot_work_is_refused_at_once(manager: MockedManager, watched: Watched, ssid: str, password: str, reason: str) -> None:
    manager.add_network("Field Lab", 90)
    manager.add_network("Uni", 20, IEEE_802_1X)
    control = watched.control()
    with pytest.raises(WifiError, match=reason) as caught:
        control.connect(ssid, password)
    control.stop()
    assert not password or password not in str(caught.value)
    assert manager.names() == []


def test_a_connection_that_does_not_come_up_is_forgotten(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Field Lab", 90)
    manager.let_connections_be(1)
    control = watched.control(connect_timeout_s=0.3)
    with pytest.raises(WifiError, match=r"no connection within 0\.3 s"):
        control.connect("Field Lab", PASSWORD)
    control.stop()
    assert manager.names() == []
    assert watched.told[-1] == WifiState.IDLE


def test_a_wrong_password_is_told_as_such(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Field Lab", 90)
    manager.let_connections_be(4)
    manager.set(manager.device, ".Device", "StateReason", ("(uu)", (120, 9)))
    control = watched.control()
    with pytest.raises(WifiError, match="the password is wrong"):
        control.connect("Field Lab", PASSWORD)
    control.stop()


def test_a_connection_under_way_is_given_up_on_request(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Field Lab", 90)
    manager.let_connections_be(1)
    control = watched.control(connect_timeout_s=60.0)
    failures: list[BaseException] = []

    def connect() -> None:
        try:
            control.connect("Field Lab", PASSWORD)
        except WifiCancelled as failure:
            failures.append(failure)

    thread = threading.Thread(target=connect)
    thread.start()
    wait_until(lambda: manager.names() == ["Field Lab"], "the attempt")
    begin = time.monotonic()
    control.close_setup()
    thread.join(10)
    assert time.monotonic() - begin < 3
    assert len(failures) == 1
    control.stop()
    assert manager.names() == []


def test_the_hotspot_opens_closes_when_its_time_is_up_and_gives_back_what_was_there(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Field Lab", 90)
    control = watched.control(hotspot_ssid="rig-7", hotspot_timeout_s=60.0)
    control.connect("Field Lab", PASSWORD)
    ssid, password = control.open_setup()
    assert (ssid, len(password)) == ("rig-7", 12)
    hotspot = next(each for each in manager.connections() if each["802-11-wireless"]["mode"] == "ap")
    assert hotspot["802-11-wireless-security"]["psk"] == password
    assert (hotspot["ipv4"]["method"], hotspot["connection"]["autoconnect"]) == ("shared", False)
    assert control.state == WifiState.SETUP
    watched.now += 59
    control.check()
    assert control.state == WifiState.SETUP
    assert control.open_setup() == (ssid, password)
    watched.now += 59
    control.check()
    assert control.state == WifiState.SETUP
    watched.now += 2
    control.check()
    assert watched.told[-1] == WifiState.IDLE
    assert "its time is up" in watched.why[-1]
    assert manager.names() == ["Field Lab"]
    assert manager.get(manager.device, ".Device", "State") == ACTIVATED
    control.stop()


def test_the_hotspot_makes_way_for_a_network_and_comes_back_where_that_fails(manager: MockedManager, watched: Watched) -> None:
    manager.add_network("Field Lab", 90)
    control = watched.control()
    control.open_setup()
    with pytest.raises(WifiError, match="not in reach"):
        control.connect("Elsewhere", PASSWORD)
    assert control.state == WifiState.SETUP
    control.connect("Field Lab", PASSWORD)
    assert watched.told[-1] == WifiState.IDLE
    assert manager.names() == ["Field Lab"]
    control.stop()


def test_a_hotspot_that_somebody_else_ends_is_noticed(manager: MockedManager, watched: Watched) -> None:
    control = watched.control()
    control.open_setup()
    active = manager.get(manager.device, ".Device", "ActiveConnection")
    manager.mock("RemoveActiveConnection", "ss", manager.device, active)
    control.check()
    assert control.state == WifiState.IDLE
    assert manager.names() == []
    control.stop()


def test_what_a_killed_program_left_is_removed(manager: MockedManager, watched: Watched) -> None:
    killed = watched.control()
    killed.open_setup()
    control = watched.control()
    control.open_setup()
    assert len(manager.names()) == 1
    control.stop()
    assert manager.names() == []


def test_the_hotspot_s_password_is_made_once_and_is_nobody_else_s(tmp_path: Path) -> None:
    settings = WifiSettings(hotspot_password_file=str(tmp_path / "new/password"))
    password = hotspot_password(settings)
    assert hotspot_password(settings) == password
    (tmp_path / "new/password").chmod(0o644)
    with pytest.raises(WifiError, match="chmod 600"):
        hotspot_password(settings)


def test_wifi_that_is_off_or_not_there_says_what_to_do(manager: MockedManager, watched: Watched) -> None:
    control = watched.control(interface="wlan9")
    with pytest.raises(WifiError, match=r"no wireless interface wlan9 \(there: wlan0\)"):
        control.scan(rescan=False)
    control.stop()
    manager.set("/org/freedesktop/NetworkManager", "", "WirelessEnabled", ("b", False))
    control = watched.control()
    with pytest.raises(WifiError, match="nmcli radio wifi on"):
        control.scan(rescan=False)
    control.stop()


def test_without_networkmanager_the_error_says_so(watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    control = watched.control()
    with pytest.raises(WifiError, match="apt-get install network-manager"):
        control.scan(rescan=False)
    control.stop()


@pytest.mark.parametrize(
    ("flags", "wpa", "rsn", "security", "key"),
    [(0, 0, 0, "", ""), (1, 0x100, 0, "WPA", "wpa-psk"), (1, 0, 0x100, "WPA2", "wpa-psk"), (1, 0, 0x500, "WPA2 WPA3", "wpa-psk"),
     (1, 0, 0x400, "WPA3", "sae"), (0, 0, 0x800, "OWE", "owe")],
)  # fmt: skip
def test_security_follows_from_an_access_point_s_flags(flags: int, wpa: int, rsn: int, security: str, key: str) -> None:
    point = AccessPoint("/", "x", 50, flags, wpa, rsn)
    assert (point.security, point.key_management) == (security, key)
