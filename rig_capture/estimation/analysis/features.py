"""Velocity, acceleration, smoothness, range of motion, and tables of them."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from rig_capture.estimation.analysis.angles import angles_of, joint_angles
from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.gaps import Floats, Stamps, longest, rate_of, resample, seconds, seen
from rig_capture.estimation.analysis.normalize import body_size
from rig_capture.estimation.analysis.series import PoseSeries
from rig_capture.estimation.analysis.smoothness import dimensionless_jerk, log_dimensionless_jerk, sparc

JOINT_STATISTICS = (
    "seen", "path_length", "extent", "speed_mean", "speed_sd", "speed_peak", "acceleration_mean", "acceleration_peak",
    "sparc", "dimensionless_jerk", "log_dimensionless_jerk", "smoothness_s",
)  # fmt: skip
"""What is told of each joint: the share of frames that have it; lengths in the unit of the poses, per s and per s^2; smoothness over the
longest time without a gap, and how long that is."""

ANGLE_STATISTICS = ("seen", "mean", "sd", "min", "max", "range")
"""What is told of each angle: the share of frames that have it, then degrees; `range` is the range of motion, max - min."""

_FRAMES = 3
"""As few as a derivative can be told from."""


def velocity(values: Floats, stamps_ns: Stamps) -> Floats:
    """The change per second, by central differences over the real intervals (of second order at the ends too).

    Args:
        values: (T, ...), NaN where missing.
        stamps_ns: (T,) ns, in any rhythm.

    Returns:
        (T, ...) in the unit of the values per second; NaN also beside what is missing.

    Raises:
        AnalysisError: fewer than three frames, or stamps that do not rise.
    """
    if len(values) < _FRAMES:
        raise AnalysisError(f"{len(values)} frames have no velocity; at least {_FRAMES} are needed")
    change: Floats = np.gradient(values, seconds(stamps_ns), axis=0, edge_order=2)
    return change


def speed(poses: Floats, stamps_ns: Stamps) -> Floats:
    """(T, J) how fast each joint moves, in the unit of the poses (T, J, D) per second. Raises AnalysisError, as `velocity` does."""
    fast: Floats = np.linalg.norm(velocity(poses, stamps_ns), axis=2)
    return fast


def acceleration(values: Floats, stamps_ns: Stamps) -> Floats:
    """(T, ...) the change of `velocity`, per s^2. Raises AnalysisError, as `velocity` does."""
    return velocity(velocity(values, stamps_ns), stamps_ns)


def range_of_motion(angles: Floats) -> Floats:
    """(A,) the largest minus the smallest of (T, A) angles, degrees; NaN of one never seen."""
    with _empty_is_nan():
        spread: Floats = np.nanmax(angles, axis=0) - np.nanmin(angles, axis=0)
    return spread


def joint_statistics(poses: Floats, stamps_ns: Stamps) -> dict[str, Floats]:
    """The statistics of all joints, each of `JOINT_STATISTICS` as (J,); NaN of joints that were never seen.

    Args:
        poses: (T, J, D), NaN where missing.
        stamps_ns: (T,) ns.

    Raises:
        AnalysisError: fewer than three frames, or stamps that do not rise.
    """
    fast, accelerated = speed(poses, stamps_ns), np.linalg.norm(acceleration(poses, stamps_ns), axis=2)
    steps = np.linalg.norm(np.diff(poses, axis=0), axis=2)
    with _empty_is_nan():
        columns = {
            "seen": np.mean(seen(poses), axis=0),
            "path_length": np.nansum(steps, axis=0),
            "extent": np.linalg.norm(np.nanmax(poses, axis=0) - np.nanmin(poses, axis=0), axis=1),
            "speed_mean": np.nanmean(fast, axis=0),
            "speed_sd": np.nanstd(fast, axis=0),
            "speed_peak": np.nanmax(fast, axis=0),
            "acceleration_mean": np.nanmean(accelerated, axis=0),
            "acceleration_peak": np.nanmax(accelerated, axis=0),
        }
    columns["path_length"][columns["seen"] == 0] = np.nan
    smooth = np.array([_smoothness(poses[:, joint], stamps_ns) for joint in range(poses.shape[1])]).reshape(-1, 4)
    names = ("sparc", "dimensionless_jerk", "log_dimensionless_jerk", "smoothness_s")
    return columns | dict(zip(names, smooth.T, strict=True))


def _smoothness(positions: Floats, stamps_ns: Stamps) -> tuple[float, float, float, float]:
    """SPARC, both jerks, and over how many seconds, of one joint's (T, D)."""
    run = longest(positions)
    if run.stop - run.start < _FRAMES:
        return float("nan"), float("nan"), float("nan"), 0.0
    positions, stamps_ns = positions[run], stamps_ns[run]
    rate = rate_of(stamps_ns)
    moved, at = resample(positions, stamps_ns, rate)
    if len(at) < _FRAMES:
        return float("nan"), float("nan"), float("nan"), 0.0
    profile = np.linalg.norm(velocity(moved, at), axis=1)
    return sparc(profile, rate), dimensionless_jerk(moved, rate), log_dimensionless_jerk(moved, rate), float(at[-1] - at[0]) / 1e9


def angle_statistics(angles: Floats) -> dict[str, Floats]:
    """The statistics of (T, A) angles in degrees, each of `ANGLE_STATISTICS` as (A,); NaN of angles never seen."""
    with _empty_is_nan():
        return {
            "seen": np.mean(~np.isnan(angles), axis=0),
            "mean": np.nanmean(angles, axis=0),
            "sd": np.nanstd(angles, axis=0),
            "min": np.nanmin(angles, axis=0),
            "max": np.nanmax(angles, axis=0),
            "range": range_of_motion(angles),
        }


_SEEN = ("seen", "smoothness_s")
"""Statistics of how well a joint was seen, which say nothing of the movement."""


def feature_vector(series: PoseSeries) -> Mapping[str, float]:
    """All statistics of a movement under names such as ``left_wrist.speed_peak`` and ``left_elbow(left_shoulder,left_wrist).range``.

    Lengths are told in sizes of the body (see `body_size`), so that neither the distance to the camera nor the size of the person matters.

    Raises:
        AnalysisError: too few frames, or no frame with all joints that were ever seen.
    """
    poses = series.poses / body_size(series.poses)
    columns = joint_statistics(poses, series.stamps_ns)
    found = {
        f"{joint}.{name}": float(columns[name][at])
        for at, joint in enumerate(series.names)
        for name in JOINT_STATISTICS
        if name not in _SEEN
    }
    angles = angles_of(len(series.names), series.edges)
    columns = angle_statistics(joint_angles(poses, angles))
    for at, angle in enumerate(angles):
        found |= {f"{angle.name(series.names)}.{name}": float(columns[name][at]) for name in ANGLE_STATISTICS if name not in _SEEN}
    return found | {"duration_s": float(seconds(series.stamps_ns)[-1])}


@contextmanager
def _empty_is_nan() -> Iterator[None]:
    """What was never seen has NaN as its statistics; numpy need not warn of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN|Mean of empty|Degrees of freedom", RuntimeWarning)
        yield
