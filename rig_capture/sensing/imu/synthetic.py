"""A made-up motion: what accelerometer and gyroscope of a slowly rocking rig would read, consistent with each other."""

import math
import random
import threading
import time

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.imu.sample import STANDARD_GRAVITY, ImuSample, Vector
from rig_capture.sensing.pacing import Pacer

# Amplitude (rad or m) and angular frequency (rad/s) of each swing.
ROLL, PITCH, YAW = (0.20, 1.1), (0.15, 0.7), (0.60, 0.3)
SWAY_X, SWAY_Y, SWAY_Z = (0.05, 1.7), (0.04, 1.3), (0.02, 2.3)


class SyntheticImu:
    """Samples at exact intervals; a late wake-up delivers what is due, so that the rate holds."""

    def __init__(self, settings: ImuSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._noise = random.Random(1)  # noqa: S311, noise is no secret
        self._count = 0

    def open(self) -> None:
        self._start_ns = time.time_ns()
        self._pacer = Pacer(self._settings.rate_hz, self._stop)

    def read(self) -> ImuSample | None:
        if not self._pacer.wait_all():
            return None
        self._count += 1
        seconds = self._count / self._settings.rate_hz
        stamp_ns = self._start_ns + round(seconds * 1e9)
        return ImuSample(
            stamp_ns,
            self._noisy(acceleration(seconds), self._settings.accel_stddev),
            self._noisy(angular_velocity(seconds), self._settings.gyro_stddev),
            30.0 + 2.0 * math.sin(seconds / 60),
        )

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        self._stop.set()

    def _noisy(self, vector: Vector, stddev: float) -> Vector:
        gauss = self._noise.gauss
        return (vector[0] + gauss(0, stddev), vector[1] + gauss(0, stddev), vector[2] + gauss(0, stddev))


def attitude(seconds: float) -> Vector:
    """Roll, pitch and yaw in rad (rotation about fixed x, then y, then z) of the motion."""
    return _swing(ROLL, seconds), _swing(PITCH, seconds), _swing(YAW, seconds)


def angular_velocity(seconds: float) -> Vector:
    """Angular velocity in the body's frame, rad/s: the kinematics of roll, pitch and yaw."""
    roll, pitch, _ = attitude(seconds)
    roll_rate, pitch_rate, yaw_rate = (_swing_rate(swing, seconds) for swing in (ROLL, PITCH, YAW))
    return (
        roll_rate - yaw_rate * math.sin(pitch),
        pitch_rate * math.cos(roll) + yaw_rate * math.sin(roll) * math.cos(pitch),
        -pitch_rate * math.sin(roll) + yaw_rate * math.cos(roll) * math.cos(pitch),
    )


def acceleration(seconds: float) -> Vector:
    """Specific force in the body's frame, m/s^2: the sway's acceleration minus gravity, turned from world to body."""
    x, y, z = (-(w**2) * _swing((a, w), seconds) for a, w in (SWAY_X, SWAY_Y, SWAY_Z))
    z += STANDARD_GRAVITY
    roll, pitch, yaw = attitude(seconds)
    x, y = x * math.cos(yaw) + y * math.sin(yaw), -x * math.sin(yaw) + y * math.cos(yaw)
    x, z = x * math.cos(pitch) - z * math.sin(pitch), x * math.sin(pitch) + z * math.cos(pitch)
    y, z = y * math.cos(roll) + z * math.sin(roll), -y * math.sin(roll) + z * math.cos(roll)
    return x, y, z


def _swing(swing: tuple[float, float], seconds: float) -> float:
    amplitude, frequency = swing
    return amplitude * math.sin(frequency * seconds)


def _swing_rate(swing: tuple[float, float], seconds: float) -> float:
    amplitude, frequency = swing
    return amplitude * frequency * math.cos(frequency * seconds)
