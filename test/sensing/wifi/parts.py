"""NetworkManager as python-dbusmock plays it, on a bus of its own."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection

from test.parts import need_programs, wait_until

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, for which python3-dbusmock is installed."""
NM = "org.freedesktop.NetworkManager"
DISCONNECTED, ACTIVATED, FAILED = 30, 100, 120
PSK, IEEE_802_1X = 0x100, 0x200


class MockedManager:
    """Its lowest edge: what is on the bus."""

    def __init__(self, address: str) -> None:
        self._connection = open_dbus_connection(address)
        self.device = self.mock("AddWiFiDevice", "ssi", "wlan0", "wlan0", DISCONNECTED)

    def mock(self, method: str, signature: str, *arguments: object, path: str = f"/{NM.replace('.', '/')}") -> Any:
        """Calls one of the mock's own methods."""
        call = new_method_call(DBusAddress(path, NM, "org.freedesktop.DBus.Mock"), method, signature, arguments)
        body = self._connection.send_and_get_reply(call, timeout=10).body
        return body[0] if body else None

    def get(self, path: str, interface: str, name: str) -> Any:
        """A property."""
        call = new_method_call(DBusAddress(path, NM, "org.freedesktop.DBus.Properties"), "Get", "ss", (f"{NM}{interface}", name))
        return self._connection.send_and_get_reply(call, timeout=10).body[0][1]

    def set(self, path: str, interface: str, name: str, value: tuple[str, object]) -> None:
        """Sets a property of an object."""
        self.mock("UpdateProperties", "sa{sv}", f"{NM}{interface}", {name: value}, path=path)

    def add_network(self, ssid: str, strength: int, security: int = PSK) -> str:
        """Brings an access point into reach; gives its path."""
        number = f"ap{strength}_{security}"
        path: str = self.mock(
            "AddAccessPoint", "ssssuuuyu", self.device, number, ssid, "00:11:22:33:44:55", 2, 2437, 54000, strength, security
        )
        return path

    def let_connections_be(self, state: int) -> None:
        """From now on connections begin in this state and stay there: 1 activating, 2 activated."""
        code = f"ret = self.AddActiveConnection([args[1]] if {state} == 2 else [], args[0], args[2], 'slow', {state})"
        self.mock("AddMethod", "sssss", NM, "ActivateConnection", "ooo", "o", code)

    def calls(self) -> str:
        """All calls that were made so far, with their arguments."""
        return str(self.mock("GetCalls", ""))

    def connections(self) -> list[dict[str, Any]]:
        """Settings of all connections that are kept."""
        paths = self.get(f"/{NM.replace('.', '/')}/Settings", ".Settings", "Connections")
        found = []
        for path in paths:
            call = new_method_call(DBusAddress(path, NM, f"{NM}.Settings.Connection"), "GetSettings")
            body = self._connection.send_and_get_reply(call, timeout=10).body[0]
            found.append({section: {key: value[1] for key, value in values.items()} for section, values in body.items()})
        return found

    def names(self) -> list[str]:
        """Names of all connections that are kept."""
        return sorted(settings["connection"]["id"] for settings in self.connections())

    def close(self) -> None:
        """Hangs up."""
        self._connection.close()


@contextlib.contextmanager
def mocked_manager(folder: Path) -> Iterator[MockedManager]:
    """A bus with a NetworkManager; DBUS_SYSTEM_BUS_ADDRESS is set for the test and what it starts."""
    need_programs("dbus", "dbus-daemon")
    plain = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
    if subprocess.run([SYSTEM_PYTHON, "-c", "import dbusmock"], env=plain, capture_output=True, check=False).returncode:
        pytest.skip("python-dbusmock not found; run: sudo apt-get install python3-dbusmock")
    config = folder / "bus.conf"
    address = f"unix:path={folder}/bus"
    config.write_text(
        '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">\n'
        f"<busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth><policy context='default'>"
        "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/><allow user='*'/></policy></busconfig>\n"
    )
    environment = plain | {"DBUS_SYSTEM_BUS_ADDRESS": address}
    with (folder / "bus.log").open("wb") as log, contextlib.ExitStack() as stack:
        for command in (
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"],
            [SYSTEM_PYTHON, "-m", "dbusmock", "--template", "networkmanager"],
        ):
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until((folder / "bus").exists, "the bus")
        wait_until(lambda: _answers(address), "the mocked NetworkManager")
        manager = MockedManager(address)
        stack.callback(manager.close)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
            yield manager


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError), open_dbus_connection(address) as connection:
        owner = new_method_call(
            DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus"), "NameHasOwner", "s", (NM,)
        )
        if connection.send_and_get_reply(owner, timeout=5).body[0]:
            get = new_method_call(DBusAddress(f"/{NM.replace('.', '/')}", NM, NM), "GetDevices")
            return bool(connection.send_and_get_reply(get, timeout=5).header.message_type.name == "method_return")
    return False
