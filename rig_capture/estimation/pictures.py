"""Decoded pictures of a video, one after the other, each with its capture stamp. Nothing is kept but the picture that is asked for."""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import NoVideo, VideoError
from rig_capture.estimation.predictions import VideoMetadata
from rig_capture.estimation.stamps import FrameStamps
from rig_capture.estimation.video import VideoPart, VideoSource, is_depth, open_container, start_of, video_of

log = logging.getLogger(__name__)

_DEFAULT_RATE_HZ = 25.0
"""Of bare streams, which tell no times at all; FFmpeg takes the same."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded frame."""

    stamp_ns: int
    rgb: npt.NDArray[np.uint8]
    """(height, width, 3)."""


class Pictures(Protocol):
    """What an estimator looks at."""

    @property
    def total(self) -> int | None:
        """About how many pictures there are; None where that is not known."""

    def __iter__(self) -> Iterator[Picture]:
        """All of them in order, once. Raises VideoError."""

    def metadata(self, stamps_ns: Column) -> VideoMetadata:
        """Of the pictures that were given out, with these stamps."""


class VideoReader:
    """Reads a video. Packets that can't be decoded are passed over and counted; pictures are turned as the file says."""

    def __init__(self, source: VideoSource) -> None:
        """Looks into its first file, and reads its table of frames.

        Raises:
            VideoError: it can't be read, or holds no pictures.
        """
        self._source = source
        self._stamps = FrameStamps(source.stamps) if source.stamps is not None else None
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._last_ns: int | None = None
        self.undecodable = 0
        """Packets that could not be decoded."""
        with open_container(source.parts[0].path) as container:
            stream = video_of(container, source.parts[0])
            if is_depth(stream):
                raise VideoError(f"{source.title}: holds depth ({stream.codec_context.pix_fmt}), no pictures; choose another stream")
            self._codec = stream.codec_context.codec.canonical_name
            self.rate_hz = float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE_HZ)
            """As the file says; frames may come otherwise."""
            self.total = self._count(container, stream)

    def __iter__(self) -> Generator[Picture, None, None]:
        for index, part in enumerate(self._source.parts):
            with open_container(part.path) as container:
                yield from self._part(container, part, index)
        if self._size is None:
            raise NoVideo(f"{self._source.title}: holds no frame that can be decoded ({self.undecodable} packets can't)")
        if self.undecodable:
            log.warning("%s: %d packets can't be decoded; their frames are left out", self._source.title, self.undecodable)

    def metadata(self, stamps_ns: Column) -> VideoMetadata:
        assert self._size is not None
        duration_s = max(0, int(stamps_ns[-1]) - int(stamps_ns[0])) / 1e9
        return VideoMetadata(
            file=self._source.name,
            width=self._size[0],
            height=self._size[1],
            codec=self._codec,
            frames=len(stamps_ns),
            duration_s=duration_s,
            rate_hz=(len(stamps_ns) - 1) / duration_s if duration_s else None,
            stream=self._source.stream,
            recording_id=self._source.recording_id,
        )

    def _count(self, container: InputContainer, stream: VideoStream) -> int | None:
        source = self._source
        if self._stamps is not None and source.path.suffix != ".mkv":
            return len(self._stamps)
        if len(source.parts) > 1:
            return None
        if stream.frames:
            return stream.frames
        length_s = float(container.duration / av.time_base) if container.duration else 0.0
        return round(length_s * self.rate_hz) or None

    def _part(self, container: InputContainer, part: VideoPart, index: int) -> Iterator[Picture]:
        stream = video_of(container, part)
        stream.thread_type = "AUTO"
        start_ns = part.start_ns if part.start_ns is not None else start_of(container)
        if self._stamps is not None and start_ns is not None:
            self._stamps.enter(start_ns, self._next_start(index))
        # Closed here, so that a reader that is given up holds no decoder until some later time.
        with closing(self._decoded(container, stream, part)) as frames:
            for frame in frames:
                yield Picture(self._stamp(frame, start_ns), self._rgb(frame, part))

    def _next_start(self, index: int) -> int | None:
        following = self._source.parts[index + 1 : index + 2]
        if not following or following[0].path == self._source.parts[index].path:
            return None
        with open_container(following[0].path) as container:
            return start_of(container)

    def _decoded(self, container: InputContainer, stream: VideoStream, part: VideoPart) -> Generator[VideoFrame, None, None]:
        packets = container.demux(stream)
        while True:
            try:
                packet: av.Packet[Any] | None = next(packets, None)
            except av.InvalidDataError:
                self.undecodable += 1  # the file is cut off here
                return
            except (av.FFmpegError, OSError) as error:
                raise VideoError(f"{part.path}: can't be read on: {error}; is the disk sound?") from error
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.undecodable += 1

    def _stamp(self, frame: VideoFrame, start_ns: int | None) -> int:
        if frame.pts is None or frame.time_base is None:
            step = round(1e9 / self.rate_hz)
            stamp_ns = self._last_ns + step if self._last_ns is not None else start_ns or 0
        else:
            time_ns = frame.pts * frame.time_base.numerator * 10**9 // frame.time_base.denominator
            stamp_ns = time_ns + (start_ns or 0)
            if self._stamps is not None:
                stamp_ns = self._stamps.take(stamp_ns)
        self._last_ns = stamp_ns
        return stamp_ns

    def _rgb(self, frame: VideoFrame, part: VideoPart) -> npt.NDArray[np.uint8]:
        picture: npt.NDArray[Any] = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        if frame.rotation:
            picture = np.ascontiguousarray(np.rot90(picture, frame.rotation // 90))
        size = picture.shape[1], picture.shape[0]
        if self._size is None:
            self._size = size
        if size != self._size:
            raise VideoError(
                f"{part.path}: its pictures change from {self._size[0]} x {self._size[1]} to {size[0]} x {size[1]} pixels; "
                "estimate its parts one by one (`rig estimate` takes single chunks too)"
            )
        return picture
