"""Predictions made up for tests."""

import numpy as np

from rig_capture.estimation.predictions import ModelIdentity, Skeleton, VideoMetadata, VideoPredictions


def make_predictions(frames: int = 4, joints: int = 3, persons: int = 1, *, seed: int = 1) -> VideoPredictions:
    """Predictions of `persons` in every frame but the first, with poses of noise; one joint is NaN."""
    noise = np.random.default_rng(seed)
    person_frame = np.repeat(np.arange(1, frames), persons)
    rows = len(person_frame)
    poses2d = noise.uniform(0, 640, (rows, joints, 2)).round(2)
    poses2d[:1, :1] = np.nan
    return VideoPredictions(
        video=VideoMetadata(file="walk.mkv", width=640, height=480, codec="h264", frames=frames, duration_s=(frames - 1) / 30, rate_hz=30),
        model=ModelIdentity(name="noise", version="1", settings={"seed": seed}),
        skeleton=Skeleton(names=tuple(f"joint{n}" for n in range(joints)), edges=tuple((n, n + 1) for n in range(joints - 1))),
        stamps_ns=1_700_000_000_123_456_789 + np.arange(frames, dtype=np.int64) * 33_333_333,
        motion=noise.uniform(0, 1, frames).round(5),
        person_frame=person_frame,
        person_track=np.tile(np.arange(persons), frames - 1),
        boxes=np.column_stack([noise.uniform(0, 400, (rows, 4)).round(2), noise.uniform(0, 1, rows).round(2)]),
        poses2d=poses2d,
        poses3d=noise.uniform(-1000, 3000, (rows, joints, 3)).round(1),
        scores=noise.uniform(0, 1, (rows, joints)).round(3),
    )
