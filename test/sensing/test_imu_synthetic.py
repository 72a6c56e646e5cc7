"""The made-up motion is one that a body could make."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.imu.sample import STANDARD_GRAVITY
from rig_capture.sensing.imu.synthetic import SWAY_X, SWAY_Y, SWAY_Z, SyntheticImu, acceleration, angular_velocity, attitude

Matrix = npt.NDArray[np.float64]


def rotation(seconds: float) -> Matrix:
    """Body to world."""
    roll, pitch, yaw = attitude(seconds)
    x = np.array([[1, 0, 0], [0, math.cos(roll), -math.sin(roll)], [0, math.sin(roll), math.cos(roll)]])
    y = np.array([[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0], [-math.sin(pitch), 0, math.cos(pitch)]])
    z = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    turned: Matrix = z @ y @ x
    return turned


@given(st.floats(0, 1000))
def test_the_gyroscope_tells_how_the_attitude_changes(seconds: float) -> None:
    step = 1e-5
    derivative = (rotation(seconds + step) - rotation(seconds - step)) / (2 * step)
    skew = rotation(seconds).T @ derivative
    assert angular_velocity(seconds) == pytest.approx((skew[2, 1], skew[0, 2], skew[1, 0]), abs=1e-5)


@given(st.floats(0, 1000))
def test_the_accelerometer_feels_the_sway_and_gravity(seconds: float) -> None:
    sway = np.array([-(w**2) * a * math.sin(w * seconds) for a, w in (SWAY_X, SWAY_Y, SWAY_Z)])
    felt = rotation(seconds).T @ (sway + np.array([0, 0, STANDARD_GRAVITY]))
    assert acceleration(seconds) == pytest.approx(tuple(felt), abs=1e-9)


def test_samples_come_at_exact_intervals() -> None:
    driver = SyntheticImu(ImuSettings(rate_hz=1000.0))
    driver.open()
    stamps = [sample.stamp_ns for sample in (driver.read() for _ in range(50)) if sample is not None]
    assert {after - before for before, after in itertools.pairwise(stamps)} == {1_000_000}
