"""Encoding once, at the source: no B-frames, no delay, parameter sets in band with every keyframe.

Keyframes come where the caller asks for them, so that every encoder keeps the same times and a subscriber that comes late
gets one at once.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.scheduling import ordinary_scheduling
from rig_capture.sensing.camera.frame import output_size

log = logging.getLogger(__name__)

ENCODERS: Mapping[str, Sequence[str]] = {
    "h264": ("libx264", "libopenh264", "h264_v4l2m2m"),
    "hevc": ("libx265", "hevc_v4l2m2m"),
    "av1": ("libsvtav1", "libaom-av1"),
    "mjpeg": ("mjpeg",),
    "ffv1": ("ffv1",),
}
"""Encoders of each codec, in the order they are tried."""

_NEVER = 1_000_000
"""A group of pictures longer than any recording: keyframes come only where they are asked for."""


class EncoderError(Exception):
    """No encoder works; the message says which were tried and why each failed."""


@dataclass(frozen=True)
class Packet:
    """What an encoder gives back for one frame."""

    pts: int
    """The index the frame was given in with."""
    data: bytes
    keyframe: bool


class Encoder:
    """One run of one encoder, for frames of one source size."""

    def __init__(self, settings: CameraSettings, source_size: tuple[int, int], candidates: Sequence[str] | None = None) -> None:
        """Opens the first encoder that works.

        Args:
            settings: codec, size, quality and so on; `codec` ``copy`` can't be encoded and counts as h264.
            source_size: width and height of the frames to come, in pixels.
            candidates: names of encoders to try; None: those of the codec.

        Raises:
            EncoderError: none can be opened.
        """
        self.codec = "h264" if settings.codec == "copy" else settings.codec
        self.width, self.height = output_size(settings.width, settings.height, *source_size)
        self._settings = settings
        self._reformatter = VideoReformatter()
        self._candidates = list(ENCODERS[self.codec] if candidates is None else candidates)
        self._failures: list[str] = []
        self.frames = 0
        """Frames given in."""
        self.name = ""
        """The encoder at work."""
        self._context = self._open_next()

    def encode(self, frame: VideoFrame, *, keyframe: bool) -> list[Packet]:
        """Encodes a frame, which belongs to the encoder from then on; where one fails, the next takes over with a keyframe.

        Returns:
            Packets, in order; most encoders give one for each frame at once. Their `pts` is the index of the frame, from 0.

        Raises:
            EncoderError: none works.
        """
        pts, self.frames = self.frames, self.frames + 1
        picture = self._reformatter.reformat(frame, self.width, self.height, self._context.pix_fmt, threads=1)
        picture.pts, picture.time_base = pts, self._context.time_base
        while True:
            picture.pict_type = PictureType.I if keyframe else PictureType.NONE
            try:
                return [Packet(packet.pts or 0, bytes(packet), packet.is_keyframe) for packet in self._context.encode(picture)]
            except (av.FFmpegError, OSError, ValueError) as error:
                self._failed(error)
                self._context = self._open_next()
                keyframe = True

    def finish(self) -> list[Packet]:
        """Packets of the frames that the encoder still holds; it takes no more frames."""
        try:
            return [Packet(packet.pts or 0, bytes(packet), packet.is_keyframe) for packet in self._context.encode(None)]
        except (av.FFmpegError, OSError, ValueError) as error:
            log.warning("encoder %s: its last frames are lost: %s", self.name, error)
            return []

    def _open_next(self) -> VideoCodecContext:
        while self._candidates:
            self.name = self._candidates.pop(0)
            try:
                context = self._configured(self.name)
                with ordinary_scheduling():
                    context.open()
                return context
            except (av.FFmpegError, OSError, ValueError) as error:
                self._failed(error)
        raise EncoderError(f"no encoder for {self.codec} works here ({'; '.join(self._failures)}); set codec to another")

    def _failed(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        self._failures.append(f"{self.name}: {reason}")
        log.warning("encoder %s: %s; trying another", self.name, reason)

    def _configured(self, name: str) -> VideoCodecContext:
        settings = self._settings
        context = cast("VideoCodecContext", VideoCodecContext.create(name, "w"))
        rate = Fraction(settings.fps or 30.0).limit_denominator(1001)
        context.width, context.height = self.width, self.height
        context.pix_fmt = "yuvj420p" if name == "mjpeg" else "yuv420p"
        context.framerate, context.time_base = rate, 1 / rate
        context.thread_count = settings.encoder_threads
        context.max_b_frames = 0
        context.gop_size = 1 if self.codec in ("mjpeg", "ffv1") else _NEVER
        if settings.bitrate:
            context.bit_rate = settings.bitrate
        elif self.codec == "mjpeg":
            context.qmin = context.qmax = max(1, min(31, settings.quality))
        context.options = _options(name, settings)
        return context


def _options(name: str, settings: CameraSettings) -> dict[str, str]:
    quality = {} if settings.bitrate else {"crf": str(settings.quality)}
    threads = str(settings.encoder_threads)
    match name:
        case "libx264":
            quality = {"crf": str(min(51, settings.quality))} if quality else {}
            return {**quality, "preset": settings.preset, "tune": "zerolatency", "forced-idr": "1", "x264-params": "scenecut=0"}
        case "libx265":
            quality = {"crf": str(min(51, settings.quality))} if quality else {}
            pools = "none" if threads == "1" else "*" if threads == "0" else threads
            params = f"log-level=error:scenecut=0:frame-threads=1:pools={pools}"
            return {**quality, "preset": settings.preset, "tune": "zerolatency", "forced-idr": "1", "x265-params": params}
        case "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # errors only; it writes to stderr by itself
            return {**quality, "preset": "12", "svtav1-params": f"pred-struct=1:lookahead=0:rtc=1:scd=0:lp={threads}"}
        case "libaom-av1":
            return {**quality, "usage": "realtime", "cpu-used": "9", "lag-in-frames": "0", "row-mt": "1"}
        case "ffv1":
            return {"level": "1"}  # the only version whose header travels in the packets
        case _:
            return {}
