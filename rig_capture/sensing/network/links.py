"""What the kernel knows of interfaces: addresses, routes, wireless signal; and its word when any of it changes."""

import ipaddress
import math
import re
import shutil
import socket
import subprocess
from pathlib import Path

import psutil


def addresses_by_interface(only: str = "") -> dict[str, tuple[str, ...]]:
    """IP addresses of the interfaces that are up and have any, without loopback and link-local ones."""
    stats = psutil.net_if_stats()
    found: dict[str, tuple[str, ...]] = {}
    for name, addresses in sorted(psutil.net_if_addrs().items()):
        if (only and name != only) or name not in stats or not stats[name].isup:
            continue
        usable = tuple(a.address for a in addresses if a.family in (socket.AF_INET, socket.AF_INET6) and _is_usable(a.address))
        if usable:
            found[name] = usable
    return found


def default_interface(proc: Path, only: str = "") -> str:
    """The interface with the default route of least metric, IPv4 before IPv6; empty where there is none."""
    routes: list[tuple[int, int, str]] = []
    for line in _lines(proc / "net/route")[1:]:
        # Iface Destination Gateway Flags RefCnt Use Metric Mask ...
        fields = line.split()
        if len(fields) >= 8 and int(fields[1], 16) == int(fields[7], 16) == 0 and int(fields[3], 16) & 1:
            routes.append((4, int(fields[6]), fields[0]))
    for line in _lines(proc / "net/ipv6_route"):
        # destination length source length next-hop metric references use flags device
        fields = line.split()
        up_and_not_rejecting = len(fields) == 10 and int(fields[8], 16) & 0x201 == 1
        if up_and_not_rejecting and fields[1] == "00" and int(fields[0], 16) == 0:
            routes.append((6, int(fields[5], 16), fields[9]))
    return next((name for _, _, name in sorted(routes) if name != "lo" and only in ("", name)), "")


def wireless(interface: str, sysfs_root: str, proc: Path) -> tuple[str, float]:
    """Network name and signal in dBm of a wireless interface; empty and NaN where it is not, or not known."""
    folder = Path(sysfs_root) / "class/net" / interface
    if not (folder / "wireless").exists() and not (folder / "phy80211").exists():
        return "", math.nan
    signal = signal_from_proc(_lines(proc / "net/wireless"), interface)
    if shutil.which("iw") is None:
        return "", signal
    link = subprocess.run(["iw", "dev", interface, "link"], capture_output=True, text=True, timeout=5, check=False).stdout
    ssid, reported = parse_iw_link(link)
    return ssid, reported if math.isnan(signal) else signal


def signal_from_proc(lines: list[str], interface: str) -> float:
    """Signal level in dBm from /proc/net/wireless; NaN where the interface is not listed."""
    for line in lines:
        name, _, rest = line.strip().partition(":")
        fields = rest.split()
        if name == interface and len(fields) >= 3:
            return float(fields[2].rstrip("."))
    return math.nan


def parse_iw_link(text: str) -> tuple[str, float]:
    """Network name and signal in dBm from `iw dev NAME link`."""
    ssid = re.search(r"^\s*SSID: (.*)$", text, re.MULTILINE)
    signal = re.search(r"^\s*signal: (-?\d+) dBm", text, re.MULTILINE)
    return ssid[1] if ssid else "", float(signal[1]) if signal else math.nan


def open_netlink() -> socket.socket:
    """The kernel's reports on links, addresses and routes (rtnetlink(7)), without waiting."""
    groups = 0x1 | 0x10 | 0x100 | 0x40 | 0x400  # RTMGRP_LINK, IPV4_IFADDR, IPV6_IFADDR, IPV4_ROUTE, IPV6_ROUTE
    changes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    changes.bind((0, groups))
    return changes


def _is_usable(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return not (parsed.is_loopback or parsed.is_link_local)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except FileNotFoundError:
        return []  # no such protocol or no wireless support in this kernel
