"""What the network watch makes of routes, wireless tables and probes."""

import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.settings import NetworkSettings
from rig_capture.sensing.network import (
    Interrupted,
    NetworkReading,
    NetworkState,
    NetworkWatch,
    default_interface,
    judge,
    parse_iw_link,
    probe_tcp,
    signal_from_proc,
)
from test.parts import need_programs

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth1\t00000000\t0100A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""
ANY, LINK_LOCAL, ROUTER = "0" * 32, "fe80" + "0" * 28, "fe80" + "0" * 27 + "1"
ROUTES_6 = f"""\
{LINK_LOCAL} 40 {ANY} 00 {ANY} 00000100 00000001 00000000 00000001     eth0
{ANY} 00 {ANY} 00 {ROUTER} 00000400 00000001 00000000 00000003     wwan0
{ANY} 00 {ANY} 00 {ANY} ffffffff 00000001 00000000 00200200       lo
"""
WIRELESS = """\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   54.  -56.  -256        0      0      0      0     41        0
"""


def tables(folder: Path, route: str = "", route_6: str = "") -> Path:
    (folder / "net").mkdir()
    (folder / "net/route").write_text(route)
    (folder / "net/ipv6_route").write_text(route_6)
    return folder


def test_the_default_route_of_least_metric_counts(tmp_path: Path) -> None:
    proc = tables(tmp_path, ROUTES, ROUTES_6)
    assert default_interface(proc) == "eth0"
    assert default_interface(proc, "wlan0") == "wlan0"
    assert default_interface(proc, "eth1") == ""


def test_an_ipv6_default_route_counts_where_there_is_no_other(tmp_path: Path) -> None:
    assert default_interface(tables(tmp_path, ROUTES.splitlines()[0], ROUTES_6)) == "wwan0"


def test_no_tables_mean_no_route(tmp_path: Path) -> None:
    assert default_interface(tmp_path) == ""


def test_the_signal_is_read_from_the_wireless_table() -> None:
    assert signal_from_proc(WIRELESS.splitlines(), "wlan0") == -56
    assert math.isnan(signal_from_proc(WIRELESS.splitlines(), "wlan1"))


def test_iw_tells_name_and_signal() -> None:
    text = "Connected to 01:02:03:04:05:06 (on wlan0)\n\tSSID: Field Lab 2\n\tfreq: 5180\n\tsignal: -48 dBm\n"
    assert parse_iw_link(text) == ("Field Lab 2", -48)
    ssid, signal = parse_iw_link("Not connected.\n")
    assert ssid == ""
    assert math.isnan(signal)


@pytest.fixture
def interrupt() -> Iterator[tuple[socket.socket, socket.socket]]:
    reader, writer = socket.socketpair()
    with reader, writer:
        yield reader, writer


def settings(port: int, host: str = "127.0.0.1", timeout_s: float = 5.0) -> NetworkSettings:
    return NetworkSettings(probe_host=host, probe_port=port, probe_timeout_s=timeout_s)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_probe_that_is_answered_gives_the_round_trip(host: str, interrupt: tuple[socket.socket, socket.socket]) -> None:
    # Both families, since the name may mean either.
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        wanted = settings(server.getsockname()[1], host)
        result = probe_tcp(wanted, interrupt[0])
    assert 0 < result.round_trip_ms < 1000
    assert judge("", result, wanted)[0] == NetworkState.ONLINE


def test_a_probe_that_is_refused_says_so(interrupt: tuple[socket.socket, socket.socket]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wanted = settings(server.getsockname()[1])
    result = probe_tcp(wanted, interrupt[0])
    assert math.isnan(result.round_trip_ms)
    state, detail = judge("eth0", result, wanted)
    assert state == NetworkState.NETWORK_ONLY
    assert "Connection refused" in detail


def test_a_host_that_does_not_exist_says_so(interrupt: tuple[socket.socket, socket.socket]) -> None:
    assert "nowhere.invalid" in probe_tcp(settings(80, "nowhere.invalid"), interrupt[0]).problem


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port whose connections are never taken up: its queue is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for caller in callers:
            caller.close()


def test_a_probe_without_answer_ends_in_time(deaf_port: int, interrupt: tuple[socket.socket, socket.socket]) -> None:
    assert "nothing within 0.2 s" in probe_tcp(settings(deaf_port, timeout_s=0.2), interrupt[0]).problem


def test_a_stop_ends_a_probe_that_waits(deaf_port: int, interrupt: tuple[socket.socket, socket.socket]) -> None:
    interrupt[1].send(b"x")
    with pytest.raises(Interrupted):
        probe_tcp(settings(deaf_port), interrupt[0])


def test_without_a_probe_the_default_route_decides() -> None:
    assert judge("eth0", None, NetworkSettings())[0] == NetworkState.ONLINE
    assert judge("", None, NetworkSettings())[0] == NetworkState.NETWORK_ONLY


def test_the_watch_looks_at_intervals_tells_the_first_as_a_change_and_stops_at_once() -> None:
    looks: list[tuple[NetworkReading, bool]] = []
    third = threading.Event()

    def look(reading: NetworkReading, changed: bool) -> None:
        looks.append((reading, changed))
        if len(looks) == 3:
            third.set()

    watch = NetworkWatch(NetworkSettings(interval_s=0.05), look)
    watch.start()
    assert third.wait(10)
    begin = time.monotonic()
    watch.stop()
    assert time.monotonic() - begin < 2
    assert looks[0][1]


def test_an_interface_that_is_not_there_is_offline() -> None:
    watch = NetworkWatch(NetworkSettings(interface="nosuch0"), lambda reading, changed: None)
    reading = watch.look()
    watch.stop()
    assert (reading.state, reading.detail) == (NetworkState.OFFLINE, "interface nosuch0 is not up with an address")


PLUG_IN_A_CABLE = """
import queue, subprocess
from rig_capture.profiles.settings import NetworkSettings
from rig_capture.sensing.network import NetworkWatch

def ip(command):
    subprocess.run(["ip", *command.split()], check=True)

states = queue.Queue()
watch = NetworkWatch(NetworkSettings(interval_s=3600), lambda reading, changed: states.put((reading.state.name, reading.interface)))
watch.start()
def wait_for(state):
    while states.get(timeout=10) != state:
        pass
wait_for(("OFFLINE", ""))
ip("link add v0 type veth peer name v1")
ip("address add 10.1.2.3/24 dev v0")
ip("link set v1 up")
ip("link set v0 up")
wait_for(("NETWORK_ONLY", "v0"))
ip("route add default via 10.1.2.4")
wait_for(("ONLINE", "v0"))
ip("link set v0 down")
wait_for(("OFFLINE", ""))
watch.stop()
"""


def test_a_change_is_seen_at_once_without_waiting_for_the_interval() -> None:
    need_programs("iproute2 util-linux", "ip", "unshare")
    if os.geteuid() != 0:
        pytest.skip("needs root for a network namespace of its own; run the tests with sudo")
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", PLUG_IN_A_CABLE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
