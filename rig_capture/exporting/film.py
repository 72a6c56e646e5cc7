"""Video as MP4 files: packets as they are, at the times at which they were taken; encoded anew only where that is wished.

Beside each film is a table of the exact stamps of its frames: MP4 here counts time in 1/90000 s from the first frame on.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer

from rig_capture.exporting.errors import ExportError, WrongWish
from rig_capture.exporting.fields import Column
from rig_capture.exporting.tables import CsvTable
from rig_capture.exporting.wish import LONGEST_HOLE_NS, Work, file_stem
from rig_capture.playback.items import Packet
from rig_capture.reading.errors import Incomplete
from rig_capture.reading.video import Frame, VideoStream
from rig_capture.recorder.tracks.matroska import add_stream
from rig_capture.recorder.tracks.samples import Sample, VideoFormat

_COPIED = ("h264", "hevc", "av1")
_TICKS = 90_000
_DELIMITER = b"\x12\x00"
"""AV1's temporal delimiter OBU (AV1 specification, 5.3.2 and 5.6)."""
_COLUMNS = (Column("file", "string"), Column("frame", "int64"), Column("stamp_ns", "int64"), Column("seq", "int64"))


def export_films(work: Work) -> None:
    """Streams of video into MP4.

    Raises:
        WrongWish: there is no video, or such that does not fit as it is.
        ExportError: a packet can't be put into MP4.
        OSError: a file can't be written.
    """
    streams = [stream for stream in work.wish.streams_of(work.session, ("video",)) if isinstance(stream, VideoStream)]
    streams = [stream for stream in streams if _fits(work, stream)]
    unfit = [f"{stream.name} ({stream.entry.codec})" for stream in streams if not _is_copied(stream)]
    if unfit and not work.wish.encode:
        raise WrongWish(
            f"{work.session.path}: {', '.join(unfit)} does not fit into MP4 as it is; --encode makes H.264 of it, --stream chooses others"
        )
    if not streams:
        raise WrongWish(f"{work.session.path}: has no video that MP4 can hold")
    for stream in streams:
        try:
            _Film(work, stream).write()
        except av.FFmpegError as error:
            raise ExportError(f"{work.session.path}: {stream.name}: can't be put into MP4: {error}") from error


def first_frame(stream: VideoStream) -> Frame | None:
    """The first picture; None where none can be read."""
    with closing(stream.frames()) as frames:  # type: ignore[type-var]  # a generator
        try:
            return next(frames, None)
        except Incomplete:
            return None


def _is_copied(stream: VideoStream) -> bool:
    """By its codec, which the manifest of an interrupted session may lack."""
    if stream.entry.codec:
        return stream.entry.codec in _COPIED
    with closing(stream.packets()) as packets:  # type: ignore[type-var]
        return next(packets).codec in _COPIED


def _fits(work: Work, stream: VideoStream) -> bool:
    """Whether there are pictures that MP4 can hold; where not, that is told. Raises WrongWish where the stream was asked for."""
    if stream.entry.codec in _COPIED:
        return True
    frame = first_frame(stream)
    if frame is not None and frame.image.ndim == 3:
        return True
    why = "has no picture that can be read" if frame is None else "is depth with 16 bit, which MP4 does not keep"
    if work.wish.streams:
        raise WrongWish(f"{work.session.path}: {stream.name} {why}")
    work.exported.left_out.append(f"{stream.name}: {why}")
    return False


class H264:
    """Encodes pictures into an MP4 file."""

    def __init__(self, container: OutputContainer, width: int, height: int, time_base: Fraction, rate: Fraction, gop: int) -> None:
        """Adds a track for pictures of this size; chroma is halved where width and height are even."""
        self._container = container
        self._stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "fast", "bf": "0"})
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        self._stream.codec_context.time_base, self._stream.codec_context.gop_size = time_base, gop
        self._stream.time_base = time_base
        self._time_base = time_base

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name."""
        return str(self._stream.pix_fmt)

    def write(self, image: np.ndarray[Any, Any], pts: int) -> None:
        """Encodes a picture, (height, width, 3) uint8."""
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Writes what the encoder holds."""
        self._container.mux(self._stream.encode(None))


