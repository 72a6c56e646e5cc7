"""Whether this machine's clock is kept right by NTP: chrony's word where it runs, else the kernel's."""

import ctypes
import os
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
    """Of the system's clock from NTP time; None where it is not known."""
    source: str
    """Who says so."""


class ClockUnknown(Exception):
    """Nobody tells; the message says why."""


def read_ntp(timeout_s: float) -> NtpReading:
    """What chrony says where it answers in time, else the kernel. Raises ClockUnknown."""
    if shutil.which("chronyc") is not None:
        try:
            # -c: comma separated; -n: no names are asked for, which could take long.
            answer = subprocess.run(["chronyc", "-c", "-n", "tracking"], capture_output=True, text=True, timeout=timeout_s, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ClockUnknown(f"chronyc does not answer: {error}") from error
        if answer.returncode == 0:
            return parse_tracking(answer.stdout)
    return read_kernel()


def parse_tracking(text: str) -> NtpReading:
    """`chronyc -c tracking`: id, name, stratum, time, offset of the system's clock, and at the end the leap status. Raises ClockUnknown."""
    fields = text.strip().split(",")
    try:
        return NtpReading(fields[13] != "Not synchronised", float(fields[4]), "chrony")
    except (IndexError, ValueError) as error:
        raise ClockUnknown(f"chronyc says what we can't read: {text.strip()[:200]!r}") from error


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
