"""Whether the outside answers: a name is asked for, and a TCP connection made. Both can be interrupted."""

import contextlib
import errno
import ipaddress
import math
import os
import select
import socket
import subprocess
import time
from dataclasses import dataclass

from rig_capture.profiles.settings.machine import NetworkSettings


@dataclass(frozen=True)
class ProbeResult:
    """What came of a TCP connection to the outside."""

    round_trip_ms: float
    """NaN where it failed."""
    problem: str = ""


class Interrupted(Exception):
    """The owner has asked for the end while a probe was out."""


def probe_outside(settings: NetworkSettings, interrupt: socket.socket) -> ProbeResult:
    """Asks for the probe host's address, connects to it, and hangs up. Raises Interrupted as soon as `interrupt` is readable."""
    try:
        address = _resolve(settings.probe_host, settings.dns_timeout_s, interrupt)
    except OSError as error:
        return ProbeResult(math.nan, str(error))
    return _connect(address, settings.probe_port, settings.probe_timeout_s, interrupt)


def _connect(address: str, port: int, timeout_s: float, interrupt: socket.socket) -> ProbeResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        begin = time.monotonic()
        code = connection.connect_ex((address, port))
        if code not in (0, errno.EINPROGRESS):
            return ProbeResult(math.nan, os.strerror(code))
        readable, writable, _ = select.select([interrupt], [connection], [], timeout_s)
        elapsed_ms = (time.monotonic() - begin) * 1000
        if readable:
            raise Interrupted
        if not writable:
            return ProbeResult(math.nan, f"nothing within {timeout_s:g} s")
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return ProbeResult(math.nan, os.strerror(code)) if code else ProbeResult(elapsed_ms)


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
    if not ready:
        raise OSError(f"no name server tells the address of {host} within {timeout_s:g} s")
    if not answer:
        raise OSError(f"no address is known for {host}")
    return answer[0]
