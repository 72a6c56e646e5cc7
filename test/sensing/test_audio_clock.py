"""Stamps of audio blocks, and the drift beside them."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.sensing.audio.block import SECOND_NS, DriftMeter, SampleClock

NOON_NS = 1_800_000_000 * SECOND_NS


@given(
    rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000, 384000]),
    arrivals=st.lists(st.tuples(st.integers(1, 20000), st.integers(0, 10**9)), min_size=1, max_size=60),
)
def test_stamps_advance_by_exactly_the_samples_however_they_arrive(rate: int, arrivals: list[tuple[int, int]]) -> None:
    clock = SampleClock(rate)
    frames = 0
    anchor = None
    for more, late_ns in arrivals:
        frames += more
        clock.heard(frames, NOON_NS + frames * SECOND_NS // rate + late_ns)
        if clock.anchored:
            anchor = clock.stamp(0) if anchor is None else anchor
            assert clock.stamp(frames) == anchor + frames * SECOND_NS // rate
    clock.settle()
    assert clock.anchored


@given(st.lists(st.integers(0, 10**8), min_size=10, max_size=10))
def test_the_anchor_is_the_least_late_of_the_first_arrivals(late_ns: list[int]) -> None:
    clock = SampleClock(48000)
    for number, late in enumerate(late_ns[:5], 1):
        clock.heard(number * 2400, NOON_NS + number * 50_000_000 + late)
    assert clock.stamp(0) == NOON_NS + min(late_ns[:5])


@pytest.mark.parametrize("ppm", [-80.0, 0.0, 3.5, 40.0])
def test_drift_is_measured_through_jitter(ppm: float) -> None:
    meter = DriftMeter()
    jitter = random.Random(4)
    for block in range(20 * 300):
        elapsed = block * 0.05
        lateness = -elapsed * ppm * 1000 + jitter.expovariate(1 / 2e6)
        meter.add(elapsed, round(lateness))
    assert meter.ppm == pytest.approx(ppm, abs=1.0)


def test_drift_is_unknown_in_the_first_ten_seconds() -> None:
    meter = DriftMeter()
    for block in range(200):
        meter.add(block * 0.05, 0)
    assert math.isnan(meter.ppm)
    for block in range(200, 260):
        meter.add(block * 0.05, 0)
    assert meter.ppm == 0


def test_what_drift_has_come_to_is_told_and_does_not_touch_stamps() -> None:
    clock = SampleClock(48000)
    for block in range(1, 20 * 60):
        clock.heard(block * 2400, NOON_NS + round(block * 50_000_000 * (1 + 100e-6)))
    assert clock.stamp(48000 * 60) - clock.stamp(0) == 60 * SECOND_NS
    assert clock.offset_ns == pytest.approx(60e9 * 100e-6, rel=0.05)
    assert clock.drift_ppm == pytest.approx(-100, rel=0.01)
