"""`./rig bench scaling`: what discovery costs as a rig grows, and what the recorder that records all its machines needs.

Every simulated machine is a network namespace (test/network.py) with a few DDS participants, as a host of a rig has processes:
each with the entities of a node of ours, telling `/diagnostics` once a second; one also publishes packets as a camera does.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import psutil
import typer

from test.network import Network

_STEADY_S = 4.0
_MOST_LOOKS = 10
_STREAM = "topic /{}/video rig_capture_msgs/msg/VideoPacket required"


def main(
    machines: Annotated[list[int] | None, typer.Option("--machines", help="How many; may be repeated.")] = None,
    participants: Annotated[int, typer.Option("--participants", min=1, help="Processes of each machine.")] = 4,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Length of each recording.")] = 10.0,
    hz: Annotated[float, typer.Option("--hz", min=1, help="Packets per second of each machine.")] = 30.0,
    size: Annotated[int, typer.Option("--bytes", min=1, help="Bytes of a packet.")] = 10_000,
    server: Annotated[bool, typer.Option("--server", help="By a discovery server instead of multicast.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object per line.")] = False,
) -> None:
    """Discovery traffic, and CPU and memory of the recorder, for rigs of many machines; needs root and network namespaces."""
    heading = ("machines", "found after", "at start", "steady", "recorder", "messages", "lost")
    if not as_json:
        print("".join(f"{word:>20}" for word in heading))
    for count in machines or [4, 16]:
        found = measure(count, participants, seconds, (hz, size), server=server)
        print(json.dumps(found) if as_json else "".join(f"{cell:>20}" for cell in _cells(found)), flush=True)


def measure(count: int, participants: int, seconds: float, load: tuple[float, int], *, server: bool) -> dict[str, float]:
    """One rig.

    Args:
        count: machines.
        participants: of each.
        seconds: of the recording.
        load: packets per second of each machine, and bytes of each packet.
        server: by a discovery server.

    Returns:
        Seconds, packets, bytes, per cent of one core, bytes of memory (PSS), messages.
    """
    names = [f"h{number}" for number in range(count)]
    with Network(["lead", *names]) as network, contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        variables = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_DOMAIN_ID": "85", "RIG_CAPTURE_DATA_DIR": folder}
        if server:
            command = ["fast-discovery-server", "-i", "0", "-l", network.address("lead"), "-p", "11811"]
            stack.enter_context(_process(network, "lead", command, variables, talks=False))
            variables |= {"ROS_DISCOVERY_SERVER": f"{network.address('lead')}:11811"}
        before, begin = network.traffic(), time.monotonic()
        streams = json.dumps([_STREAM.format(name) for name in names])
        command = [sys.executable, "-m", "rig_capture.nodes.recorder", "--ros-args", "-p", f"streams:={streams}"]
        recorder = stack.enter_context(_process(network, "lead", command, variables, talks=False))
        operator = stack.enter_context(
            _process(network, "lead", [sys.executable, "-m", "bench.scaling_lead", str(count * participants)], variables)
        )
        arguments = [str(participants), str(load[0]), str(load[1])]
        hosts = [
            stack.enter_context(_process(network, name, [sys.executable, "-m", "bench.scaling_host", name, *arguments], variables))
            for name in names
        ]
        for process in (*hosts, operator):
            _answer(process)
        found_s = time.monotonic() - begin
        _answer(operator)
        after, steady = _settle(network)
        found: dict[str, float] = {
            "machines": count,
            "participants": count * participants,
            "found_s": found_s,
            "start_packets": after[0] - before[0],
            "start_bytes": after[1] - before[1],
            "steady_packets_s": steady[0],
            "steady_bytes_s": steady[1],
        }
        return found | _record(recorder.pid, operator, seconds)


def _settle(network: Network) -> tuple[tuple[int, int], tuple[float, float]]:
    """Waits until the traffic falls no further; what was sent until then, and packets and bytes per second from then on."""
    last, rate = network.traffic(), float("inf")
    for _ in range(_MOST_LOOKS):
        threading.Event().wait(_STEADY_S)
        now = network.traffic()
        rates = (now[0] - last[0]) / _STEADY_S, (now[1] - last[1]) / _STEADY_S
        if rates[0] > 0.8 * rate:
            break
        last, rate = now, rates[0]
    return last, rates


def _record(recorder: int, operator: subprocess.Popen[str], seconds: float) -> dict[str, float]:
    process = psutil.Process(recorder)
    _ask(operator, "start")
    before, begin = process.cpu_times(), time.monotonic()
    threading.Event().wait(seconds)
    after, took = process.cpu_times(), time.monotonic() - begin
    memory = process.memory_full_info().pss
    told = _ask(operator, "stop")
    busy = after.user + after.system - before.user - before.system
    return {"cpu_percent": 100 * busy / took, "memory_bytes": memory, "messages": told["messages"], "lost": told["lost"]}


def _cells(found: Mapping[str, float]) -> list[str]:
    return [
        f"{found['machines']:.0f} ({found['participants']:.0f})",
        f"{found['found_s']:.1f} s",
        f"{found['start_packets']:.0f} / {found['start_bytes'] / 1e6:.1f} MB",
        f"{found['steady_packets_s']:.0f}/s {found['steady_bytes_s'] / 1e3:.0f} kB/s",
        f"{found['cpu_percent']:.0f} % {found['memory_bytes'] / 1e6:.0f} MB",
        f"{found['messages']:.0f}",
        f"{found['lost']:.0f}",
    ]


def _ask(process: subprocess.Popen[str], word: str) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    return _answer(process)


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the simulation ended with {process.wait()}: {process.args!r}")
    return cast("dict[str, Any]", json.loads(line))


@contextlib.contextmanager
def _process(
    network: Network, host: str, command: list[str], variables: Mapping[str, str], *, talks: bool = True
) -> Iterator[subprocess.Popen[str]]:
    out = subprocess.PIPE if talks else subprocess.DEVNULL
    process = subprocess.Popen(
        network.hosts[host].inside(*command),
        env=os.environ | variables,
        cwd=Path(__file__).parents[1],
        text=True,
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
