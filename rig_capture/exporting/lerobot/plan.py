"""What an episode is made of: the streams of a session as features of a dataset."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rig_capture.exporting.errors import WrongWish
from rig_capture.exporting.fields import Fields, fields_of
from rig_capture.exporting.film import first_frame
from rig_capture.exporting.wish import Work, file_stem
from rig_capture.reading.topic import TopicStream
from rig_capture.reading.video import VideoStream

FRAME_COLUMNS = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64"}
"""What every row has, and its type."""
_HEADER = "header."


@dataclass(frozen=True)
class TopicFeature:
    """A topic as a vector."""

    stream: TopicStream
    fields: Fields
    chosen: tuple[int, ...]
    """Which of its columns: numbers, without the header."""

    @property
    def names(self) -> list[str]:
        """Of the places of the vector."""
        return [self.fields.columns[index].name for index in self.chosen]


@dataclass
class Plan:
    """The features of one session."""

    work: Work
    cameras: dict[str, VideoStream] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Width and height of the first picture of each camera, by its stream."""
    topics: dict[str, TopicFeature] = field(default_factory=dict)

    @classmethod
    def of(cls, work: Work) -> "Plan":
        """Chooses streams. Raises WrongWish, UnknownStream."""
        plan, left_out = cls(work), work.exported.left_out
        for stream in work.wish.streams_of(work.session, ("video", "topic")):
            if isinstance(stream, VideoStream):
                frame = first_frame(stream)
                if frame is None or frame.image.ndim != 3:
                    why = "has no picture that can be read" if frame is None else "depth with 16 bit, which a dataset's video does not keep"
                    left_out.append(f"{stream.name}: {why}")
                else:
                    plan.cameras[f"observation.images.{file_stem(stream.name)}"] = stream
                    plan.sizes[stream.name] = (frame.image.shape[1], frame.image.shape[0])
            elif isinstance(stream, TopicStream):
                fields = fields_of(work, stream)
                chosen = [i for i, each in enumerate(fields.columns) if each.kind != "string" and not each.name.startswith(_HEADER)]
                if chosen:
                    plan.topics[f"observation.{file_stem(stream.name)}"] = TopicFeature(stream, fields, tuple(chosen))
                else:
                    left_out.append(f"{stream.name}: has no numbers")
        if not plan.cameras and not plan.topics:
            raise WrongWish(f"{work.session.path}: has neither video nor topics with numbers, which is what a dataset is made of")
        return plan

    def rate(self) -> int:
        """Frames per second: as wished, else of the first video. Raises WrongWish."""
        wished = self.work.wish.rate_hz
        measured = next((stream.entry.rate_hz for stream in self.cameras.values()), None)
        rate = wished if wished is not None else measured
        if rate is None or round(rate) < 1:
            raise WrongWish(f"{self.work.session.path}: has no video to take the rate from; add --rate")
        if wished is not None and wished != round(wished):
            raise WrongWish(f"{wished} Hz: a dataset of LeRobot has a whole number of frames a second")
        return round(rate)

    def features(self, fps: int) -> dict[str, Any]:
        """As in info.json."""
        found: dict[str, Any] = {}
        for name, stream in self.cameras.items():
            width, height = self.sizes[stream.name]
            info = {
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv444p" if width % 2 or height % 2 else "yuv420p",
                "video.is_depth_map": False,
                "video.fps": fps,
                "video.channels": 3,
                "has_audio": False,
            }
            found[name] = {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": info}
        for name, topic in self.topics.items():
            found[name] = {"dtype": "float32", "shape": [len(topic.chosen)], "names": topic.names}
        return found | {name: {"dtype": kind, "shape": [1], "names": None} for name, kind in FRAME_COLUMNS.items()}


def differences(ours: dict[str, Any], first: dict[str, Any]) -> Iterator[str]:
    """In what the features of a session are others than those of the first one."""
    for name in sorted(set(ours) | set(first)):
        if name not in ours or name not in first:
            yield f"{name} is only in one of them"
        elif ours[name] != first[name]:
            yield f"{name} is {ours[name]['shape']}, there {first[name]['shape']}"
