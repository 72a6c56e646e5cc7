"""Repetitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.gaps import seconds
from rig_capture.estimation.analysis.segments import TurningPoint, period, repetitions
from test.estimation.analysis.movements import START_NS, curls, stamps, uneven_stamps


@settings(max_examples=50)
@given(st.integers(1, 8), st.floats(0.6, 3), st.floats(0.01, 100), st.floats(-1e4, 1e4), st.integers(0, 10**15))
def test_each_curl_is_found_from_stretched_to_stretched(count: int, period_s: float, scale: float, offset: float, later: int) -> None:
    signal = curls(count, period_s)
    at = stamps(len(signal)) + later
    found = repetitions(scale * signal + offset, at, turn=TurningPoint.LOW)
    assert len(found) == count
    starts = [(each.start_ns - at[0]) / 1e9 for each in found]
    turns = [(each.turn_ns - at[0]) / 1e9 for each in found]
    assert starts == pytest.approx(np.arange(count) * period_s, abs=0.03)
    assert turns == pytest.approx(np.arange(count) * period_s + period_s / 2, abs=0.03)
    assert [one.end_ns for one in found[:-1]] == [other.start_ns for other in found[1:]]
    assert all(each.amplitude == pytest.approx(130 * scale, rel=0.02) for each in found)
    assert repetitions(-scale * signal, at, turn=TurningPoint.HIGH) == repetitions(scale * signal, at, turn=TurningPoint.LOW)


def test_noise_and_an_uneven_rhythm_make_no_repetitions_of_their_own() -> None:
    at = uneven_stamps(501, 2)
    rng = np.random.default_rng(8)
    signal = 100 * np.sin(2 * np.pi * seconds(at) / 1.25 - np.pi / 2) + rng.normal(size=501) * 12
    found = repetitions(signal, at)
    assert len(found) == 8
    assert np.mean([each.duration_s for each in found]) == pytest.approx(1.25, abs=0.02)
    repeats = period(signal, at)
    assert repeats is not None
    assert repeats[0] == pytest.approx(1.25, abs=0.05)
    assert 0.9 < repeats[1] <= 1


def test_halves_at_the_ends_are_no_repetitions() -> None:
    signal = curls(4, 1.0)[25:-25]
    found = repetitions(signal, stamps(len(signal)), turn=TurningPoint.LOW)
    assert [round((each.start_ns - START_NS) / 1e9, 2) for each in found] == [0.5, 1.5]


def test_a_gap_belongs_to_no_repetition_and_the_long_ones_can_be_left_out() -> None:
    signal = np.concatenate((curls(2, 1.0), curls(1, 3.0)[1:], curls(2, 1.0)[1:]))
    at = stamps(len(signal))
    assert [round(each.duration_s) for each in repetitions(signal, at, turn=TurningPoint.LOW, min_s=0.5)] == [1, 1, 3, 1, 1]
    assert len(repetitions(signal, at, turn=TurningPoint.LOW, min_s=0.5, max_s=2)) == 4
    signal[170] = np.nan
    assert [round(each.duration_s) for each in repetitions(signal, at, turn=TurningPoint.LOW, min_s=0.5)] == [1, 1, 1, 1]


def test_stillness_has_no_repetitions_and_no_period() -> None:
    still = np.ones(100)
    assert repetitions(still, stamps(100)) == []
    assert period(still, stamps(100)) is None
    assert period(np.linspace(0, 1, 100), stamps(100)) is None
    with pytest.raises(AnalysisError, match="missing in all frames"):
        repetitions(np.full(100, np.nan), stamps(100))
