"""What can be done with a machine's Wi-Fi: look around, connect, open and close a hotspot.

NetworkManager's D-Bus API, version 1.0 and newer (https://networkmanager.dev/docs/api/latest/).
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rig_capture.sensing.wifi.bus import MANAGER, ManagerBus, NotNow, ObjectGone
from rig_capture.sensing.wifi.errors import WifiCancelled, WifiError
from rig_capture.sensing.wifi.networks import (
    HOTSPOT_ID,
    AccessPoint,
    Network,
    Settings,
    check_password,
    client_settings,
    hotspot_settings,
    networks_of,
    ssid_of,
)

_DEVICE, _WIRELESS, _ACTIVE = ".Device", ".Device.Wireless", ".Connection.Active"
_SETTINGS = f"{MANAGER}/Settings"
_TYPE_WIFI, _UNAVAILABLE = 2, 20
_ACTIVATED, _DEACTIVATING = 2, 3
_LOOK_S = 0.1
_REASONS = {
    5: "it gives no address",
    7: "the password is wrong, or missing",
    8: "it hung up; the password may be wrong",
    9: "the password is wrong",
    10: "it refuses; the password may be wrong",
    11: "it did not let this machine in in time; the password may be wrong, or it is too far away",
    15: "it gives no address (no DHCP server answers)",
    16: "it gives no address (DHCP failed)",
    17: "it gives no address (DHCP failed)",
    53: "it is not in reach",
}
"""NMDeviceStateReason."""


@dataclass(frozen=True)
class Hotspot:
    """A hotspot that is open."""

    ssid: str
    connection: str
    active: str
    before: str
    """Connection that was active before; empty: none."""


class WifiManager:
    """One wireless interface. One thread at a time; `cancel` from any."""

    def __init__(self, bus: ManagerBus, interface: str = "") -> None:
        """Asks nothing yet.

        Args:
            bus: to NetworkManager.
            interface: which; empty: the first.
        """
        self._bus = bus
        self._interface = interface
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Has a scan or a connection that is under way raise WifiCancelled, and all later ones until `resume`."""
        self._cancelled.set()

    def resume(self) -> None:
        """Ends what `cancel` began."""
        self._cancelled.clear()

    def check(self) -> None:
        """Raises WifiError where there is no Wi-Fi that could be used."""
        self._device()

    def scan(self, *, rescan: bool, timeout_s: float) -> list[Network]:
        """Networks in reach, strongest first.

        Args:
            rescan: have the radio look around, and wait for it.
            timeout_s: longest wait; what is known then is the answer.

        Raises:
            WifiError: there is no Wi-Fi, or NetworkManager does not answer.
        """
        device = self._device()
        if rescan:
            self._rescan(device, timeout_s)
        return networks_of(self._points(device), set(self._known()), self._active_ssid(device))

    def connect(self, ssid: str, password: str, *, hidden: bool, timeout_s: float) -> str:
        """Connects to a network, and keeps it for later; one that does not work is forgotten again.

        Args:
            ssid: its name.
            password: empty where it is open, or known already.
            hidden: it does not tell its name.
            timeout_s: longest wait.

        Returns:
            The address that was given; empty where there is none.

        Raises:
            WifiError: it can't be connected to; the message says why.
        """
        device = self._device()
        points = [point for point in self._points(device) if point.ssid == ssid]
        known = self._known().get(ssid)
        if not points and not hidden:
            raise WifiError(f"{ssid} is not in reach; `rig wifi scan` shows what is (a hidden one: --hidden)")
        best = max(points, key=lambda point: point.strength, default=None)
        if known is not None and not password:
            connection, is_new = known, False
        else:
            key = best.key_management if best else "wpa-psk" if password else ""
            check_password(ssid, key, password)
            connection, is_new = self._add(client_settings(ssid, key, password, hidden=hidden), "AddConnection"), True
        try:
            active = self._activate(connection, device, best.path if best else "/")
            self._wait_for(ssid, device, active, timeout_s)
        except BaseException:
            if is_new:
                self._forget(connection)
            raise
        if is_new and known is not None:
            self._forget(known)  # its password was another one
        return self._address(device)

    def open_hotspot(self, ssid: str, password: str, band: str, timeout_s: float) -> Hotspot:
        """Opens a hotspot; what was connected before is let go. Nothing of it is written to disk.

        Raises:
            WifiError: it can't be opened.
        """
        device = self._device()
        self.remove_leftovers()
        before = self._connection_of(device)
        connection = self._add(hotspot_settings(ssid, password, band), "AddConnectionUnsaved")
        try:
            active = self._activate(connection, device, "/")
            self._wait_for(f"the hotspot {ssid}", device, active, timeout_s)
        except BaseException:
            self._forget(connection)
            raise
        return Hotspot(ssid, connection, active, before)

    def close_hotspot(self, hotspot: Hotspot, *, restore: bool) -> None:
        """Closes it; `restore`: and connects again to what was connected before."""
        try:
            self._bus.call(MANAGER, "", "DeactivateConnection", "o", hotspot.active)
        except ObjectGone:
            pass  # it has ended by itself
        finally:
            self._forget(hotspot.connection)
        if restore and hotspot.before:
            self._activate(hotspot.before, self._device(), "/")

    def is_open(self, hotspot: Hotspot) -> bool:
        """Whether it is still there; somebody else may have ended it."""
        try:
            return int(self._bus.get(hotspot.active, _ACTIVE, "State")) < _DEACTIVATING
        except ObjectGone:
            return False

    def remove_leftovers(self) -> None:
        """Removes hotspots of a process that was killed."""
        for path, settings in self._connections():
            if settings.get("connection", {}).get("id", ("s", ""))[1] == HOTSPOT_ID:
                self._forget(path)

    def _device(self) -> str:
        others = []
        (devices,) = self._bus.call(MANAGER, "", "GetDevices")
        for device in devices:
            if self._bus.get(device, _DEVICE, "DeviceType") == _TYPE_WIFI:
                name = self._bus.get(device, _DEVICE, "Interface")
                if self._interface in ("", name):
                    self._check(device, name)
                    return str(device)
                others.append(name)
        what = f"no wireless interface {self._interface}" if self._interface else "no wireless interface"
        raise WifiError(f"NetworkManager knows {what} (there: {', '.join(others) or 'none'}); is the radio there, and its driver?")

    def _check(self, device: str, name: str) -> None:
        if not self._bus.get(MANAGER, "", "WirelessEnabled"):
            raise WifiError("Wi-Fi is switched off; switch it on: nmcli radio wifi on")
        state = self._bus.get(device, _DEVICE, "State")
        if state <= _UNAVAILABLE:
            raise WifiError(
                f"{name} can't be used (NetworkManager's state {state}); is it unmanaged, blocked (rfkill), or without firmware?"
            )

    def _points(self, device: str) -> list[AccessPoint]:
        (paths,) = self._bus.call(device, _WIRELESS, "GetAllAccessPoints")
        points = []
        for path in paths:
            try:
                values = [self._bus.get(path, ".AccessPoint", name) for name in ("Ssid", "Strength", "Flags", "WpaFlags", "RsnFlags")]
            except ObjectGone:
                continue  # went out of reach just now
            points.append(AccessPoint(path, bytes(values[0]).decode(errors="replace"), *map(int, values[1:])))
        return points

    def _rescan(self, device: str, timeout_s: float) -> None:
        before = self._last_scan(device)
        try:
            self._bus.call(device, _WIRELESS, "RequestScan", "a{sv}", {})
        except NotNow:
            return  # it has just looked around; what is known is fresh
        if before is not None:
            self._until(lambda: self._last_scan(device) != before, timeout_s)

    def _last_scan(self, device: str) -> int | None:
        """Milliseconds since boot; None where this NetworkManager (before 1.12) does not tell."""
        try:
            return int(self._bus.get(device, _WIRELESS, "LastScan"))
        except WifiError:
            return None

    def _connections(self) -> list[tuple[str, Settings]]:
        (paths,) = self._bus.call(_SETTINGS, ".Settings", "ListConnections")
        found = []
        for path in paths:
            try:
                found.append((str(path), self._bus.call(path, ".Settings.Connection", "GetSettings")[0]))
            except ObjectGone:
                continue
        return found

    def _known(self) -> dict[str, str]:
        """Connections by network."""
        return {ssid: path for path, settings in self._connections() if (ssid := ssid_of(settings))}

    def _connection_of(self, device: str) -> str:
        """The connection that is active; empty: none."""
        active = self._bus.get(device, _DEVICE, "ActiveConnection")
        try:
            return "" if active == "/" else str(self._bus.get(active, _ACTIVE, "Connection"))
        except ObjectGone:
            return ""

    def _active_ssid(self, device: str) -> str:
        connection = self._connection_of(device)
        return next((ssid for ssid, path in self._known().items() if path == connection), "")

    def _add(self, settings: Settings, method: str) -> str:
        return str(self._bus.call(_SETTINGS, ".Settings", method, "a{sa{sv}}", settings)[0])

    def _activate(self, connection: str, device: str, point: str) -> str:
        return str(self._bus.call(MANAGER, "", "ActivateConnection", "ooo", connection, device, point)[0])

    def _forget(self, connection: str) -> None:
        with contextlib.suppress(ObjectGone):  # as was wished
            self._bus.call(connection, ".Settings.Connection", "Delete")

    def _wait_for(self, what: str, device: str, active: str, timeout_s: float) -> None:
        """Waits until a connection is up."""

        def settled() -> bool:
            try:
                state = int(self._bus.get(active, _ACTIVE, "State"))
            except ObjectGone:
                state = _DEACTIVATING
            if state >= _DEACTIVATING:
                _, reason = self._bus.get(device, _DEVICE, "StateReason")
                raise WifiError(f"{what}: no connection, {_REASONS.get(reason, f'by reason {reason} of NetworkManager')}")
            return state == _ACTIVATED

        try:
            done = self._until(settled, timeout_s)
        except WifiCancelled:
            self._bus.call(MANAGER, "", "DeactivateConnection", "o", active)
            raise
        if not done:
            self._bus.call(MANAGER, "", "DeactivateConnection", "o", active)
            raise WifiError(f"{what}: no connection within {timeout_s:g} s; it may be too far away, or the password wrong")

    def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Looks again and again; False where it did not come about in time. Raises WifiCancelled."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            if self._cancelled.wait(_LOOK_S):
                raise WifiCancelled("given up, as was asked")
        return True

    def _address(self, device: str) -> str:
        try:
            config = self._bus.get(device, _DEVICE, "Ip4Config")
            data = self._bus.get(config, ".IP4Config", "AddressData")
        except WifiError:
            return ""
        return str(data[0]["address"][1]) if data else ""
