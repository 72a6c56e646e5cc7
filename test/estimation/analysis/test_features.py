"""Velocity, smoothness, statistics."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.features import (
    acceleration,
    angle_statistics,
    feature_vector,
    joint_statistics,
    range_of_motion,
    speed,
    velocity,
)
from rig_capture.estimation.analysis.gaps import seconds
from rig_capture.estimation.analysis.smoothness import dimensionless_jerk, log_dimensionless_jerk, sparc
from test.estimation.analysis.movements import (
    DIMENSIONS,
    SEEDS,
    Floats,
    arm,
    curls,
    minimum_jerk,
    noise,
    rotation,
    series,
    stamps,
    uneven_stamps,
)


def test_a_sine_has_its_velocity_and_acceleration_also_in_an_uneven_rhythm() -> None:
    at = uneven_stamps(2000, 3, rate_hz=400)
    t, omega = seconds(at), 2 * np.pi * 0.7
    wave = 40 * np.sin(omega * t)[:, None, None]
    assert velocity(wave, at)[:, 0, 0] == pytest.approx(40 * omega * np.cos(omega * t), abs=0.01)
    assert acceleration(wave, at)[2:-2, 0, 0] == pytest.approx(-40 * omega**2 * np.sin(omega * t)[2:-2], abs=1.5)
    assert speed(wave, at).max() == pytest.approx(40 * omega, rel=1e-3)


def test_a_lost_frame_leaves_velocity_right() -> None:
    at = np.delete(stamps(100), [40, 41, 60])
    steady = seconds(at)[:, None, None] * np.array([30.0, 40.0])
    assert speed(steady, at) == pytest.approx(50)


@settings(max_examples=50)
@given(SEEDS, DIMENSIONS, st.floats(0.1, 10), st.integers(0, 10**15))
def test_speed_keeps_place_direction_and_time_out_and_grows_with_size(seed: int, dimensions: int, scale: float, later: int) -> None:
    poses, at = noise(seed, 12, 3, dimensions), uneven_stamps(12, seed)
    moved = scale * poses @ rotation(seed, dimensions) - 300
    assert speed(moved, at + later) == pytest.approx(scale * speed(poses, at), rel=1e-6, abs=1e-6)


def reference_sparc(movement: Floats, rate_hz: float) -> float:
    """The published formula, step by step over the whole transform."""
    points = 2 ** int(np.ceil(np.log2(len(movement))) + 4)
    spectrum = np.abs(np.fft.fft(movement, points))
    spectrum = spectrum / np.max(spectrum)
    frequencies = [k * rate_hz / points for k in range(points)]
    within = [(f, v) for f, v in zip(frequencies, spectrum, strict=True) if f <= 10]
    last = max(k for k, (_, v) in enumerate(within) if v >= 0.05)
    first = min(k for k, (_, v) in enumerate(within) if v >= 0.05)
    kept = within[first : last + 1]
    width = kept[-1][0] - kept[0][0]
    return -sum(float(np.sqrt(((f2 - f1) / width) ** 2 + (v2 - v1) ** 2)) for (f1, v1), (f2, v2) in pairwise(kept))


@settings(max_examples=40)
@given(SEEDS, st.integers(20, 200))
def test_sparc_is_that_of_the_published_formula(seed: int, frames: int) -> None:
    profile = np.abs(noise(seed, frames, 1, 1)[:, 0, 0])
    assert sparc(profile, 60) == pytest.approx(reference_sparc(profile, 60))


@given(SEEDS, st.floats(1e-3, 1e3), st.integers(0, 60))
def test_sparc_does_not_depend_on_size_nor_on_when(seed: int, scale: float, later: int) -> None:
    profile = np.abs(noise(seed, 64, 1, 1)[:, 0, 0])
    assert sparc(scale * profile, 60) == pytest.approx(sparc(profile, 60), rel=1e-6)
    # The same number of samples, so the same transform.
    early, late = (np.roll(np.concatenate((profile, np.zeros(64))), by) for by in (0, later))
    assert sparc(late, 60) == pytest.approx(sparc(early, 60), rel=1e-6)


def test_smooth_strokes_are_smoother_than_halting_ones() -> None:
    way = minimum_jerk(300, 1.0, 100)
    with_stops = np.concatenate((way, np.full(10, 300), way + 300, np.full(30, 600), way + 600))
    stroke, halting = (np.gradient(each, 0.01) for each in (way, with_stops))
    assert -1.5 < sparc(stroke, 100) < -1.4
    assert sparc(halting, 100) < sparc(stroke, 100) - 0.5
    assert log_dimensionless_jerk(with_stops, 100) < log_dimensionless_jerk(way, 100) - 1


@settings(max_examples=40)
@given(st.floats(1, 1000), st.floats(0.5, 5), SEEDS)
def test_minimum_jerk_has_its_known_dimensionless_jerk_in_any_size_direction_and_tempo(
    amplitude: float, duration_s: float, seed: int
) -> None:
    """720 A^2 / D^5 times D^3 over the square of the peak speed 15/8 A/D is 204.8."""
    rate = 400 / duration_s
    stroke = minimum_jerk(amplitude, duration_s, rate)
    assert dimensionless_jerk(stroke, rate) == pytest.approx(204.8, rel=0.002)
    assert log_dimensionless_jerk(stroke, rate) == pytest.approx(-np.log(204.8), abs=0.01)
    turned = np.pad(stroke[:, None], ((0, 0), (0, 2))) @ rotation(seed, 3)
    assert dimensionless_jerk(turned, rate) == pytest.approx(dimensionless_jerk(stroke, rate))


def test_a_stroke_seen_by_a_camera_has_nearly_the_dimensionless_jerk_of_its_formula() -> None:
    for rate, tolerance in ((30.0, 0.03), (60.0, 0.01), (200.0, 0.002)):
        poses = np.pad(minimum_jerk(400, 1.0, rate)[:, None, None], ((0, 0), (0, 0), (1, 1)))
        found = joint_statistics(poses, stamps(len(poses), rate))
        assert found["dimensionless_jerk"][0] == pytest.approx(204.8, rel=tolerance)
        assert found["sparc"][0] == pytest.approx(sparc(np.gradient(minimum_jerk(400, 1.0, 400.0)), 400), abs=0.05)


def test_no_movement_has_no_smoothness() -> None:
    assert np.isnan(
        [sparc(np.zeros(50), 50), sparc(np.ones(1), 50), dimensionless_jerk(np.zeros(50), 50), log_dimensionless_jerk(np.ones(3), 5)]
    ).all()


def test_statistics_of_a_known_path() -> None:
    """Along a rectangle of 3 by 4, at a steady speed."""
    corner = np.concatenate((np.stack((np.arange(31) / 10, np.zeros(31)), 1), np.stack((np.full(40, 3), np.arange(1, 41) / 10), 1)))
    poses = np.stack((corner, np.full_like(corner, np.nan)), axis=1)
    found = joint_statistics(poses, stamps(len(poses), 10))
    assert found["path_length"][0] == pytest.approx(7)
    assert found["extent"][0] == pytest.approx(5)
    assert found["speed_peak"][0] == pytest.approx(1)
    assert found["seen"].tolist() == [1, 0]
    assert found["smoothness_s"].tolist() == [7, 0]
    assert all(np.isnan(found[name][1]) for name in found if name not in ("seen", "smoothness_s"))


def test_the_range_of_motion_of_an_elbow() -> None:
    bend = np.stack((curls(2, 1.0), np.full(101, np.nan)), axis=1)
    assert range_of_motion(bend) == pytest.approx([130, np.nan], nan_ok=True)
    found = angle_statistics(bend)
    assert (found["min"][0], found["max"][0], found["mean"][0]) == pytest.approx((40, 170, 105), abs=1)


@settings(max_examples=25)
@given(SEEDS, st.floats(0.2, 5), st.integers(0, 10**15))
def test_features_do_not_tell_who_stood_where_and_when(seed: int, scale: float, later: int) -> None:
    poses = arm(curls(2, 1.0)) + noise(seed, 101, 6) / 200
    known = feature_vector(series(poses))
    moved = feature_vector(series(scale * poses + 700, stamps(101) + later))
    assert list(moved) == list(known)
    assert moved == pytest.approx({name: pytest.approx(value, rel=1e-5, abs=1e-5) for name, value in known.items()})
    assert known["elbow(shoulder,wrist).range"] == pytest.approx(130, abs=15)
    assert known["duration_s"] == 2


def test_two_frames_have_no_velocity() -> None:
    with pytest.raises(AnalysisError, match="2 frames have no velocity; at least 3"):
        velocity(noise(1, 2), stamps(2))
