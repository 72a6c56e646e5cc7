"""What looks at a machine say, with limits from the settings."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rig_capture.health.catalogue import CODES, Code
from rig_capture.health.findings import Finding, of_disk, of_memory, of_ntp, of_other_clock, of_processor
from rig_capture.health.tracker import ProblemTracker
from rig_capture.profiles.settings.health import HealthSettings

SETTINGS = HealthSettings()


class Watch:
    """Takes findings as a node's reporter does, and notes what began and ended."""

    def __init__(self) -> None:
        self.tracker = ProblemTracker()
        self.told: list[tuple[str, bool]] = []
        self.now = 0.0

    def is_open(self, code: Code, subject: str) -> bool:
        return self.tracker.is_open((code.name, subject))

    def take(self, findings: Iterable[Finding], step_s: float = 1.0) -> None:
        self.now += step_s
        for found in findings:
            change = self.tracker.observe((found.code.name, found.subject), problem=found.problem, now=self.now, hold=found.hold)
            if change is not None:
                self.told.append((found.code.name, change.recovered))


def test_a_disk_that_fills_up_is_low_then_full_and_each_ends_with_room() -> None:
    watch = Watch()
    for percent in (50, 11, 10, 11, 9, 5, 2, 2.5, 1, 2.9, 3.1, 11.9, 12.1):
        watch.take(of_disk("/data", 1000, int(percent * 10), SETTINGS, watch.is_open))
    assert watch.told == [("disk_low", False), ("disk_full", False), ("disk_full", True), ("disk_low", True)]


def test_a_busy_moment_is_no_problem_and_a_busy_while_is_one() -> None:
    watch = Watch()

    def spend(busy: float, seconds: int) -> None:
        for _ in range(seconds):
            watch.take(of_processor(busy, 1.0, 2, None, SETTINGS, watch.is_open))

    spend(100, 14)
    spend(20, 1)
    spend(100, 14)
    assert watch.told == []
    spend(100, 10)
    assert watch.told == [("cpu_pressure", False)]
    spend(90, 60)  # between the limits
    spend(20, 5)
    spend(96, 1)
    spend(20, 10)
    assert watch.told == [("cpu_pressure", False)]
    spend(20, 2)
    assert watch.told == [("cpu_pressure", False), ("cpu_pressure", True)]


def test_load_temperature_and_memory_have_limits_of_their_own() -> None:
    watch = Watch()
    for _ in range(20):
        watch.take(of_processor(10, 8.0, 2, 90.0, SETTINGS, watch.is_open))
        watch.take(of_memory(1000, 40, SETTINGS, watch.is_open), 0.0)
    assert sorted(watch.told) == [("load_pressure", False), ("memory_pressure", False), ("too_hot", False)]
    for _ in range(20):
        watch.take(of_processor(10, 3.9, 2, 77.0, SETTINGS, watch.is_open))
        watch.take(of_memory(1000, 500, SETTINGS, watch.is_open), 0.0)
    assert sorted(watch.told[3:]) == [("load_pressure", True), ("memory_pressure", True), ("too_hot", True)]


def test_of_a_clock_s_distance_what_the_way_leaves_open_does_not_count() -> None:
    watch = Watch()
    ms = 1_000_000
    watch.take(of_other_clock("pi", "/base/clock", 30 * ms, 40 * ms, SETTINGS, watch.is_open))
    assert watch.told == []
    watch.take(of_other_clock("pi", "/base/clock", -30 * ms, 2 * ms, SETTINGS, watch.is_open))
    watch.take(of_other_clock("pi", "/base/clock", 15 * ms, 2 * ms, SETTINGS, watch.is_open))
    watch.take(of_other_clock("pi", "/base/clock", 5 * ms, 2 * ms, SETTINGS, watch.is_open))
    assert watch.told == [("clock_skew", False), ("clock_skew", True)]


def test_a_clock_that_nobody_keeps_counts_after_a_while_and_one_that_is_far_off_at_once() -> None:
    watch = Watch()
    watch.take(of_ntp(False, None, "kernel", SETTINGS, watch.is_open))
    watch.take(of_ntp(False, None, "kernel", SETTINGS, watch.is_open), 299)
    assert watch.told == []
    watch.take(of_ntp(False, None, "kernel", SETTINGS, watch.is_open), 1)
    watch.take(of_ntp(True, 0.2, "chrony", SETTINGS, watch.is_open))
    watch.take(of_ntp(True, 0.06, "chrony", SETTINGS, watch.is_open))
    watch.take(of_ntp(True, 0.01, "chrony", SETTINGS, watch.is_open))
    assert watch.told == [
        ("clock_unsynchronised", False),
        ("clock_unsynchronised", True),
        ("clock_offset", False),
        ("clock_offset", True),
    ]


@given(st.lists(st.floats(0, 100), max_size=80), st.floats(0, 50), st.floats(0, 50))
def test_whatever_a_disk_does_problems_and_recoveries_take_turns(shares: list[float], on: float, width: float) -> None:
    watch, settings = Watch(), HealthSettings(disk_low_on=on, disk_low_off=on + width)
    for share in shares:
        watch.take(of_disk("/data", 10**12, int(share * 10**10), settings, watch.is_open))
    low = [recovered for code, recovered in watch.told if code == "disk_low"]
    assert low == [bool(number % 2) for number in range(len(low))]


WRONG = ({"disk_low_on": 10, "disk_low_off": 5}, {"cpu_on": 80, "cpu_off": 90}, {"skew_on_ms": 5, "skew_off_ms": 6})


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_limits_in_the_wrong_order_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="the problem would end where it begins"):
        HealthSettings.model_validate(wrong)


def test_the_catalogue_is_told_in_full_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "health.md").read_text()
    missing = [name for name, code in CODES.items() if f"| `{name}` | {code.severity.name.lower()} |" not in text]
    assert missing == []
