"""JPEG previews."""

from fractions import Fraction

import av
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter

from rig_capture.sensing.camera.frame import even


class PreviewError(Exception):
    """A picture that could not be made a JPEG."""


class PreviewMaker:
    """Makes small JPEG pictures; keeps what sizes and qualities need until these change."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._key: tuple[int, int, int] | None = None
        self._context: VideoCodecContext | None = None
        self._index = 0

    def jpeg(self, frame: VideoFrame, width: int, quality: int) -> bytes:
        """A frame as JPEG.

        Args:
            frame: the picture, in any format.
            width: of the JPEG in pixels, made even; the height keeps the aspect ratio.
            quality: percent.

        Raises:
            PreviewError: the encoder refused it.
        """
        size = even(width), even(width * frame.height / frame.width)
        context = self._context_for(*size, quality)
        picture = self._reformatter.reformat(frame, *size, "yuvj420p", threads=1)
        picture.pts, picture.time_base = self._index, context.time_base
        self._index += 1
        try:
            return b"".join(bytes(packet) for packet in context.encode(picture))
        except (av.FFmpegError, OSError, ValueError) as error:
            self._context = None
            raise PreviewError(f"no preview could be made: {error}") from error

    def _context_for(self, width: int, height: int, quality: int) -> VideoCodecContext:
        key = (width, height, quality)
        if self._context is None or key != self._key:
            context = VideoCodecContext.create("mjpeg", "w")
            context.width, context.height, context.pix_fmt = width, height, "yuvj420p"
            context.time_base = Fraction(1, 30)
            context.thread_count = 1
            # FFmpeg counts quantisers from 2, the best, to 31.
            context.qmin = context.qmax = round(2 + (100 - quality) * 29 / 100)
            context.open()
            self._context, self._key, self._index = context, key, 0
        return self._context


def rgb(frame: VideoFrame, reformatter: VideoReformatter) -> bytes:
    """A frame as rgb8: rows of 3 bytes a pixel, without padding."""
    return reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray().tobytes()
