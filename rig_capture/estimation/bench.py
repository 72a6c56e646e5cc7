"""What a model costs on a video on this machine."""

import resource
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from rig_capture.estimation.columns import Column
from rig_capture.estimation.estimator import Estimator, Progress
from rig_capture.estimation.pictures import Picture, VideoReader
from rig_capture.estimation.predictions import VideoMetadata
from rig_capture.estimation.video import VideoSource


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured."""

    frames: int
    width: int
    height: int
    video_s: float
    """Length of what was looked at."""
    wall_s: float
    frames_per_s: float
    realtime: float
    """Seconds of video in a second; below 1 the model can't keep up with the camera."""
    decode_share: float
    """Of the work of decoder and model, by the clock; they run side by side."""
    cpu_cores: float
    """Processor time over time by the clock."""
    peak_memory_bytes: int
    """Of the whole process, from its start."""


def measure(estimator: Estimator, source: VideoSource, *, frames: int | None = None, progress: Progress | None = None) -> Bench:
    """Looks at a video, or at its first frames, and throws the results away. Raises as `Estimator.process_video`."""
    reader = VideoReader(source)
    cpu = time.process_time()
    predictions = estimator.process(_First(reader, frames), rate_hz=reader.rate_hz, progress=progress)
    cpu = time.process_time() - cpu
    timing, video = estimator.timing, predictions.video
    assert timing is not None
    # A last frame is shown as long as the others.
    video_s = video.duration_s * video.frames / (video.frames - 1) if video.frames > 1 else 1 / reader.rate_hz
    return Bench(
        frames=video.frames,
        width=video.width,
        height=video.height,
        video_s=video_s,
        wall_s=timing.wall_s,
        frames_per_s=video.frames / timing.wall_s,
        realtime=video_s / timing.wall_s,
        decode_share=timing.decode_s / (timing.decode_s + timing.model_s),
        cpu_cores=cpu / timing.wall_s,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


class _First:
    """The first pictures of a video."""

    def __init__(self, reader: VideoReader, frames: int | None) -> None:
        self._reader = reader
        self._frames = frames
        self.total = min(each for each in (reader.total, frames) if each is not None) if reader.total or frames else None

    def __iter__(self) -> Iterator[Picture]:
        with closing(iter(self._reader)) as pictures:
            yield from islice(pictures, self._frames)

    def metadata(self, stamps_ns: Column) -> VideoMetadata:
        return self._reader.metadata(stamps_ns)
