"""One inertial reading in SI units."""

from dataclasses import dataclass

STANDARD_GRAVITY = 9.80665
"""m/s^2; the unit that parts give acceleration in."""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class ImuSample:
    """What an IMU measures, in its own frame: x forward, y left, z up (REP 103) when it is mounted so."""

    stamp_ns: int
    """When it was read from the bus, or the time the kernel gave it."""
    acceleration: Vector | None
    """Specific force in m/s^2: at rest z is +9.81; None where the device has no accelerometer."""
    angular_velocity: Vector | None
    """rad/s, right-handed; None where the device has no gyroscope."""
    temperature_c: float | None
    """Degrees Celsius; None where not measured."""
    missed: int = 0
    """Samples skipped since the device was opened, because the bus was too slow."""