@dataclass
class _Film:
    """One stream on its way into files: a new one begins where the codec or the size changes, or where the clock was set."""

    work: Work
    stream: VideoStream
    counts: dict[str, int] = field(default_factory=dict)
    container: Any = None
    track: Any = None
    encoder: H264 | None = None
    form: tuple[str, int, int] | None = None
    first_ns: int = 0
    last_ns: int = 0
    last_pts: int = -1

    def write(self) -> None:
        stem = file_stem(self.stream.name)
        path = self.work.folder / f"{stem}.frames.csv"
        copied = _is_copied(self.stream)
        with CsvTable(path, _COLUMNS) as table:
            try:
                for seq, stamp_ns in self._copied() if copied else self._encoded():
                    name = list(self.counts)[-1]
                    table.write([name, self.counts[name], stamp_ns, seq])
                    self.counts[name] += 1
            finally:
                self._end()
        for name, frames in self.counts.items():
            self.work.add(self.work.folder / name, self.stream.name, frames=frames)
        self.work.add(path, self.stream.name, rows=table.rows)

    def _copied(self) -> Iterator[tuple[int, int]]:
        skipped = 0
        with closing(self.work.items(self.stream, self.stream.packets())) as packets:
            for packet in packets:
                form = (packet.codec, packet.width, packet.height)
                if self._is_new(form, packet.stamp_ns):
                    if not packet.keyframe:
                        skipped += 1
                        continue
                    self._begin(form, packet.stamp_ns)
                    self.track = add_stream(self.container, _sample(packet))
                self._mux(packet)
                yield packet.seq, packet.stamp_ns
        if skipped:
            self.work.exported.losses.append(f"{self.stream.name}: {skipped} packets before a keyframe, which can't be decoded")

    def _mux(self, packet: Packet) -> None:
        out = av.Packet(packet.data)
        out.stream, out.time_base = self.track, Fraction(1, _TICKS)
        out.pts = out.dts = self._pts(packet.stamp_ns)
        out.is_keyframe = packet.keyframe
        self.container.mux_one(out)

    def _encoded(self) -> Iterator[tuple[int, int]]:
        with closing(self.work.items(self.stream, self.stream.frames())) as frames:
            for frame in frames:
                height, width = frame.image.shape[:2]
                if self._is_new(("h264", width, height), frame.stamp_ns):
                    self._begin(("h264", width, height), frame.stamp_ns)
                    self.encoder = H264(self.container, width, height, Fraction(1, _TICKS), Fraction(30), 60)
                assert self.encoder is not None
                self.encoder.write(frame.image, self._pts(frame.stamp_ns))
                yield frame.seq, frame.stamp_ns

    def _is_new(self, form: tuple[str, int, int], stamp_ns: int) -> bool:
        return form != self.form or not self.last_ns <= stamp_ns <= self.last_ns + LONGEST_HOLE_NS

    def _pts(self, stamp_ns: int) -> int:
        """Times in a file rise, also where stamps stood still."""
        self.last_ns = stamp_ns
        self.last_pts = max(self.last_pts + 1, round((stamp_ns - self.first_ns) * _TICKS / 1e9))
        return self.last_pts

    def _begin(self, form: tuple[str, int, int], stamp_ns: int) -> None:
        self._end()
        number = f".{len(self.counts) + 1}" if self.counts else ""
        path: Path = self.work.folder / f"{file_stem(self.stream.name)}{number}.mp4"
        self.counts[path.name] = 0
        options = {"movflags": "faststart", "video_track_timescale": str(_TICKS)}
        self.container = av.open(str(path), "w", format="mp4", options=options)
        self.form, self.first_ns, self.last_ns, self.last_pts = form, stamp_ns, stamp_ns, -1

    def _end(self) -> None:
        container, encoder = self.container, self.encoder
        self.container = self.encoder = None
        if container is None:
            return
        with container:
            if encoder is not None:
                encoder.close()


def _sample(packet: Packet) -> Sample:
    form = VideoFormat(packet.codec, packet.width, packet.height)
    # Matroska keeps AV1 without temporal delimiters, by which FFmpeg knows a stream of it.
    lacking = packet.codec == "av1" and not packet.data.startswith(_DELIMITER)
    data = _DELIMITER + packet.data if lacking else packet.data
    return Sample(packet.seq, packet.stamp_ns, packet.pts_ns, packet.keyframe, form, data)
