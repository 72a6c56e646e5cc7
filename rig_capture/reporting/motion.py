"""Noise of an IMU while it lies still, and samples at the end of its range."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.reading.topic import TopicMessage
from rig_capture.reporting.models import Axis, MotionQuality, Vector
from rig_capture.reporting.timing import Means, shortened

IMU = "sensor_msgs/msg/Imu"

_STANDARD_GRAVITY = 9.80665
_WINDOW_NS = 1_000_000_000
_LEAST_SAMPLES = 10
"""Windows with fewer are not judged."""
_STILL_ACCEL, _STILL_GYRO = 0.3, 0.03
"""A window is still where the standard deviations of its axes, as a vector, are not longer: m/s^2 and rad/s. A hand that tries to
hold still is above both; the noise of common MEMS sensors is a tenth of it."""
_AT_LIMIT = 0.999
"""Share of the range from which on a sample is at its end."""


def range_of(profile: dict[str, Any], topic: str) -> tuple[float, float] | None:
    """The range of an IMU by the profile of its session, where its driver is one whose range we set.

    Returns:
        m/s^2 and rad/s; None where it is not known.
    """
    name = topic.strip("/").split("/")[-2:-1]
    section = profile.get("imus")
    try:
        settings = ImuSettings.model_validate(section[name[0]] if isinstance(section, dict) and name else {})
    except (ValidationError, KeyError):
        return None
    if settings.driver != "mpu6050":
        return None
    return settings.accel_range_g * _STANDARD_GRAVITY, math.radians(settings.gyro_range_dps)


class Motion:
    """Takes messages Imu, a second of them in memory."""

    def __init__(self, stream: str, axis: Axis, limits: tuple[float, float] | None) -> None:
        """`limits` are m/s^2 and rad/s, None where they are not known."""
        self._stream, self._limits = stream, limits
        self._means = Means(axis), Means(axis)
        self._measured = [False, False]
        self._saturated = [0, 0]
        self._window: list[tuple[float, ...]] = []
        self._window_ns = 0
        self._samples = 0
        self._variances: npt.NDArray[np.float64] = np.zeros(6)
        self._still_windows, self._still_ns = 0, 0
        self._last_ns = 0

    def take(self, each: TopicMessage) -> None:
        """The next message."""
        message, at = each.message, each.stamp_ns
        if not self._window or not 0 <= at - self._window_ns < _WINDOW_NS:
            self._judge()
            self._window_ns = at
        self._last_ns = at
        self._samples += 1
        values: list[float] = []
        parts = (
            (message.linear_acceleration, message.linear_acceleration_covariance),
            (message.angular_velocity, message.angular_velocity_covariance),
        )
        for part, (vector, covariance) in enumerate(parts):
            axes = (float(vector.x), float(vector.y), float(vector.z))
            values += axes
            # The message's way to say that there is no such sensor.
            if covariance[0] != -1:
                self._measured[part] = True
                self._means[part].add(at, math.hypot(*axes))
                self._saturated[part] += self._limits is not None and max(map(abs, axes)) >= _AT_LIMIT * self._limits[part]
        self._window.append(tuple(values))

    def quality(self) -> MotionQuality:
        """Of all that was taken; to be called once, at the end."""
        self._judge()
        noise = np.sqrt(self._variances / self._still_windows).tolist() if self._still_windows else None
        has_accel, has_gyro = self._measured
        known = self._limits is not None
        return MotionQuality(
            stream=self._stream,
            samples=self._samples,
            still_s=round(self._still_ns / 1e9, 1),
            accel_noise=_vector(noise[:3]) if noise and has_accel else None,
            gyro_noise=_vector(noise[3:]) if noise and has_gyro else None,
            accel_limit=shortened(self._limits[0]) if self._limits else None,
            gyro_limit=shortened(self._limits[1]) if self._limits else None,
            accel_saturated=self._saturated[0] if known and has_accel else None,
            gyro_saturated=self._saturated[1] if known and has_gyro else None,
            accel=self._means[0].series,
            gyro=self._means[1].series,
        )

    def _judge(self) -> None:
        window, self._window = self._window, []
        if len(window) < _LEAST_SAMPLES:
            return
        with np.errstate(invalid="ignore"):  # of infinite values, which are not still
            variances = np.array(window).var(axis=0)
        if np.sqrt(variances[:3].sum()) <= _STILL_ACCEL and np.sqrt(variances[3:].sum()) <= _STILL_GYRO:
            self._variances += variances
            self._still_windows += 1
            self._still_ns += self._last_ns - self._window_ns


def _vector(values: list[float]) -> Vector:
    x, y, z = (shortened(value) for value in values)
    return x, y, z
