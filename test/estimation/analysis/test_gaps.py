"""Gaps, rates, low pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.gaps import fill_gaps, low_pass, rate_of, resample, seconds
from test.estimation.analysis.movements import SEEDS, START_NS, arm, curls, noise, stamps, uneven_stamps


def test_short_gaps_are_filled_by_time_and_counted_long_ones_and_ends_stay() -> None:
    at = uneven_stamps(60, 4)
    line = (seconds(at)[:, None, None] * np.array([3.0, -2.0])) + np.array([[[5.0, 6.0]]])
    poses = np.repeat(line, 2, axis=1)
    for missing in (slice(0, 2), slice(10, 13), slice(30, 45), slice(58, 60)):
        poses[missing, 0, 1] = np.nan
    found = fill_gaps(poses, at, max_gap_s=0.12)
    assert found.filled.tolist() == [3, 0]
    assert found.missing.tolist() == [2 + 15 + 2, 0]
    assert found.poses[10:13, 0] == pytest.approx(line[10:13, 0])
    assert np.isnan(found.poses[30:45, 0, 1]).all()
    assert np.isnan(poses[11, 0, 1]), "what was given is not changed"


@given(SEEDS, st.sets(st.integers(0, 29), max_size=20), st.floats(0.03, 0.5))
def test_what_was_seen_is_never_touched_and_nothing_is_lost_count_of(seed: int, lost: set[int], max_gap_s: float) -> None:
    poses, at = noise(seed, 30, 2), uneven_stamps(30, seed)
    poses[list(lost), 1] = np.nan
    found = fill_gaps(poses, at, max_gap_s=max_gap_s)
    seen = ~np.isnan(poses)
    assert (found.poses[seen] == poses[seen]).all()
    assert found.filled[1] + found.missing[1] == len(lost)
    assert np.isnan(found.poses[:, 1]).any(axis=1).sum() == found.missing[1]


def test_a_line_stays_a_line_at_any_rate_and_gaps_stay_gaps() -> None:
    at = uneven_stamps(50, 1)
    values = seconds(at)[:, None] * np.array([10.0, -4.0])
    values[20:22, 1] = np.nan
    even, wanted = resample(values, at, 120)
    assert wanted[0] == START_NS
    assert np.diff(wanted) == pytest.approx(1e9 / 120, abs=1)
    assert wanted[-1] <= at[-1] < wanted[-1] + 1e9 / 120
    assert even[:, 0] == pytest.approx(seconds(wanted) * 10, abs=1e-6)
    inside = (wanted > at[19]) & (wanted < at[22])
    assert (np.isnan(even[:, 1]) == inside).all()


def test_a_low_pass_takes_jitter_and_leaves_the_movement_where_it_was() -> None:
    poses = arm(curls(3, 1.0))
    shaky = poses + np.random.default_rng(1).normal(size=poses.shape) * 5
    shaky[70:75, 5] = np.nan
    calm = low_pass(shaky, 50, 6)
    kept = ~np.isnan(shaky)
    assert (np.isnan(calm) == ~kept).all()
    off = np.sqrt(np.mean((calm - poses)[kept] ** 2))
    assert off < 0.6 * 5
    slow = np.sin(2 * np.pi * 0.5 * np.arange(500) / 50)[:, None]
    assert low_pass(slow, 50, 6)[50:-50] == pytest.approx(slow[50:-50], abs=2e-3)
    assert np.abs(low_pass(np.sin(2 * np.pi * 20 * np.arange(500) / 50)[:, None], 50, 6)[50:-50]).max() < 0.01
    with pytest.raises(AnalysisError, match="must be below 25 Hz"):
        low_pass(shaky, 50, 25)


def test_the_rate_is_that_of_most_frames() -> None:
    assert rate_of(np.delete(stamps(100, 30), [5, 6, 7, 60])) == pytest.approx(30)
    with pytest.raises(AnalysisError, match="stamp of frame 3 is not later than that of frame 2"):
        rate_of(np.array([1, 2, 3, 3, 4]))
    with pytest.raises(AnalysisError, match="1 frames have no rate"):
        rate_of(stamps(1))
