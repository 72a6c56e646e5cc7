"""Encoding raw pictures in this process, with FFmpeg's libraries."""

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.images.encoding import NOMINAL_FPS, Encoded, EncoderFailed, encoded_format, options
from rig_capture.recorder.images.reading import Picture
from rig_capture.scheduling import ordinary_scheduling

_ERRORS = (av.FFmpegError, OSError, ValueError)


class PyavEncoder:
    """One run of an encoder of FFmpeg's libraries."""

    def __init__(self, encoder: str, settings: RecorderSettings, first: Picture) -> None:
        """Opens it for pictures like `first`. Raises EncoderFailed."""
        self._reformatter = VideoReformatter()
        self._mosaic = encoder == "ffv1"
        self._frames = 0
        os.environ.setdefault("SVT_LOG", "1")  # errors only; SVT-AV1 writes to stderr by itself
        try:
            context = cast("VideoCodecContext", VideoCodecContext.create(encoder, "w"))
            context.width, context.height, context.pix_fmt = first.width, first.height, encoded_format(encoder, first)
            context.framerate, context.time_base = Fraction(NOMINAL_FPS), Fraction(1, NOMINAL_FPS)
            context.gop_size = 1 if encoder in ("ffv1", "mjpeg") else 1_000_000  # keyframes where they are asked for
            context.max_b_frames = 0
            context.options = options(encoder, settings)
            with ordinary_scheduling():
                context.open()
        except _ERRORS as error:
            raise EncoderFailed(str(error)) from error
        self._context = context

    def encode(self, picture: Picture, *, keyframe: bool) -> list[Encoded]:
        try:
            frame = self._reformatter.reformat(frame_of(picture, mosaic=self._mosaic), format=self._context.pix_fmt, threads=1)
            frame.pts, frame.time_base = self._frames, self._context.time_base
            frame.pict_type = PictureType.I if keyframe else PictureType.NONE
            self._frames += 1
            return _encoded(self._context.encode(frame))
        except _ERRORS as error:
            raise EncoderFailed(str(error)) from error

    def finish(self) -> list[Encoded]:
        try:
            return _encoded(self._context.encode(None))
        except _ERRORS:  # what it still held is counted as lost by who gave it in
            return []


def frame_of(picture: Picture, *, mosaic: bool = False) -> VideoFrame:
    """A picture as FFmpeg's frame, copied once; a Bayer mosaic as grey where it is to stay one."""
    name = "gray" if mosaic and picture.pixel_format.startswith("bayer") else picture.pixel_format
    frame = VideoFrame(picture.width, picture.height, name)
    plane = frame.planes[0]
    target = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    target[: picture.height, : picture.rows.shape[1]] = picture.rows
    return frame


def _encoded(packets: "Sequence[av.Packet[Any]]") -> list[Encoded]:
    return [Encoded(packet.pts or 0, bytes(packet), packet.is_keyframe) for packet in packets]
