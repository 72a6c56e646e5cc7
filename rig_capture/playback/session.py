"""A session as one sequence of what was published."""

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from rosbags.interfaces import Qos

from rig_capture.playback.bag import Bag
from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.files import Part, parts_of
from rig_capture.playback.frames import FrameTable
from rig_capture.playback.items import Item
from rig_capture.playback.sound import sound_items
from rig_capture.playback.video import video_items
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import Manifest, StreamEntry, read_manifest


@dataclass(frozen=True)
class Source:
    """One stream that has something to be published."""

    name: str
    kind: Literal["video", "audio", "topic"]
    topic: str
    """Relative to the rig's namespace, or absolute."""
    type: str
    qos: tuple[Qos, ...] = ()
    """As recorded, of all who published it; none of video and sound."""
    settings: dict[str, Any] = field(default_factory=dict)
    frame_id: str = ""


class PlayedSession:
    """A session that is open for playing. Its items can be asked for again and again, one sequence at a time."""

    def __init__(self, path: Path, patterns: Collection[str] = ()) -> None:
        """Opens a session.

        Args:
            path: its folder.
            patterns: names of streams or topics, or patterns of them with ``*``; none: all.

        Raises:
            PlaybackError: it is being recorded, holds nothing that is meant, or can't be read.
            SessionError: there is no manifest that can be read.
        """
        self._layout = SessionLayout(path)
        self._manifest = read_manifest(path)
        if is_locked(path):
            raise PlaybackError(f"{path}: is being recorded or finished; play it when that is over")
        self._bag = Bag(self._layout.bag) if (self._layout.bag / "metadata.yaml").exists() else None
        try:
            found = [*self._topics(), *self._tracks()]
            self.sources = tuple(each for each in found if _chosen(each, patterns))
            self._parts = {each.name: self._files(each) for each in self.sources if each.kind != "topic"}
            self.begin_ns, self.end_ns = self._span()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the bag."""
        if self._bag is not None:
            self._bag.close()

    @property
    def recording_id(self) -> str:
        """Of the session."""
        return self._manifest.recording_id

    @property
    def duration_s(self) -> float:
        """From its first stamp to its last."""
        return (self.end_ns - self.begin_ns) / 1e9

    def items(self, start_ns: int) -> Iterator[Item]:
        """Everything from a stamp on, in order.

        What has to come first lies before the stamp: the last messages of latched topics, and video from its last keyframe on.

        Raises:
            PlaybackError: a file can't be read.
        """
        sequences = [self._items_of(source, start_ns) for source in self.sources if source.kind != "topic"]
        if self._bag is not None:
            names = {self._absolute[source.name]: source.name for source in self.sources if source.kind == "topic"}
            sequences.append(self._bag.items(names, start_ns))
        return heapq.merge(*sequences, key=lambda item: item.due_ns)

    def _items_of(self, source: Source, start_ns: int) -> Iterator[Item]:
        table, parts = FrameTable.read(self._layout.frames(source.name)), self._parts[source.name]
        if source.kind == "video":
            return video_items(source.name, parts, table, start_ns)
        return sound_items(source.name, parts, table, source.settings, start_ns)

    def _topics(self) -> Iterator[Source]:
        self._absolute: dict[str, str] = {}
        if self._bag is None:
            return
        streams = {name: stream for name, stream in self._manifest.streams.items() if stream.kind == "topic"}
        for topic, (type_, qos) in self._bag.topics.items():
            name, relative = stream_of(topic, streams)
            self._absolute[name] = topic
            yield Source(name, "topic", relative, type_, qos)

    def _tracks(self) -> Iterator[Source]:
        for name, stream in self._manifest.streams.items():
            if stream.kind != "topic" and stream.messages:
                frame_id = _frame_id(self._manifest, name, stream)
                yield Source(name, stream.kind, stream.topic, stream.type, (), dict(stream.settings), frame_id)

    def _files(self, source: Source) -> list[Part]:
        parts = parts_of(self._layout, self._manifest, source.name)
        if not parts:
            raise PlaybackError(f"{self._layout.path}: {source.name} has no file left; `rig verify` tells what is missing")
        return parts

    def _span(self) -> tuple[int, int]:
        streams = [self._manifest.streams[each.name] for each in self.sources if each.kind != "topic"]
        first = [stream.first_stamp_ns for stream in streams if stream.first_stamp_ns is not None]
        last = [stream.last_stamp_ns for stream in streams if stream.last_stamp_ns is not None]
        span = self._bag.span_ns if self._bag is not None and len(streams) < len(self.sources) else None
        if span is not None:
            first, last = [*first, span[0]], [*last, span[1]]
        if not first:
            raise PlaybackError(f"{self._layout.path}: holds nothing that could be played, or nothing that is meant")
        return min(first), max(last)


def stream_of(topic: str, streams: dict[str, StreamEntry]) -> tuple[str, str]:
    """Name of the stream of a bag's absolute topic, and the topic as the manifest has it, whatever the rig's namespace was."""
    bare = topic.strip("/")
    for name, stream in streams.items():
        if stream.topic.strip("/") == bare:
            return name, stream.topic
    relative = [(name, stream.topic) for name, stream in streams.items() if not stream.topic.startswith("/")]
    # The longest: imu/data_raw is the end of left/imu/data_raw too.
    ends = [(name, topic) for name, topic in relative if bare.endswith("/" + topic)]
    return max(ends, key=lambda end: len(end[1]), default=(bare, topic))


def _frame_id(manifest: Manifest, name: str, stream: StreamEntry) -> str:
    """As the camera or microphone called it: by its profile, or else by its name, as in `profiles/settings/devices.py`."""
    given = manifest.profile.get("cameras" if stream.kind == "video" else "microphones")
    device = given.get(name) if isinstance(given, dict) else None
    prefix = str(manifest.profile.get("frame_prefix", ""))
    if isinstance(device, dict) and device.get("frame_id"):
        return f"{prefix}{device['frame_id']}"
    return f"{prefix}{name}_optical_frame" if stream.kind == "video" else f"{prefix}{name}"


def _chosen(source: Source, patterns: Collection[str]) -> bool:
    names = (source.name, source.topic.strip("/"))
    return not patterns or any(fnmatchcase(name, pattern.strip("/")) for name in names for pattern in patterns)
