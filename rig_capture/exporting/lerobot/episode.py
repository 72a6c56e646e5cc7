"""One session as an episode: all its streams gone along together, a row and a picture per camera for every frame."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import numpy.typing as npt

from rig_capture.exporting.film import H264
from rig_capture.exporting.following import Follower, Resampled, common_times, reach_ns, times
from rig_capture.exporting.lerobot.plan import FRAME_COLUMNS, Plan, TopicFeature
from rig_capture.exporting.lerobot.statistics import PictureStatistics, Statistics, vector_statistics
from rig_capture.exporting.tables import pyarrow_modules
from rig_capture.exporting.topics import rows_of
from rig_capture.exporting.wish import LONGEST_HOLE_NS
from rig_capture.reading.video import VideoStream

Picture = npt.NDArray[np.uint8]

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FILES_PER_CHUNK = 1000
_BATCH = 1024
_GOP = 10
"""Frames from keyframe to keyframe: training reads single frames."""


class UnfitStream(Exception):
    """A stream that can't be put into a dataset; the message names it and the reason."""


@dataclass
class Episode:
    """What is known of an episode once it is written."""

    index: int
    task: str
    first_ns: int = 0
    rows: int = 0
    statistics: dict[str, Statistics] = field(default_factory=dict)

    @property
    def place(self) -> dict[str, int]:
        """Its files' numbers; every episode has files of its own."""
        return {"chunk_index": self.index // FILES_PER_CHUNK, "file_index": self.index % FILES_PER_CHUNK}


class _Camera:
    """A camera's pictures, and the file into which those at the frames' times go."""

    def __init__(self, path: Path, stream: VideoStream, pictures: Iterator[tuple[int, Picture]], fps: int) -> None:
        self._name, self._fps = stream.name, fps
        self._reach_ns = reach_ns(stream.entry.rate_hz, 1e9 / fps)
        self.path = path
        self.follower = Follower(pictures)
        if self.follower.after is None:
            raise UnfitStream(f"{stream.name}: has no picture that can be read")
        self.first_ns = self.follower.after[0]
        self._shape = self.follower.after[1].shape
        self.statistics = PictureStatistics()
        self.frames = self.far = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._encoder = H264(self._container, self._shape[1], self._shape[0], Fraction(1, fps), Fraction(fps), _GOP)

    def is_over(self, time_ns: int) -> bool:
        self.follower.move(time_ns)
        before, after = self.follower.before, self.follower.after
        if before is not None and after is not None and after[0] - before[0] > LONGEST_HOLE_NS:
            _on_hole(before[0], after[0] - before[0])
        return self.follower.after is None and before is not None and time_ns > before[0] + self._reach_ns

    def take(self, time_ns: int) -> None:
        nearest = self.follower.nearest(time_ns)
        assert nearest is not None
        stamp_ns, image = nearest
        if image.shape != self._shape:
            raise UnfitStream(
                f"{self._name}: pictures change their size at {stamp_ns} ns; a dataset keeps one, choose others with --stream"
            )
        self.far += abs(stamp_ns - time_ns) > 1e9 / self._fps
        self.statistics.add(image)
        self._encoder.write(image, self.frames)
        self.frames += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._container:
            if kind is None:
                self._encoder.close()


class _Rows:
    """The Parquet file of an episode."""

    def __init__(self, path: Path, vectors: dict[str, int]) -> None:
        self._pa, pq = pyarrow_modules()
        self._path, self._pq = path, pq
        path.parent.mkdir(parents=True, exist_ok=True)
        kinds = {
            name: self._pa.float32() if width == 1 else self._pa.list_(self._pa.float32(), width) for name, width in vectors.items()
        } | {name: self._pa.type_for_alias(kind) for name, kind in FRAME_COLUMNS.items()}
        self._schema = self._pa.schema(list(kinds.items()))
        self._rows: list[dict[str, Any]] = []
        self._writer = pq.ParquetWriter(path, self._schema, compression="snappy")

    def write(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def statistics(self) -> dict[str, Statistics]:
        """Of the finished file, one feature at a time."""
        found = {}
        for name in self._schema.names:
            column = self._pq.read_table(self._path, columns=[name]).column(0).combine_chunks()
            flat = column.flatten() if self._pa.types.is_fixed_size_list(column.type) else column
            found[name] = vector_statistics(flat.to_numpy(zero_copy_only=False).reshape(len(column), -1))
        return found


def write_episode(plan: Plan, fps: int, episode: Episode, first_row: int, task_index: int) -> None:
    """Writes an episode's files, and completes what is known of it.

    The frames begin where every camera has a picture, and end with the first camera that has no more; without cameras they go from
    the first message of all to the last. A picture is the nearest by its stamp; values that are missing are NaN.

    Raises:
        UnfitStream: a stream can't be put into a dataset.
        OSError: a file can't be written.
    """
    place = plan.work.folder / DATA_PATH.format(**episode.place)
    rows = _Rows(place, {name: len(topic.chosen) for name, topic in plan.topics.items()})
    cameras: dict[str, _Camera] = {}
    missing = 0
    with ExitStack() as stack:
        stack.enter_context(rows)
        for name, stream in plan.cameras.items():
            cameras[name] = stack.enter_context(_camera(plan, name, stream, fps, episode))
        topics = {name: _resampled(plan, topic, 1e9 / fps) for name, topic in plan.topics.items()}
        for time_ns in _times(cameras, topics, 1e9 / fps):
            episode.first_ns = episode.first_ns or time_ns
            number = episode.rows
            row: dict[str, Any] = {"timestamp": number / fps, "frame_index": number, "episode_index": episode.index}
            row |= {"index": first_row + number, "task_index": task_index}
            for name, topic in topics.items():
                values = [np.nan if value is None else float(value) for value in topic.at(time_ns)]
                missing += bool(np.isnan(values).any())
                row[name] = values if len(values) > 1 else values[0]
            for camera in cameras.values():
                camera.take(time_ns)
            rows.write(row)
            episode.rows += 1
    if not episode.rows:
        raise UnfitStream("there is no time at which every camera has a picture" if cameras else "no message can be read")
    episode.statistics = {name: camera.statistics.result() for name, camera in cameras.items()} | rows.statistics()
    _tell(plan, episode, cameras, missing)


def _camera(plan: Plan, name: str, stream: VideoStream, fps: int, episode: Episode) -> _Camera:
    pictures = ((frame.stamp_ns, frame.image) for frame in plan.work.items(stream, stream.frames()))
    return _Camera(plan.work.folder / VIDEO_PATH.format(video_key=name, **episode.place), stream, pictures, fps)


def _resampled(plan: Plan, topic: TopicFeature, step_ns: float) -> Resampled:
    stream = topic.stream
    rows = plan.work.items(stream, rows_of(stream, topic.fields, topic.chosen))
    columns = [topic.fields.columns[index] for index in topic.chosen]
    return Resampled(rows, columns, stream.entry.gaps, plan.work.wish.method, reach_ns(stream.entry.rate_hz, step_ns))


def _times(cameras: dict[str, _Camera], topics: dict[str, Resampled], step_ns: float) -> Iterator[int]:
    if not cameras:
        yield from common_times(list(topics.values()), step_ns, _on_hole)
        return
    for time_ns in times(max(camera.first_ns for camera in cameras.values()), step_ns):
        ended = [camera.is_over(time_ns) for camera in cameras.values()]
        if any(ended):
            return
        yield time_ns


def _on_hole(time_ns: int, hole_ns: float) -> None:
    raise UnfitStream(f"nothing was recorded for {hole_ns / 3.6e12:.1f} hours from {time_ns} ns on, which no episode can hold")


def _tell(plan: Plan, episode: Episode, cameras: dict[str, _Camera], missing: int) -> None:
    work = plan.work
    work.add(work.folder / DATA_PATH.format(**episode.place), "", rows=episode.rows)
    for name, camera in cameras.items():
        work.add(camera.path, plan.cameras[name].name, frames=camera.frames)
        if camera.follower.passed_over:
            work.exported.left_out.append(f"{plan.cameras[name].name}: {camera.follower.passed_over} pictures whose stamps go back")
        if camera.far:
            off = f"{camera.far} of {camera.frames} frames show a picture that is more than a frame's time off, for want of a closer one"
            work.exported.left_out.append(f"{plan.cameras[name].name}: {off}")
    if missing:
        work.exported.left_out.append(f"{missing} values of {episode.rows * len(plan.topics)} (a topic in a frame) are not whole: NaN")
