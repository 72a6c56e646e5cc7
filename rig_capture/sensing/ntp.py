"""Whether this machine's clock is kept right by NTP or PTP: chrony's word where it runs, else that of ptp4l, else the kernel's."""

import ctypes
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_TIME_ERROR = 5


@dataclass(frozen=True)
class NtpReading:
    """One look."""

    synchronised: bool
    offset_s: float | None
    """Of the clock from the time it is kept by; None where it is not known. Of ptp4l: the clock that it keeps itself, which on a network
    card with a clock of its own is that one; phc2sys then lays the system's clock onto it."""
    source: str
    """Who says so: ``chrony``, ``ptp4l`` with the state of its ports, or ``kernel``."""


class ClockUnknown(Exception):
    """Nobody tells; the message says why."""


def read_ntp(timeout_s: float) -> NtpReading:
    """What chrony says where it answers in time, else ptp4l, else the kernel. Raises ClockUnknown."""
    # -c: comma separated; -n: no names are asked for, which could take long.
    tracking = _ask(["chronyc", "-c", "-n", "tracking"], timeout_s)
    if tracking:
        return parse_tracking(tracking)
    # -u -b 0: the ptp4l of this machine, by its socket.
    return parse_ptp(_ask(["pmc", "-u", "-b", "0", "GET PORT_DATA_SET", "GET TIME_STATUS_NP"], timeout_s)) or read_kernel()


def _ask(command: list[str], timeout_s: float) -> str:
    """What a program writes; empty where it is not installed, or says that there is no service."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClockUnknown(f"{command[0]} does not answer: {error}") from error
    return answer.stdout if answer.returncode == 0 else ""


def parse_tracking(text: str) -> NtpReading:
    """`chronyc -c tracking`: id, name, stratum, time, offset of the system's clock, and at the end the leap status. Raises ClockUnknown."""
    fields = text.strip().split(",")
    try:
        return NtpReading(fields[13] != "Not synchronised", float(fields[4]), "chrony")
    except (IndexError, ValueError) as error:
        raise ClockUnknown(f"chronyc says what we can't read: {text.strip()[:200]!r}") from error


def parse_ptp(text: str) -> NtpReading | None:
    """What ``pmc`` shows of a ptp4l: the states of its ports (IEEE 1588, table 27), and the offset from its master.

    None where there is no ptp4l, or it is a master itself, whose clock something else keeps right.
    """
    states = re.findall(r"^\s+portState\s+(\S+)", text, re.MULTILINE)
    if not states or any("MASTER" in state for state in states):
        return None
    source = f"ptp4l ({', '.join(states)})"
    offset = re.search(r"^\s+master_offset\s+(-?\d+)", text, re.MULTILINE)
    return NtpReading(True, int(offset[1]) / 1e9, source) if "SLAVE" in states and offset else NtpReading(False, None, source)


class _Timex(ctypes.Structure):
    """`struct timex` (adjtimex(2))."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    )


def read_kernel() -> NtpReading:
    """What the kernel was told by the service that keeps its clock (adjtimex(2)). Raises ClockUnknown."""
    libc = ctypes.CDLL(None, use_errno=True)
    state = _Timex()
    result = libc.adjtimex(ctypes.byref(state))
    if result < 0:
        raise ClockUnknown(f"adjtimex: {os.strerror(ctypes.get_errno())}")
    synchronised = result != _TIME_ERROR and not state.status & _STA_UNSYNC
    offset_s = state.offset / (1e9 if state.status & _STA_NANO else 1e6)
    return NtpReading(synchronised, offset_s if synchronised else None, "kernel")
