"""Access points and connections as NetworkManager describes them, as networks, and the other way round.

Numbers: "Types and enumerations of NetworkManager's D-Bus API" (nm-dbus-types).
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rig_capture.sensing.wifi.errors import WifiError

PRIVACY = 0x1
PSK, IEEE_802_1X, SAE, OWE = 0x100, 0x200, 0x400, 0x800
MODE_INFRASTRUCTURE = 2
HOTSPOT_ID = "rig_capture set-up"

Settings = dict[str, dict[str, tuple[str, Any]]]
"""A connection: sections of settings with D-Bus types."""


@dataclass(frozen=True)
class AccessPoint:
    """One radio of a network."""

    path: str
    ssid: str
    strength: int
    """Percent."""
    flags: int
    wpa: int
    rsn: int

    @property
    def security(self) -> str:
        """Such as WPA2; empty where open."""
        both = self.wpa | self.rsn
        if both & IEEE_802_1X:
            return "802.1X"
        if self.rsn & SAE:
            return "WPA2 WPA3" if self.rsn & PSK else "WPA3"
        if both & PSK:
            return "WPA2" if self.rsn & PSK else "WPA"
        if self.rsn & OWE:
            return "OWE"
        return "WEP" if self.flags & PRIVACY else ""

    @property
    def key_management(self) -> str:
        """As a connection's settings name it; empty where open.

        Raises:
            WifiError: it needs more than a password.
        """
        known = {"": "", "WPA": "wpa-psk", "WPA2": "wpa-psk", "WPA2 WPA3": "wpa-psk", "WPA3": "sae", "OWE": "owe"}
        if self.security not in known:
            raise WifiError(f"{self.ssid}: {self.security} networks are not set up here; use nmcli or nmtui on the machine")
        return known[self.security]


@dataclass(frozen=True)
class Network:
    """A wireless network in reach, by its strongest access point."""

    ssid: str
    strength: int
    """Percent."""
    security: str
    known: bool
    active: bool


def networks_of(points: list[AccessPoint], known: set[str], active: str) -> list[Network]:
    """Networks, strongest first; hidden ones, which tell no name, are left out."""
    best: dict[str, AccessPoint] = {}
    for point in points:
        if point.ssid and point.strength >= best.get(point.ssid, point).strength:
            best[point.ssid] = point
    found = [Network(ssid, point.strength, point.security, ssid in known, ssid == active) for ssid, point in best.items()]
    return sorted(found, key=lambda network: (-network.strength, network.ssid))


def check_password(ssid: str, key_management: str, password: str) -> None:
    """Raises WifiError where a password can't be one, so that nobody waits for its refusal."""
    if key_management in ("", "owe"):
        return
    if not password:
        raise WifiError(f"{ssid} needs a password; give it with --password-stdin, or when asked")
    fits = 8 <= len(password.encode()) <= 63 or re.fullmatch(r"[0-9A-Fa-f]{64}", password)
    if key_management == "wpa-psk" and not fits:
        raise WifiError(f"{ssid}: its password has 8 to 63 characters, and this one has {len(password)}")


def client_settings(ssid: str, key_management: str, password: str, *, hidden: bool) -> Settings:
    """A connection to a network."""
    settings = _connection(ssid, ssid, "infrastructure", key_management, password)
    settings["802-11-wireless"]["hidden"] = ("b", hidden)
    settings["ipv4"] = {"method": ("s", "auto")}
    settings["ipv6"] = {"method": ("s", "auto")}
    return settings


def hotspot_settings(ssid: str, password: str, band: str) -> Settings:
    """A hotspot that gives addresses to who joins it, and passes them on to the network that there is."""
    settings = _connection(HOTSPOT_ID, ssid, "ap", "wpa-psk", password)
    settings["connection"]["autoconnect"] = ("b", False)
    settings["802-11-wireless"]["band"] = ("s", band)
    settings["802-11-wireless-security"] |= {"proto": ("as", ["rsn"]), "pairwise": ("as", ["ccmp"]), "group": ("as", ["ccmp"])}
    settings["ipv4"] = {"method": ("s", "shared")}
    settings["ipv6"] = {"method": ("s", "ignore")}
    return settings


def _connection(name: str, ssid: str, mode: str, key_management: str, password: str) -> Settings:
    settings: Settings = {
        "connection": {"id": ("s", name), "uuid": ("s", str(uuid.uuid4())), "type": ("s", "802-11-wireless")},
        "802-11-wireless": {"ssid": ("ay", ssid.encode()), "mode": ("s", mode)},
    }
    if key_management:
        settings["802-11-wireless-security"] = {"key-mgmt": ("s", key_management)}
        if key_management != "owe":
            settings["802-11-wireless-security"]["psk"] = ("s", password)
    return settings


def ssid_of(settings: Mapping[str, Mapping[str, tuple[str, Any]]]) -> str:
    """Network of a connection that joins one; empty of others."""
    wireless = settings.get("802-11-wireless", {})
    if wireless.get("mode", ("s", "infrastructure"))[1] != "infrastructure":
        return ""
    return bytes(wireless.get("ssid", ("ay", b""))[1]).decode(errors="replace")
