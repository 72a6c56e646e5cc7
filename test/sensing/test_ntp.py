"""Whether the clock is kept right: chrony's words, and the kernel's."""

import os
from pathlib import Path

import pytest

from rig_capture.sensing.ntp import ClockUnknown, NtpReading, parse_tracking, read_kernel, read_ntp

GOOD = "C0A80101,192.168.1.1,3,1795263735.123456789,-0.000123456,0.000011,0.000042,-12.345,0.001,0.05,0.0123,0.0009,64.2,Normal\n"
LOST = "7F7F0101,,0,0.000000000,0.000000000,0.0,0.0,0.000,0.000,0.000,1.0,1.0,0.0,Not synchronised\n"


@pytest.fixture
def chronyc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program that asks chrony, replaced by what a test writes into it."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path / "chronyc"


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_chrony_says_how_far_the_clock_is_off(chronyc: Path) -> None:
    program(chronyc, f'[ "$*" = "-c -n tracking" ] && printf "%s" "{GOOD}"')
    assert read_ntp(5) == NtpReading(True, -0.000123456, "chrony")
    program(chronyc, f'printf "%s" "{LOST}"')
    assert not read_ntp(5).synchronised


def test_where_chrony_does_not_run_the_kernel_is_asked(chronyc: Path) -> None:
    program(chronyc, 'echo "506 Cannot talk to daemon"; exit 1')
    assert read_ntp(5).source == "kernel"
    kernel = read_kernel()
    assert kernel.synchronised == (kernel.offset_s is not None)


def test_a_chrony_that_hangs_or_talks_nonsense_is_said_so(chronyc: Path) -> None:
    program(chronyc, "exec sleep 60")
    with pytest.raises(ClockUnknown, match="does not answer"):
        read_ntp(0.2)
    with pytest.raises(ClockUnknown, match="can't read"):
        parse_tracking("hello")
