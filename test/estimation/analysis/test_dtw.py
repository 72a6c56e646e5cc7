"""Dynamic time warping."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig_capture.estimation.analysis.dtw import Relation, align, align_joints, matched_distances, relation
from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.normalize import Normalisation, Turn, normalised
from test.estimation.analysis.movements import DIMENSIONS, SEEDS, Floats, arm, curls, noise, rotation


def by_hand(a: Floats, b: Floats, window: int | None) -> float:
    """The same, over the whole table and by nothing but its definition."""
    n, m = len(a), len(b)
    reach_left, reach_right = (n + m, n + m) if window is None else (max(0, n - m) + window, max(0, m - n) + window)
    table = np.full((n + 1, m + 1), np.inf)
    table[0, 0] = 0
    for i in range(n):
        for j in range(max(0, i - reach_left), min(m, i + reach_right + 1)):
            before = min(table[i, j], table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = np.sum((a[i] - b[j]) ** 2) + before
    return float(np.sqrt(table[n, m]))


SIZES = st.integers(1, 14)


@settings(max_examples=150)
@given(SEEDS, SIZES, SIZES, st.integers(1, 4), DIMENSIONS, st.none() | st.integers(0, 15))
def test_distance_and_path_are_those_of_the_definition(
    seed: int, frames: int, others: int, joints: int, dimensions: int, window: int | None
) -> None:
    a, b = noise(seed, frames, joints, dimensions), noise(seed + 7, others, joints, dimensions)
    found = align(a, b, window=window)
    wanted = by_hand(a, b, window)
    assert found.distance == pytest.approx(wanted)
    along = matched_distances(a, b, found.path)
    assert np.sqrt(np.sum(along**2) * joints) == pytest.approx(wanted)
    assert found.rms == pytest.approx(np.sqrt(np.mean(along**2)))
    assert found.path[0].tolist() == [0, 0]
    assert found.path[-1].tolist() == [frames - 1, others - 1]
    steps = np.diff(found.path, axis=0)
    assert set(map(tuple, steps.tolist())) <= {(0, 1), (1, 0), (1, 1)}


@given(SEEDS, SIZES, SIZES)
def test_one_coordinate_and_a_distance_are_movements_too(seed: int, frames: int, others: int) -> None:
    a, b = (relation(noise(each, size), 0, 2, Relation.DISTANCE) for each, size in ((seed, frames), (seed + 3, others)))
    assert a.shape == (frames, 1, 1)
    assert align(a, b).distance == pytest.approx(by_hand(a, b, None))


@given(SEEDS, SIZES, SIZES)
def test_a_wider_window_never_makes_it_worse_and_both_ways_are_the_same(seed: int, frames: int, others: int) -> None:
    a, b = noise(seed, frames), noise(seed + 7, others)
    distances = [align(a, b, window=window).distance for window in (0, 2, 5, None)]
    assert distances == sorted(distances, reverse=True)
    assert align(b, a).distance == pytest.approx(distances[-1])


def test_the_same_movement_slower_is_no_other_movement() -> None:
    quick, slow = arm(curls(2, 1.0)), arm(curls(2, 1.5))
    found = align(quick, slow)
    assert found.rms < 8
    hasty = np.linspace(0, 1, 101) ** 1.5
    late = arm(105 + 65 * np.cos(4 * np.pi * hasty))
    assert align(quick, late).rms < 8
    assert align(quick, late, window=2).rms > 5 * align(quick, late).rms
    in_the_middle = found.path[len(found.path) // 2]
    assert in_the_middle[1] / in_the_middle[0] == pytest.approx(1.5, abs=0.1)


@settings(max_examples=40)
@given(SEEDS, DIMENSIONS, st.floats(0.2, 5), st.sampled_from((Turn.WHOLE, Turn.FRAME)))
def test_place_size_and_direction_count_unless_left_out(seed: int, dimensions: int, scale: float, turn: Turn) -> None:
    a = noise(seed, 20, 5, dimensions)
    b = scale * a @ rotation(seed, dimensions) + np.random.default_rng(seed).normal(size=dimensions) * 1000
    assert align(a, b).rms > 10
    same = align(*normalised(a, b, Normalisation(scaled=True, turn=turn)))
    assert same.rms == pytest.approx(0, abs=1e-6)


@settings(max_examples=40)
@given(SEEDS, DIMENSIONS)
def test_rotating_both_alike_changes_nothing(seed: int, dimensions: int) -> None:
    a, b, turned = noise(seed, 15, 4, dimensions), noise(seed + 1, 12, 4, dimensions), rotation(seed, dimensions)
    for how in (Normalisation(), Normalisation(scaled=True, turn=Turn.WHOLE), Normalisation(roots=(1, 2), turn=Turn.FRAME)):
        before, after = align(*normalised(a, b, how)), align(*normalised(a @ turned + 100, b @ turned - 50, how))
        assert after.distance == pytest.approx(before.distance, rel=1e-6)


def test_a_mirrored_movement_stays_another_one() -> None:
    a = arm(curls(1, 1.0))
    mirrored = a * (-1, 1, 1)
    assert align(*normalised(a, mirrored, Normalisation(turn=Turn.FRAME))).rms > 20


def test_a_relative_vector_knows_where_and_a_distance_only_how_far() -> None:
    a = arm(curls(1, 1.0))
    turned = a @ rotation(3, 3)
    vectors = align(relation(a, 3, 5, Relation.VECTOR), relation(turned, 3, 5, Relation.VECTOR))
    distances = align(relation(a, 3, 5, Relation.DISTANCE), relation(turned, 3, 5, Relation.DISTANCE))
    assert distances.rms == pytest.approx(0, abs=1e-9)
    assert vectors.rms > 50


def test_each_joint_is_matched_by_itself_and_one_never_seen_is_not() -> None:
    a, b = arm(curls(1, 1.0)), arm(curls(1, 1.2))
    b[:, 2] = np.nan
    joints = align_joints(a, b)
    assert joints[2] is None
    assert joints[0] is not None
    assert joints[5] is not None
    assert joints[0].rms == pytest.approx(0)
    assert 0 < joints[5].rms < 20


def test_frames_that_lack_a_joint_are_left_out_and_counted() -> None:
    a, b = arm(curls(1, 1.0)), arm(curls(1, 1.0))
    a[10, 3] = np.nan
    found = align(a, b)
    assert found.left_out == (1, 0)
    assert 10 not in found.path[:, 0]
    assert set(found.path[:, 1]) == set(range(len(b)))


def test_what_cant_be_compared_is_refused() -> None:
    a = arm(curls(1, 1.0))
    with pytest.raises(AnalysisError, match="can't be compared"):
        align(a, a[:, :3])
    with pytest.raises(AnalysisError, match="no frame of the second movement has all joints"):
        align(a, np.full_like(a, np.nan))
    long = np.zeros((40_000, 1, 2))
    with pytest.raises(AnalysisError, match="need 13 GB"):
        align(long, long)
    assert align(long, long, window=50).distance == 0
