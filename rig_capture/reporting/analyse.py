"""Reads a session once more, and finds out how good it is."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rig_capture import __version__
from rig_capture.reading.audio import AudioStream
from rig_capture.reading.common_clock import ClockFit
from rig_capture.reading.errors import Incomplete
from rig_capture.reading.session import AnyStream, Session, open_session
from rig_capture.reading.topic import TopicMessage, TopicStream
from rig_capture.reading.tracks import Column
from rig_capture.reading.video import VideoStream
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.reporting.models import (
    Axis,
    BatteryQuality,
    ClockQuality,
    HostClock,
    MotionQuality,
    PictureQuality,
    SessionReport,
    SoundQuality,
    StreamQuality,
)
from rig_capture.reporting.motion import IMU, Motion, range_of
from rig_capture.reporting.pictures import look_at
from rig_capture.reporting.sound import AUDIO_LEVEL, Loudness
from rig_capture.reporting.timing import Means, Stamps, axis_of, jitter, rates, shortened
from rig_capture.session.clocks import ClockEntry
from rig_capture.session.manifest import Manifest

OnProgress = Callable[[str, int, int], None]
"""Told what is being read, and how much of how much is done."""

_Item = TypeVar("_Item")

_BATTERY = "sensor_msgs/msg/BatteryState"
_CLOCK = "rig_capture_msgs/msg/ClockStatus"
_MOST_EVENTS = 500
_MOST_PROBLEMS = 200


def analyse_session(path: Path, progress: OnProgress = lambda what, done, total: None) -> SessionReport:
    """Finds out how good a session is; of a damaged one, as much as can be read.

    Every file is hashed and compared with the manifest, as `rig verify --quick` does; then each stream is read by itself, its messages one
    at a time. Eight bytes a message, 40 a frame and a few small pictures are kept.

    Args:
        path: its folder.
        progress: told as the work goes on.

    Raises:
        SessionError: there is no session.
    """
    verdict = verify_session(path, decode=False, progress=progress)
    session = open_session(path)
    look = _Look(session)
    for number, stream in enumerate(session.streams.values()):
        progress(stream.name, number, len(session.streams))
        look.at(stream)
    look.at_untold_sound()
    events = list(look.all_of(session.health()))
    problems = tuple(dict.fromkeys([*verdict.damages, *look.problems]))
    return SessionReport(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        **_overview(session.manifest),
        whole=not problems,
        problems=problems[:_MOST_PROBLEMS] + ((f"and {len(problems) - _MOST_PROBLEMS} more",) if len(problems) > _MOST_PROBLEMS else ()),
        axis=look.axis,
        streams=tuple(look.streams),
        sound=tuple(look.sound()),
        motion=tuple(look.motion),
        pictures=tuple(look.pictures),
        clocks=tuple(look.clocks()),
        host_clocks=tuple(_host_clock(host, fit, session.manifest) for host, fit in session.clocks.items()),
        batteries=tuple(look.batteries),
        events=tuple(events[:_MOST_EVENTS]),
        events_left_out=max(0, len(events) - _MOST_EVENTS),
    )


def _overview(manifest: Manifest) -> dict[str, Any]:
    same = (
        "recording_id",
        "rig",
        "participant",
        "label",
        "tags",
        "testing_mode",
        "started_at",
        "ended_at",
        "state",
        "end_reason",
        "software",
    )
    return {name: getattr(manifest, name) for name in same} | {
        "host": manifest.node_hostname,
        "place": ", ".join(part for part in (manifest.organisation, manifest.site, manifest.room) if part),
        "files": len(manifest.files),
        "bytes": manifest.total_bytes,
    }


def _host_clock(host: str, fit: ClockFit | None, manifest: Manifest) -> HostClock:
    entry = manifest.clock.get(host, ClockEntry())
    facts: dict[str, float | None] = dict.fromkeys(("offset_ms", "uncertainty_ms", "drift_ppm", "residual_ms"))
    if fit is not None and entry.series:
        middle_ns = (entry.series[0].at_ns + entry.series[-1].at_ns) // 2
        facts |= {"offset_ms": (fit.to_common(middle_ns) - middle_ns) / 1e6, "uncertainty_ms": fit.uncertainty_ns / 1e6}
        facts |= {"drift_ppm": fit.drift_ppm if fit.is_line else None, "residual_ms": fit.residual_ns / 1e6}
    same = {name: getattr(entry, name) for name in ("method", "reference", "source", "synchronised")}
    return HostClock(host=host, readings=len(entry.series), **same, **facts)


class _Look:
    """One look at each stream of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.axis: Axis = axis_of(session.manifest)
        self.problems: list[str] = []
        self.streams: list[StreamQuality] = []
        self.motion: list[MotionQuality] = []
        self.pictures: list[PictureQuality] = []
        self.batteries: list[BatteryQuality] = []
        self._loudness: dict[str, tuple[str, Loudness]] = {}
        self._offsets: dict[tuple[str, str], tuple[Means, list[float]]] = {}

    def at(self, stream: AnyStream) -> None:
        """Reads a stream."""
        if isinstance(stream, TopicStream):
            stamps = self._at_topic(stream)
        else:
            table = self._table(stream)
            stamps = table["stamp_ns"]
            if isinstance(stream, VideoStream):
                self.pictures.append(look_at(stream, table, self.problems))
        entry = stream.entry
        inside = (stamps >= self.axis.start_ns) & (stamps <= self.axis.stop_ns)
        if len(stamps) and not inside.any():
            self.problems.append(
                f"{stream.name}: its stamps lie outside of the time of the recording; look at the clock they were taken by"
            )
        same = ("kind", "topic", "type", "codec", "messages", "bytes", "rate_hz", "loss", "overruns", "gaps", "note")
        facts = {name: getattr(entry, name) for name in same}
        self.streams.append(
            StreamQuality(name=stream.name, read=len(stamps), rates_hz=rates(stamps, self.axis), jitter=jitter(stamps), **facts)
        )

    def at_untold_sound(self) -> None:
        """Measures the samples of sound that has no topic with levels."""
        for name, stream in self._session.streams.items():
            if isinstance(stream, AudioStream) and name not in self._loudness:
                loudness = Loudness(self.axis)
                for block in self.all_of(stream.blocks()):
                    loudness.measure(block)
                self._loudness[name] = "samples", loudness

    def sound(self) -> Iterator[SoundQuality]:
        """How loud it was."""
        for name, (source, loudness) in sorted(self._loudness.items()):
            levels = self._session.streams[name].entry.levels if name in self._session.streams else ()
            yield SoundQuality(stream=name, source=source, channels=loudness.channels, levels=levels)

    def clocks(self) -> Iterator[ClockQuality]:
        """Offsets per host and reference."""
        for (host, reference), (means, largest) in sorted(self._offsets.items()):
            yield ClockQuality(host=host, reference=reference, offset_ms=means.series, largest_ms=shortened(largest[0]))

    def all_of(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """All that can be read; what can't is noted."""
        try:
            yield from items
        except Incomplete as error:
            self.problems.append(str(error))

    def _table(self, stream: VideoStream | AudioStream) -> dict[str, Column]:
        try:
            return stream.table
        except Incomplete as error:
            self.problems.append(str(error))
        lenient = open_session(self._session.path, strict=False).streams[stream.name]
        assert isinstance(lenient, (VideoStream, AudioStream))
        return lenient.table

    def _at_topic(self, stream: TopicStream) -> Stamps:
        take, close = self._taker(stream)
        stamps = _Stamps()
        for each in self.all_of(stream.messages()):
            stamps.add(each.stamp_ns)
            if each.message.__msgtype__ == stream.entry.type:
                take(each)
        close()
        return stamps.array

    def _taker(self, stream: TopicStream) -> tuple[Callable[[TopicMessage], None], Callable[[], None]]:
        """What takes the messages of a topic, and what is to be done after the last."""
        kind = stream.entry.type
        if kind == IMU:
            motion = Motion(stream.name, self.axis, range_of(self._session.manifest.profile, stream.entry.topic))
            return motion.take, lambda: self.motion.append(motion.quality())
        if kind == AUDIO_LEVEL:
            loudness = Loudness(self.axis)
            return loudness.take, lambda: self._loudness.update({self._of_sound(stream): (stream.name, loudness)})
        if kind == _BATTERY:
            battery = _Battery(stream.name, self.axis)
            return battery.take, lambda: self.batteries.append(battery.quality())
        if kind == _CLOCK:
            return self._take_clock, lambda: None
        return lambda each: None, lambda: None

    def _of_sound(self, levels: TopicStream) -> str:
        """The stream that a topic with levels is about: both are in the same namespace."""
        space = levels.entry.topic.rpartition("/")[0]
        for name, stream in self._session.streams.items():
            if isinstance(stream, AudioStream) and stream.entry.topic.rpartition("/")[0] == space:
                return name
        return levels.name

    def _take_clock(self, each: TopicMessage) -> None:
        message = each.message
        key = str(message.host), str(message.reference)
        means, largest = self._offsets.setdefault(key, (Means(self.axis), [0.0]))
        offset_ms = int(message.offset_ns) / 1e6
        means.add(each.stamp_ns, offset_ms)
        largest[0] = max(largest[0], abs(offset_ms))


class _Stamps:
    """Stamps, eight bytes each."""

    def __init__(self) -> None:
        self._array: Stamps = np.empty(1024, np.int64)
        self._count = 0

    def add(self, stamp_ns: int) -> None:
        if self._count == len(self._array):
            self._array = np.concatenate([self._array, np.empty_like(self._array)])
        self._array[self._count] = stamp_ns
        self._count += 1

    @property
    def array(self) -> Stamps:
        return self._array[: self._count]


class _Battery:
    def __init__(self, stream: str, axis: Axis) -> None:
        self._stream, self._charge, self._voltage = stream, Means(axis), Means(axis)

    def take(self, each: TopicMessage) -> None:
        self._charge.add(each.stamp_ns, 100 * float(each.message.percentage))
        self._voltage.add(each.stamp_ns, float(each.message.voltage))

    def quality(self) -> BatteryQuality:
        return BatteryQuality(stream=self._stream, charge_percent=self._charge.series, voltage=self._voltage.series)
