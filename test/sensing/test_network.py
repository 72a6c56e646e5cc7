"""What the network watch makes of routes, wireless tables and probes."""

import math
import os
import queue
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.profiles.settings.machine import NetworkSettings
from rig_capture.sensing.network import NetworkReading, NetworkState, NetworkWatch
from rig_capture.sensing.network.links import default_interface, parse_iw_link, signal_from_proc
from rig_capture.sensing.network.probes import Interrupted, ProbeResult, probe_outside
from rig_capture.sensing.network.state import Judgement, Links, Pace
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


UP = Links({"eth0": ("10.0.0.5",)}, "eth0")


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
        result = probe_outside(wanted, interrupt[0])
    assert 0 < result.round_trip_ms < 1000
    assert Judgement(wanted).judge(UP, result)[0] == NetworkState.ONLINE


def test_a_probe_that_is_refused_says_so(interrupt: tuple[socket.socket, socket.socket]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wanted = settings(server.getsockname()[1])
    result = probe_outside(wanted, interrupt[0])
    assert math.isnan(result.round_trip_ms)
    state, detail = Judgement(wanted).judge(UP, result)
    assert state == NetworkState.NETWORK_ONLY
    assert "Connection refused" in detail


def test_a_host_that_does_not_exist_says_so(interrupt: tuple[socket.socket, socket.socket]) -> None:
    assert "nowhere.invalid" in probe_outside(settings(80, "nowhere.invalid"), interrupt[0]).problem


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
    assert "nothing within 0.2 s" in probe_outside(settings(deaf_port, timeout_s=0.2), interrupt[0]).problem


def test_a_stop_ends_a_probe_that_waits(deaf_port: int, interrupt: tuple[socket.socket, socket.socket]) -> None:
    interrupt[1].send(b"x")
    with pytest.raises(Interrupted):
        probe_outside(settings(deaf_port), interrupt[0])


def test_without_a_probe_the_default_route_decides() -> None:
    judgement = Judgement(NetworkSettings())
    assert judgement.judge(UP, None)[0] == NetworkState.ONLINE
    assert judgement.judge(Links(UP.addresses, ""), None) == (NetworkState.NETWORK_ONLY, "no default route")


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_a_probe_s_answer_counts_after_so_many_in_a_row(answers: list[bool], down_after: int, up_after: int) -> None:
    judgement = Judgement(NetworkSettings(probe_host="h", down_after=down_after, up_after=up_after))
    before: NetworkState | None = None
    for index, answered in enumerate(answers):
        state, detail = judgement.judge(UP, ProbeResult(1.0) if answered else ProbeResult(math.nan, "silence"))
        if before is not None and state != before:
            needed = up_after if answered else down_after
            assert answers[index + 1 - needed : index + 1] == [answered] * needed
            assert (state == NetworkState.ONLINE) == answered
        elif before is not None and (state == NetworkState.ONLINE) != answered:
            assert "in a row" in detail
        before = state


def test_after_an_outage_of_the_link_the_first_answer_decides_anew() -> None:
    judgement = Judgement(NetworkSettings(probe_host="h", up_after=2))
    silence = ProbeResult(math.nan, "silence")
    assert judgement.judge(UP, ProbeResult(1.0))[0] == NetworkState.ONLINE
    assert judgement.judge(Links({}, ""), None) == (NetworkState.OFFLINE, "no interface is up with an address")
    assert [judgement.judge(UP, probe)[0].name for probe in (silence, ProbeResult(1.0), ProbeResult(1.0))] == [
        "NETWORK_ONLY", "NETWORK_ONLY", "ONLINE",
    ]  # fmt: skip


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers())
def test_waits_grow_to_their_limit_and_shrink_at_once(looks: list[bool], seed: int) -> None:
    settings = NetworkSettings()
    pace = Pace(settings, random.Random(seed))
    failures = 0
    for well in looks:
        failures = 0 if well else failures + 1
        plain = settings.interval_s if well else min(20.0, 2.0 ** (failures - 1))
        assert plain <= pace.after(well=well) <= plain * 1.1


def test_the_watch_looks_at_intervals_tells_the_first_as_a_change_and_stops_at_once() -> None:
    looks: list[tuple[NetworkReading, bool]] = []
    third = threading.Event()

    def look(reading: NetworkReading, changed: bool) -> None:
        looks.append((reading, changed))
        if len(looks) == 3:
            third.set()

    watch = NetworkWatch(NetworkSettings(interval_s=0.05, retry_min_s=0.05, retry_max_s=0.05), look)
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
from rig_capture.profiles.settings.machine import NetworkSettings
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


