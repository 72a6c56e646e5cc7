"""What the machine itself has: power supplies, mounted disks, network interfaces."""

import shutil
import socket
from pathlib import Path

import psutil

from rig_capture.disks import DisksUnknown, mounted_volumes
from rig_capture.sensing.inventory.items import NetworkInterface, PowerSupply, Volume, profile_line
from rig_capture.sensing.inventory.places import Absent, Places, Unreadable, text_of

_ETHERNET, _LOOPBACK = "1", "772"
"""Interface types, ARPHRD_* of linux/if_arp.h; wireless interfaces are of the first as well."""


def power_supplies(places: Places) -> tuple[PowerSupply, ...]:
    """Batteries and other supplies. Raises Absent."""
    folders = sorted((places.sysfs / "class/power_supply").glob("*"))
    if not folders:
        raise Absent("the kernel knows no battery and no power supply")
    return tuple(_power_supply(folder) for folder in folders)


def _power_supply(folder: Path) -> PowerSupply:
    kind, scope = text_of(folder / "type"), text_of(folder / "scope")
    percent, voltage, online = (_number(folder / name) for name in ("capacity", "voltage_now", "online"))
    usable = kind == "Battery" and scope != "Device"
    return PowerSupply(
        name=folder.name,
        kind=kind,
        status=text_of(folder / "status"),
        percent=percent,
        voltage_v=None if voltage is None else voltage / 1e6,
        online=None if online is None else bool(online),
        model=" ".join(filter(None, (text_of(folder / "manufacturer"), text_of(folder / "model_name")))),
        scope=scope,
        profile=profile_line("batteries", "battery", {"driver": "power_supply", "supply": folder.name}) if usable else "",
    )


def _number(file: Path) -> int | None:
    try:
        return int(text_of(file))
    except ValueError:
        return None


def volumes() -> tuple[Volume, ...]:
    """Mounted file systems on disks. Raises Unreadable."""
    try:
        mounted = mounted_volumes()
    except DisksUnknown as error:
        raise Unreadable(str(error)) from error
    found = []
    for volume in mounted:
        if not volume.mount.is_dir():
            continue  # swap space
        found.append(
            Volume(
                name=volume.label or str(volume.mount),
                mount=str(volume.mount),
                device=volume.device,
                filesystem=volume.filesystem,
                size=volume.size,
                free=shutil.disk_usage(volume.mount).free,
                travels=volume.travels and not volume.of_system,
                model=volume.model,
            )
        )
    return tuple(found)


def network(places: Places) -> tuple[NetworkInterface, ...]:
    """Network interfaces. Raises Absent."""
    # A file such as bonding_masters may lie beside the interfaces.
    folders = [folder for folder in sorted((places.sysfs / "class/net").glob("*")) if (folder / "type").exists()]
    if not folders:
        raise Absent("the kernel knows no network interface")
    wanted = (socket.AF_INET, socket.AF_INET6)
    addresses = {name: tuple(each.address for each in of_one if each.family in wanted) for name, of_one in psutil.net_if_addrs().items()}
    return tuple(_interface(folder, addresses.get(folder.name, ())) for folder in folders)


def _interface(folder: Path, addresses: tuple[str, ...]) -> NetworkInterface:
    number = text_of(folder / "type")
    is_wireless = (folder / "wireless").exists() or (folder / "phy80211").exists()
    kind = "wireless" if is_wireless else {_ETHERNET: "ethernet", _LOOPBACK: "loopback"}.get(number, "other")
    speed = _number(folder / "speed")
    return NetworkInterface(
        name=folder.name,
        kind=kind,
        state=text_of(folder / "operstate"),
        hardware_address=text_of(folder / "address"),
        addresses=addresses,
        speed_mbps=max(0, speed or 0),
        profile=f'network: {{interface: "{folder.name}"}}' if kind in ("ethernet", "wireless") else "",
    )
