"""Whether the clock is kept right: the words of chrony, of ptp4l, and of the kernel."""

import os
from pathlib import Path

import pytest

from rig_capture.sensing.ntp import ClockUnknown, NtpReading, parse_ptp, parse_tracking, read_kernel, read_ntp

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


PMC = """sending: GET PORT_DATA_SET
sending: GET TIME_STATUS_NP
\tca8a83.fffe.6f9d76-1 seq 0 RESPONSE MANAGEMENT PORT_DATA_SET
\t\tportIdentity            ca8a83.fffe.6f9d76-1
\t\tportState               SLAVE
\t\tversionNumber           2
\tca8a83.fffe.6f9d76-0 seq 1 RESPONSE MANAGEMENT TIME_STATUS_NP
\t\tmaster_offset              -134
\t\tcumulativeScaledRateOffset +0.000000000
\t\tgmPresent                  true
"""
"""Of pmc 3.1."""


def test_where_chrony_does_not_run_ptp4l_is_asked(chronyc: Path) -> None:
    program(chronyc, "exit 1")
    program(chronyc.with_name("pmc"), f'[ "$*" = "-u -b 0 GET PORT_DATA_SET GET TIME_STATUS_NP" ] && cat <<END\n{PMC}END')
    assert read_ntp(5) == NtpReading(True, -134e-9, "ptp4l (SLAVE)")


def test_a_ptp4l_without_master_is_not_synchronised_and_one_that_is_master_says_nothing() -> None:
    assert parse_ptp(PMC.replace("SLAVE", "LISTENING")) == NtpReading(False, None, "ptp4l (LISTENING)")
    assert parse_ptp(PMC.replace("SLAVE", "GRAND_MASTER")) is None
    assert parse_ptp("sending: GET PORT_DATA_SET\nsending: GET TIME_STATUS_NP\n") is None
