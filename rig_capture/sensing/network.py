"""What the network looks like from this machine: links, addresses, default route, and whether the outside answers."""

import contextlib
import errno
import ipaddress
import logging
import math
import os
import re
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import psutil

from rig_capture.profiles.settings import NetworkSettings

log = logging.getLogger(__name__)


class NetworkState(IntEnum):
    """As in rig_capture_msgs/NetworkStatus."""

    OFFLINE = 0
    NETWORK_ONLY = 1
    ONLINE = 2


@dataclass(frozen=True)
class NetworkReading:
    """One look at the network."""

    state: NetworkState
    detail: str
    interface: str = ""
    """The one that carries the default route, or the first that is up."""
    addresses: tuple[str, ...] = ()
    """Of all interfaces that are up, without loopback and link-local ones."""
    ssid: str = ""
    signal_dbm: float = math.nan
    round_trip_ms: float = math.nan

    @property
    def essence(self) -> tuple[object, ...]:
        """What counts as a change when it differs."""
        return self.state, self.interface, self.addresses, self.ssid


@dataclass(frozen=True)
class ProbeResult:
    """What came of a TCP connection to the outside."""

    round_trip_ms: float
    """NaN where it failed."""
    problem: str = ""


class Interrupted(Exception):
    """The owner has asked for the end while a probe was out."""


class NetworkWatch:
    """Looks at the network at intervals, and at once when the kernel reports a change of links, addresses or routes."""

    def __init__(self, settings: NetworkSettings, on_look: Callable[[NetworkReading, bool], None], proc_root: str = "/proc") -> None:
        """Nothing starts before `start`.

        Args:
            settings: where to look and how often.
            on_look: called in the watch's thread with each reading, and whether it differs from the one before.
            proc_root: root of the process file system.
        """
        self._settings = settings
        self._on_look = on_look
        self._proc = Path(proc_root)
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._changes = _open_netlink()
        self._thread = threading.Thread(target=self._run, name="network")
        self._before: NetworkReading | None = None
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Starts looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stops, joins the thread, and raises what it died of, if it did."""
        self._stop_writer.close()
        if self._thread.is_alive():
            self._thread.join()
        self._stop_reader.close()
        self._changes.close()
        if self.failure is not None:
            raise self.failure

    def look(self) -> NetworkReading:
        """One look, a probe included where the settings ask for one. Raises Interrupted."""
        settings = self._settings
        addresses = addresses_by_interface(settings.interface)
        if not addresses:
            there = f"interface {settings.interface} is" if settings.interface else "no interface is"
            return NetworkReading(NetworkState.OFFLINE, f"{there} {'not ' if settings.interface else ''}up with an address")
        route = default_interface(self._proc, settings.interface)
        interface = route if route in addresses else next(iter(addresses))
        probe = probe_tcp(settings, self._stop_reader) if settings.probe_host else None
        state, detail = judge(route, probe, settings)
        ssid, signal = wireless(interface, settings.sysfs_root, self._proc)
        every = tuple(address for of_one in addresses.values() for address in of_one)
        return NetworkReading(state, detail, interface, every, ssid, signal, probe.round_trip_ms if probe else math.nan)

    def _run(self) -> None:
        try:
            while True:
                reading = self.look()
                changed = self._before is None or reading.essence != self._before.essence
                self._before = reading
                self._on_look(reading, changed)
                self._wait()
        except Interrupted:
            pass
        except BaseException as failure:
            log.exception("the network watch failed")
            self.failure = failure

    def _wait(self) -> None:
        """Returns after the interval or on a change. Raises Interrupted."""
        ready, _, _ = select.select([self._stop_reader, self._changes], [], [], self._settings.interval_s)
        if self._stop_reader in ready:
            raise Interrupted
        # One change comes as several messages; what they say, or that too many came, is no matter: the next look tells.
        with contextlib.suppress(OSError):
            while self._changes.recv(65536):
                pass


def judge(route: str, probe: ProbeResult | None, settings: NetworkSettings) -> tuple[NetworkState, str]:
    """State and detail of a machine that has an address."""
    if probe is not None:
        target = f"{settings.probe_host}:{settings.probe_port}"
        if not math.isnan(probe.round_trip_ms):
            return NetworkState.ONLINE, f"{target} answers"
        return NetworkState.NETWORK_ONLY, f"{target} does not answer: {probe.problem}"
    if route:
        return NetworkState.ONLINE, f"default route over {route}"
    return NetworkState.NETWORK_ONLY, "no default route"


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


def probe_tcp(settings: NetworkSettings, interrupt: socket.socket) -> ProbeResult:
    """Connects to the probe host and hangs up. Raises Interrupted as soon as `interrupt` is readable."""
    try:
        address = _resolve(settings.probe_host, settings.probe_timeout_s, interrupt)
    except OSError as error:
        return ProbeResult(math.nan, str(error))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        begin = time.monotonic()
        code = connection.connect_ex((address, settings.probe_port))
        if code not in (0, errno.EINPROGRESS):
            return ProbeResult(math.nan, os.strerror(code))
        readable, writable, _ = select.select([interrupt], [connection], [], settings.probe_timeout_s)
        elapsed_ms = (time.monotonic() - begin) * 1000
        if readable:
            raise Interrupted
        if not writable:
            return ProbeResult(math.nan, f"nothing within {settings.probe_timeout_s:g} s")
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return ProbeResult(math.nan, os.strerror(code)) if code else ProbeResult(elapsed_ms)


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


def _resolve(host: str, timeout_s: float, interrupt: socket.socket) -> str:
    """An IP address of a host. The resolver can't be interrupted, so a child process asks it, and that can be ended."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    with subprocess.Popen(["getent", "ahosts", host], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([interrupt.fileno(), process.stdout.fileno()], [], [], timeout_s)
        interrupted = interrupt.fileno() in ready
        if interrupted or not ready:
            process.kill()
        if interrupted:
            raise Interrupted
        answer = process.stdout.read().split()
    if not answer:
        raise OSError(f"no address is known for {host}")
    return answer[0]


def _open_netlink() -> socket.socket:
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
