"""How smooth a movement is."""

import numpy as np

from rig_capture.estimation.analysis.gaps import Floats


def sparc(speed: Floats, rate_hz: float, *, cutoff_hz: float = 10.0, threshold: float = 0.05, padding: int = 4) -> float:
    """Spectral arc length of a speed profile: the negative length of its normalised amplitude spectrum up to an adaptive cut-off.

    With V(f) the amplitude over that at f = 0, and fc the largest frequency up to `cutoff_hz` with V(f) >= `threshold`, it is
    -integral from 0 to fc of sqrt((1/fc)^2 + (dV/df)^2) df. Higher (nearer to 0) is smoother; a single smooth stroke is near -1.4. It
    depends neither on the size of the movement nor on its place in time.

    Balasubramanian, Melendez-Calderon, Burdet: A robust and sensitive metric for quantifying movement smoothness. IEEE Transactions on
    Biomedical Engineering 59(8), 2012. Balasubramanian, Melendez-Calderon, Roby-Brami, Burdet: On the analysis of movement smoothness.
    Journal of NeuroEngineering and Rehabilitation 12:112, 2015 (the adaptive cut-off, and the values of the arguments).

    Args:
        speed: (T,) at a constant rate, any unit, no NaN.
        rate_hz: of the samples.
        cutoff_hz: above it nothing counts.
        threshold: share of the largest amplitude under which the end of the spectrum does not count.
        padding: the transform is over 2^padding times the next power of two samples.

    Returns:
        NaN of fewer than two samples, or of no movement.
    """
    if len(speed) < 2 or not speed.any():
        return float("nan")
    points = 2 ** (int(np.ceil(np.log2(len(speed)))) + padding)
    frequency = np.arange(points // 2 + 1) * rate_hz / points
    amplitude = np.abs(np.fft.rfft(speed, points))
    amplitude /= amplitude.max()
    below = frequency <= cutoff_hz
    strong = np.flatnonzero(amplitude[below] >= threshold)
    kept = slice(int(strong[0]), int(strong[-1]) + 1)
    f, v = frequency[below][kept], amplitude[below][kept]
    if len(f) < 2:
        return float("nan")
    return float(-np.sum(np.hypot(np.diff(f) / (f[-1] - f[0]), np.diff(v))))


def dimensionless_jerk(positions: Floats, rate_hz: float) -> float:
    """Jerk without a dimension: (D^3 / v_peak^2) times the integral of |jerk|^2 over the duration D.

    Smaller is smoother; the smoothest reaching movement, of minimum jerk, has 204.8. It depends neither on the size nor on the duration of
    a movement, but grows with pauses in it and with noise: use it on single movements, after a low pass.

    Hogan, Sternad: Sensitivity of smoothness measures to movement duration, amplitude, and arrests. Journal of Motor Behavior 41(6), 2009.

    Args:
        positions: (T,) or (T, D) at a constant rate, any unit, no NaN.
        rate_hz: of the samples.

    Returns:
        NaN of fewer than five samples, or of no movement.
    """
    columns = positions.reshape(len(positions), -1)
    if len(columns) < 5 or not np.ptp(columns, axis=0).any():
        return float("nan")
    # Third differences lie in the middle of four samples. Jerk is large at the ends of a stroke, so it is led on to them, straight.
    between = np.diff(columns, 3, axis=0) * rate_hz**3
    first = between[:1] + 1.5 * (between[:1] - between[1:2])
    last = between[-1:] + 1.5 * (between[-1:] - between[-2:-1])
    jerk = np.concatenate((first, between, last))
    at = np.concatenate(([0], np.arange(len(between)) + 1.5, [len(columns) - 1])) / rate_hz
    velocity = np.asarray(np.gradient(columns, 1 / rate_hz, axis=0))
    peak = np.max(np.sum(velocity**2, axis=1))
    return float(at[-1] ** 3 / peak * np.trapezoid(np.sum(jerk**2, axis=1), at))


def log_dimensionless_jerk(positions: Floats, rate_hz: float) -> float:
    """-ln of `dimensionless_jerk`, which is less sensitive; higher is smoother, minimum jerk has -5.32.

    Balasubramanian et al. 2015, as for `sparc`.
    """
    jerk = dimensionless_jerk(positions, rate_hz)
    return float(-np.log(jerk)) if jerk > 0 else float("nan")