OTHER_END = """
import socket, subprocess, sys, threading

def ip(command):
    subprocess.run(["ip", *command.split()], check=True)

def answer(names):
    # RFC 1035: the question back, and for type A the address 10.77.0.2.
    while True:
        query, sender = names.recvfrom(512)
        end = query.index(0, 12) + 5
        is_a = query[end - 4 : end - 2] == bytes((0, 1))
        record = bytes((0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 77, 0, 2)) if is_a else b""
        header = query[:2] + bytes((0x81, 0x80, 0, 1, 0, int(is_a), 0, 0, 0, 0))
        if not deaf:
            names.sendto(header + query[12:end] + record, sender)

deaf, server = [], None
print("here", flush=True)
for line in sys.stdin:
    words = line.split()
    if words == ["begin"]:
        ip("address add 10.77.0.2/24 dev v1")
        ip("link set v1 up")
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        names.bind(("10.77.0.2", 53))
        threading.Thread(target=answer, args=(names,), daemon=True).start()
    elif words == ["door", "open"]:
        server = socket.create_server(("10.77.0.2", 4433))
    elif words == ["door", "shut"]:
        server.close()
    elif words[0] == "names":
        deaf[:] = ["deaf"] if words[1] == "off" else []
    elif words[0] == "cable":
        ip("link set v1 " + words[1])
    print("done", flush=True)
"""

THIS_END = """
import queue, subprocess, sys
from rig_capture.profiles.settings.machine import NetworkSettings
from rig_capture.sensing.network import NetworkWatch

def ip(command):
    subprocess.run(["ip", *command.split()], check=True)

names, other_end = sys.argv[1:]
subprocess.run(["mount", "--bind", names, "/etc/resolv.conf"], check=True)
other = subprocess.Popen(["unshare", "--net", sys.executable, "-c", other_end], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert other.stdout.readline() == "here\\n"

def tell(line):
    other.stdin.write(line + "\\n")
    other.stdin.flush()
    assert other.stdout.readline() == "done\\n", line

ip("link add v0 type veth peer name v1")
ip(f"link set v1 netns {other.pid}")
ip("address add 10.77.0.1/24 dev v0")
ip("link set v0 up")
tell("begin")
tell("door open")
looks = queue.Queue()
times = {"interval_s": 0.05, "retry_min_s": 0.02, "retry_max_s": 0.1, "probe_timeout_s": 0.5, "dns_timeout_s": 1.0}
watch = NetworkWatch(
    NetworkSettings(probe_host="probe.rig.test", probe_port=4433, **times), lambda reading, changed: looks.put((reading, changed))
)
watch.start()

def wait_for(state, detail):
    states = []
    while True:
        reading, changed = looks.get(timeout=20)
        states.append((reading.state.name, changed, reading.detail))
        # The change itself may have come with another detail: on a busy machine a probe is late before it is refused.
        if reading.state.name == state and detail in reading.detail:
            assert any(changed for _, changed, _ in states), states
            return states

wait_for("ONLINE", "probe.rig.test:4433 answers")
tell("door shut")
seen = wait_for("NETWORK_ONLY", "refused")
counted = [detail for state, _, detail in seen if state == "ONLINE" and "in a row" in detail]
assert [detail.partition("(")[2] for detail in counted[-2:]] == ["1 of 3 in a row)", "2 of 3 in a row)"], seen
tell("door open")
wait_for("ONLINE", "answers")
tell("names off")
seen = wait_for("NETWORK_ONLY", "no name server tells the address of probe.rig.test within 1 s")
tell("names on")
wait_for("ONLINE", "answers")
tell("cable down")
wait_for("OFFLINE", "no interface is up with an address")
tell("cable up")
wait_for("ONLINE", "answers")
watch.stop()
other.stdin.close()
other.wait(10)
"""


def in_a_network_of_its_own(script: str, *arguments: str) -> None:
    """Runs a script in fresh network and mount namespaces."""
    need_programs("iproute2 util-linux", "ip", "unshare")
    if os.geteuid() != 0:
        pytest.skip("needs root for a network namespace of its own; run the tests with sudo")
    command = ["unshare", "--net", "--mount", sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_change_is_seen_at_once_without_waiting_for_the_interval() -> None:
    in_a_network_of_its_own(PLUG_IN_A_CABLE)


def test_outages_of_service_names_and_cable_are_told_apart_and_come_to_an_end(tmp_path: Path) -> None:
    names = tmp_path / "resolv.conf"
    names.write_text("nameserver 10.77.0.2\noptions timeout:1 attempts:1\n")
    in_a_network_of_its_own(THIS_END, str(names), OTHER_END)


def test_a_watch_that_is_woken_looks_at_once() -> None:
    looks: queue.Queue[NetworkReading] = queue.Queue()
    watch = NetworkWatch(NetworkSettings(interval_s=3600, retry_min_s=3600, retry_max_s=3600), lambda reading, changed: looks.put(reading))
    watch.start()
    looks.get(timeout=10)
    watch.wake()
    looks.get(timeout=10)
    watch.stop()
