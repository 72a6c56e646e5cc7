"""Movements made up for tests, whose numbers are known."""

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from rig_capture.estimation.analysis.series import PoseSeries
from rig_capture.estimation.predictions import ModelIdentity, Skeleton, VideoMetadata, VideoPredictions

Floats = npt.NDArray[np.float64]
Stamps = npt.NDArray[np.int64]

START_NS = 1_700_000_000_123_456_789
NAMES = ("hip_left", "hip_right", "neck", "shoulder", "elbow", "wrist")
EDGES = ((0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 5))


def stamps(frames: int, rate_hz: float = 50.0) -> Stamps:
    return START_NS + np.round(np.arange(frames) * 1e9 / rate_hz).astype(np.int64)


def uneven_stamps(frames: int, seed: int, rate_hz: float = 50.0) -> Stamps:
    """Intervals that jitter by a fifth."""
    steps = np.random.default_rng(seed).uniform(0.8, 1.2, frames - 1) * 1e9 / rate_hz
    return START_NS + np.concatenate(([0], np.cumsum(steps))).astype(np.int64)


def arm(bend: Floats, *, lift: float = 0.6) -> Floats:
    """(T, 6, 3) mm: a body whose elbow has the angle `bend`, (T,) degrees, and whose upper arm is turned as it is bent."""
    poses = np.empty((len(bend), len(NAMES), 3))
    poses[:] = [(-120, 500, 2500), (120, 500, 2500), (0, 0, 2500), (180, 20, 2500), (0, 0, 0), (0, 0, 0)]
    raised = np.radians(20 + lift * (180 - bend))
    upper = np.stack((np.sin(raised) * 0.4, np.cos(raised), -np.sin(raised)), axis=1)
    upper /= np.linalg.norm(upper, axis=1, keepdims=True)
    across = np.array([1.0, 0.0, 0.4])
    across = across - (upper @ across)[:, None] * upper
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    back = np.radians(bend)[:, None]
    poses[:, 4] = poses[:, 3] + 300 * upper
    poses[:, 5] = poses[:, 4] + 260 * (-np.cos(back) * upper + np.sin(back) * across)
    return poses


def curls(count: int, period_s: float, *, rate_hz: float = 50.0, least: float = 40.0) -> Floats:
    """(T,) degrees of an elbow that is bent and stretched `count` times, from stretched to stretched."""
    at = np.arange(round(count * period_s * rate_hz) + 1) / rate_hz
    return least + (170 - least) * (1 + np.cos(2 * np.pi * at / period_s)) / 2


def minimum_jerk(amplitude: float, duration_s: float, rate_hz: float) -> Floats:
    """(T,) the smoothest way over a distance from rest to rest (Flash, Hogan 1985)."""
    tau = np.arange(round(duration_s * rate_hz) + 1) / round(duration_s * rate_hz)
    return amplitude * (10 * tau**3 - 15 * tau**4 + 6 * tau**5)


def series(poses: Floats, stamps_ns: Stamps | None = None) -> PoseSeries:
    return PoseSeries(poses, stamps(len(poses)) if stamps_ns is None else stamps_ns, NAMES, EDGES)


def predictions(poses: Floats, *, space: str = "3d", rate_hz: float = 50.0, scores: Floats | None = None) -> VideoPredictions:
    """Of one tracked person in all frames."""
    frames = len(poses)
    size = {"frames": frames, "duration_s": (frames - 1) / rate_hz, "rate_hz": rate_hz}
    return VideoPredictions(
        video=VideoMetadata(file="curls.mkv", width=1280, height=720, codec="h264", **size),
        model=ModelIdentity(name="made_up", version="1"),
        skeleton=Skeleton(names=NAMES, edges=EDGES),
        stamps_ns=stamps(frames, rate_hz),
        person_frame=np.arange(frames),
        person_track=np.zeros(frames, dtype=np.int32),
        boxes=np.tile([10.0, 10, 100, 300, 0.9], (frames, 1)),
        poses2d=poses[..., :2] if space == "2d" else None,
        poses3d=poses if space == "3d" else None,
        scores=scores,
    )


def rotation(seed: int, dimensions: int) -> Floats:
    """A proper rotation, any."""
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))
    matrix[:, 0] *= np.sign(np.linalg.det(matrix))
    turned: Floats = matrix
    return turned


def noise(seed: int, frames: int, joints: int = 4, dimensions: int = 3) -> Floats:
    """(T, J, D) a smooth random walk, mm."""
    steps = np.random.default_rng(seed).normal(size=(frames, joints, dimensions))
    walk: Floats = np.cumsum(steps, axis=0) * 10 + np.random.default_rng(seed + 1).normal(size=(joints, dimensions)) * 200
    return walk


SEEDS = st.integers(0, 2**20)
DIMENSIONS = st.sampled_from((2, 3))
