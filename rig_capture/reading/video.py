"""Streams of video: decoded pictures, or packets as they are, one at a time."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.files import Part, opened, pts_ns, seek
from rig_capture.playback.items import Packet
from rig_capture.playback.video import PacketForm
from rig_capture.reading.errors import ReadingError
from rig_capture.reading.stream import within
from rig_capture.reading.tracks import Track, TrackReading

_UNKNOWN = -1
"""Number (seq) of a packet that frames.csv lacks."""
_SOUGHT_NS = 2_000_000_000
"""Frames further apart than this are gone to by a keyframe, not by decoding all between them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture."""

    seq: int
    """The camera's number; a lost frame leaves a gap. -1 where frames.csv lacks the frame."""
    stamp_ns: int
    """Capture stamp, ns since the epoch."""
    pts_ns: int
    """The driver's own time, ns since its first frame."""
    image: npt.NDArray[Any]
    """(height, width, 3) uint8 RGB; of depth (height, width) uint16, in the units of the topic (mm as REP 118 has it)."""


@dataclass(frozen=True, slots=True)
class _Met:
    packet: "av.Packet[av.VideoStream]"
    seq: int
    stamp_ns: int
    pts_ns: int


class VideoStream(Track):
    """A stream of video. Iterating over it yields all its frames."""

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(self, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Frame]:
        """Decoded frames, in order; decoding begins at the last keyframe before the start.

        Args:
            start_ns: stamp of the first, ns since the epoch; None: from the beginning.
            stop_ns: stamp before which it ends; None: to the end.

        Raises:
            Incomplete: after the last frame that can be read, where some are missing.
        """
        start_ns, stop_ns = self._of_host(start_ns), self._of_host(stop_ns)
        reading = TrackReading(self._source, self, start_ns, stop_ns)
        for part, _ in reading.parts():
            with closing(_decoded(part, reading)) as frames:
                for frame in frames:
                    if within(frame.stamp_ns, start_ns, stop_ns):
                        reading.meet(frame.stamp_ns)
                        yield frame if self.clock is None else replace(frame, stamp_ns=self._stamp_of(frame.stamp_ns))
        reading.close()

    def frame_at(self, stamp_ns: int) -> Frame:
        """The frame that was captured nearest to a time, ns since the epoch; of two as near, the earlier.

        Raises:
            ReadingError: there is none that can be read.
        """
        for frame in self.frames_at([stamp_ns]):
            return frame
        raise ReadingError(f"{self.name}: no frame near {stamp_ns} ns can be read")

    def frames_at(self, stamps_ns: Iterable[int]) -> Iterator[Frame]:
        """For each time the frame that was captured nearest to it, in one pass: one camera beside another, or beside a sensor.

        Args:
            stamps_ns: times, ns since the epoch, none before the one before it. A frame comes as often as it is the nearest.

        Raises:
            ValueError: a time lies before the one before it.
            Incomplete: after the last frame that can be read, where some are missing. Of a session that is not opened strictly, fewer come.
        """
        wanted, own = np.fromiter(stamps_ns, np.int64), np.unique(self.table["stamp_ns"])
        if (np.diff(wanted) < 0).any():
            raise ValueError("the times must not go back; sort them first")
        if not len(wanted) or not len(own):
            return
        after = own[np.searchsorted(own, wanted).clip(max=len(own) - 1)]
        before = own[(np.searchsorted(own, wanted) - 1).clip(min=0)]
        nearest = np.where(np.abs(wanted - before) <= np.abs(after - wanted), before, after)
        for run in np.split(nearest, np.flatnonzero(np.diff(nearest) > _SOUGHT_NS) + 1):
            frames = self.frames(int(run[0]), int(run[-1]) + 1)
            frame = next(frames, None)
            for stamp_ns in run.tolist():
                while frame is not None and frame.stamp_ns < stamp_ns:
                    frame = next(frames, None)
                if frame is not None:
                    yield frame

    def packets(self, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Packet]:
        """Encoded packets as their topic carried them (H.264 and HEVC as Annex B), without decoding.

        Args:
            start_ns: packets from the last keyframe at or before this stamp on, so that they can be decoded; None: from the beginning.
            stop_ns: stamp before which it ends; None: to the end.

        Raises:
            Incomplete: after the last packet that can be read, where some are missing.
        """
        start_ns, stop_ns = self._of_host(start_ns), self._of_host(stop_ns)
        reading = TrackReading(self._source, self, start_ns, stop_ns)
        for part, _ in reading.parts():
            with closing(_packets(part, reading)) as packets:
                for packet in packets:
                    if within(packet.stamp_ns, None, stop_ns):
                        if within(packet.stamp_ns, start_ns, None):
                            reading.meet(packet.stamp_ns)
                        yield packet if self.clock is None else replace(packet, stamp_ns=self._stamp_of(packet.stamp_ns))
        reading.close()


def _decoded(part: Part, reading: TrackReading) -> Generator[Frame, None, None]:
    undecodable, waiting, reformatter = 0, {}, VideoReformatter()
    try:
        with opened(part.path) as container:
            track = container.streams[part.track]
            assert isinstance(track, av.VideoStream)
            track.thread_type = "AUTO"
            for met in _met(container, track, part, reading):
                waiting[met.packet.pts] = met
                try:
                    frames = met.packet.decode()
                except av.InvalidDataError:
                    undecodable += 1
                    continue
                for frame in frames:
                    yield _frame(frame, waiting.pop(frame.pts), reformatter)
            for frame in track.codec_context.decode(None):
                yield _frame(frame, waiting.pop(frame.pts), reformatter)
    except (PlaybackError, OSError, KeyError, ValueError, av.FFmpegError) as error:
        reading.failed(error if isinstance(error, PlaybackError) else f"{part.path}: can't be read on: {error}")
    if undecodable:
        reading.failed(f"{part.path}: {undecodable} packets can't be decoded")


def _packets(part: Part, reading: TrackReading) -> Generator[Packet, None, None]:
    try:
        with opened(part.path) as container:
            track = container.streams[part.track]
            assert isinstance(track, av.VideoStream)
            form = PacketForm(track)
            for met in _met(container, track, part, reading):
                keyframe, data = met.packet.is_keyframe, form.data(met.packet)
                yield Packet(met.seq, met.stamp_ns, met.pts_ns, keyframe, form.codec, *form.size, data)
    except (PlaybackError, OSError, ValueError, av.FFmpegError) as error:
        reading.failed(error if isinstance(error, PlaybackError) else f"{part.path}: can't be read on: {error}")


def _met(container: InputContainer, track: av.VideoStream, part: Part, reading: TrackReading) -> Iterator[_Met]:
    """A file's packets with their rows, from the last keyframe before the start up to the end that was asked for."""
    reading.table.enter(part.first_ns)
    if reading.start_ns is not None:
        seek(container, part, reading.start_ns)
    for packet in container.demux(track):
        if packet.pts is None:
            continue
        about_ns = part.zero_ns + pts_ns(packet)
        seq, stamp_ns, time_ns, _ = reading.table.take(about_ns) or (_UNKNOWN, about_ns, about_ns - part.first_ns, False)
        if not within(stamp_ns, None, reading.stop_ns):
            return
        yield _Met(packet, seq, stamp_ns, time_ns)


def _frame(frame: av.VideoFrame, met: _Met, reformatter: VideoReformatter) -> Frame:
    component = frame.format.components
    depth = len(component) == 1 and component[0].bits > 8
    image = reformatter.reformat(frame, format="gray16le" if depth else "rgb24").to_ndarray()
    return Frame(met.seq, met.stamp_ns, met.pts_ns, np.asarray(image))
