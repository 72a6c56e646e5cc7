"""Several hosts on one machine: network namespaces on a bridge, each with a name, an address and shared memory of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import pytest

_HOLD = "mount -t tmpfs shm /dev/shm && hostname {name} && ip link set lo up && echo ready && exec sleep infinity"


class Namespace:
    """A host, or the switch between hosts, held by a process that sleeps."""

    def __init__(self, name: str) -> None:
        self.name = name
        command = ["unshare", "--net", "--uts", "--mount", "sh", "-c", _HOLD.format(name=name)]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            _, said = self._holder.communicate()
            pytest.skip(f"network namespaces are not permitted here ({said.strip()}); run the tests as root")

    @property
    def pid(self) -> int:
        """Of the process that holds it."""
        return self._holder.pid

    def inside(self, *command: str) -> list[str]:
        """The command line that runs a command inside."""
        return ["nsenter", "--target", str(self.pid), "--net", "--uts", "--mount", f"--wd={os.getcwd()}", *command]

    def ip(self, *arguments: str) -> None:
        """Runs `ip`."""
        subprocess.run(self.inside("ip", *arguments), check=True)

    def close(self) -> None:
        """Ends the holder; the namespace and its interfaces go with it."""
        self._holder.kill()
        self._holder.communicate()


class Network:
    """Hosts on one switch, as a context manager. What runs inside is to be ended before."""

    def __init__(self, names: Sequence[str], *, multicast: bool = True) -> None:
        """Makes nothing yet.

        Args:
            names: of the hosts; each gets the address 10.77.0.1, 10.77.0.2, and so on.
            multicast: whether the switch carries it.
        """
        self._names, self._multicast = list(names), multicast
        self._stack = ExitStack()
        self.hosts: dict[str, Namespace] = {}

    def __enter__(self) -> Self:
        missing = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
        if missing or os.geteuid() != 0:
            reason = (
                f"{', '.join(missing)} missing; run: apt-get install iproute2 util-linux" if missing else "network namespaces need root"
            )
            pytest.skip(reason)
        with self._stack as stack:
            self._switch = self._namespace("switch")
            self._switch.ip("link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
            self._switch.ip("link", "set", "bridge", "up")
            for number, name in enumerate(self._names, 1):
                host = self.hosts[name] = self._namespace(name)
                self._switch.ip("link", "add", f"to-{number}", "type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
                self._switch.ip("link", "set", f"to-{number}", "master", "bridge", "up")
                if not self._multicast:
                    switch = self._switch.inside("bridge", "link", "set", "dev", f"to-{number}", "mcast_flood", "off")
                    subprocess.run(switch, check=True)
                host.ip("address", "add", f"{self.address(name)}/24", "dev", "eth0")
                host.ip("link", "set", "eth0", "up")
                host.ip("route", "add", "224.0.0.0/4", "dev", "eth0")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def address(self, name: str) -> str:
        """IP address of a host."""
        return f"10.77.0.{self._names.index(name) + 1}"

    def cable(self, name: str, *, plugged: bool) -> None:
        """Pulls a host's cable, or plugs it in again."""
        self._switch.ip("link", "set", f"to-{self._names.index(name) + 1}", "up" if plugged else "down")

    def traffic(self) -> tuple[int, int]:
        """Packets and bytes that all hosts have sent so far."""
        told = subprocess.run(self._switch.inside("ip", "-statistics", "-json", "link"), check=True, capture_output=True)
        ports = [link["stats64"]["rx"] for link in json.loads(told.stdout) if link["ifname"].startswith("to-")]
        return sum(port["packets"] for port in ports), sum(port["bytes"] for port in ports)

    def _namespace(self, name: str) -> Namespace:
        namespace = Namespace(name)
        self._stack.callback(namespace.close)
        return namespace
