"""What a camera driver yields, and what the pipeline makes of it. Plain values."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.video.plane import VideoPlane

Plane = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SourcePacket:
    """A frame as the source itself compressed it."""

    codec: str
    """``h264``, ``hevc``, ``av1``, ``mjpeg`` or ``ffv1``."""
    data: bytes
    """One access unit; parameter sets in band with keyframes; h264 and hevc as Annex B."""
    keyframe: bool
    width: int
    height: int


@dataclass(frozen=True)
class Capture:
    """One frame captured. It is decoded or rendered only where somebody asks for its picture."""

    stamp_ns: int
    """Capture time on the system clock, ns since the epoch."""
    picture: Callable[[], VideoFrame | None]
    """The decoded frame; None where it can't be decoded. Valid until the driver reads on; called in the driver's thread."""
    missed: int = 0
    """Frames known to have been captured between the one before and this one, and lost."""
    packet: SourcePacket | None = None
    """The source's own packet, where it delivers packets that can be passed on."""


@dataclass(frozen=True)
class EncodedFrame:
    """One packet of the video topic."""

    stamp_ns: int
    """Capture time on the system clock, ns since the epoch."""
    pts_ns: int
    """Capture time since the first frame, ns; always growing."""
    seq: int
    """Counts captured frames from 0; a gap is a loss."""
    codec: str
    width: int
    height: int
    keyframe: bool
    data: bytes

    def filled(self, codec: str, size: tuple[int, int], data: bytes, *, keyframe: bool) -> "EncodedFrame":
        """The same frame with what an encoder made of it."""
        return replace(self, codec=codec, width=size[0], height=size[1], data=data, keyframe=keyframe)


def even(pixels: float) -> int:
    """The nearest even size of at least 2: pictures with halved chroma need it."""
    return max(2, round(pixels / 2) * 2)


def output_size(width: int, height: int, source_width: int, source_height: int) -> tuple[int, int]:
    """Size in pixels of the encoded picture; where one of width and height is 0 the aspect ratio is kept, where both are, the size."""
    if width and height:
        return even(width), even(height)
    scale = width / source_width if width else height / source_height if height else 1.0
    return even(source_width * scale), even(source_height * scale)


def plane_view(frame: VideoFrame, index: int) -> Plane:
    """A writable view of a plane of 8 bit samples, shape (rows, columns), without the padding of its lines."""
    plane = frame.planes[index]
    return plane_lines(plane)[: plane.height, : plane.width]


def plane_lines(plane: VideoPlane) -> Plane:
    """A writable view of all bytes of a plane, shape (lines, bytes of a line with padding)."""
    # Planes are buffers, which their type does not say before Python 3.12.
    return np.frombuffer(memoryview(cast("bytes", plane)), np.uint8).reshape(-1, plane.line_size)
