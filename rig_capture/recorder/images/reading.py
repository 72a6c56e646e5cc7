"""Pictures out of other people's image messages: raw ones to be encoded, compressed ones to be copied."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.tracks.samples import Sample, SampleReader, VideoFormat

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
IMAGE_TYPES = frozenset({IMAGE, COMPRESSED_IMAGE, COMPRESSED_VIDEO})

# sensor_msgs/image_encodings.hpp: FFmpeg's name of the pixel format, bytes per pixel. 16 bit formats by byte order.
_FORMATS = {
    "rgb8": ("rgb24", 3),
    "8UC3": ("bgr24", 3),
    "bgr8": ("bgr24", 3),
    "rgba8": ("rgba", 4),
    "bgra8": ("bgra", 4),
    "8UC4": ("bgra", 4),
    "mono8": ("gray", 1),
    "8UC1": ("gray", 1),
    "yuv422": ("uyvy422", 2),
    "uyvy": ("uyvy422", 2),
    "yuv422_yuy2": ("yuyv422", 2),
    "yuyv": ("yuyv422", 2),
    "bayer_rggb8": ("bayer_rggb8", 1),
    "bayer_bggr8": ("bayer_bggr8", 1),
    "bayer_gbrg8": ("bayer_gbrg8", 1),
    "bayer_grbg8": ("bayer_grbg8", 1),
    "mono16": ("gray16", 2),
    "16UC1": ("gray16", 2),
}
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers that start a frame and hold its size (ITU-T T.81, table B.1)."""


class _Time(Protocol):
    """A builtin_interfaces/Time, of the class that rosbags makes by its definition."""

    sec: int
    nanosec: int


class Unencodable(Exception):
    """A picture that no video codec takes; the message says what of it."""


@dataclass(frozen=True)
class Picture:
    """One raw picture."""

    stamp_ns: int
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    encoding: str
    """As sensor_msgs names it."""
    pixel_format: str
    """As FFmpeg names it."""
    rows: npt.NDArray[np.uint8]
    """(height, bytes of a row); may view the message, with gaps between its rows."""

    @property
    def size_and_format(self) -> tuple[int, int, str]:
        """What must stay the same for one run of an encoder."""
        return self.width, self.height, self.pixel_format


def picture_reader(definitions: Definitions) -> Callable[[bytes], Picture]:
    """A reader of sensor_msgs/Image, which raises Unencodable where the picture is of no kind that can be encoded."""
    definitions.need(IMAGE)

    def read(message: bytes) -> Picture:
        image: Any = definitions.store.deserialize_cdr(message, IMAGE)
        name, pixel_bytes = _pixel_format(image.encoding, big_endian=bool(image.is_bigendian))
        row = image.width * pixel_bytes
        if not row or not image.height or image.step < row or image.data.size < image.step * image.height:
            size = f"{image.width} x {image.height} pixels, step {image.step}, {image.data.size} bytes"
            raise Unencodable(f"{size} do not fit {image.encoding}")
        rows = image.data[: image.step * image.height].reshape(image.height, image.step)[:, :row]
        return Picture(_stamp_ns(image.header.stamp), image.width, image.height, image.encoding, name, rows)

    return read


def jpeg_reader(definitions: Definitions) -> SampleReader:
    """A reader of sensor_msgs/CompressedImage that holds JPEG; the picture is not decoded. It raises Unencodable for others."""
    definitions.need(COMPRESSED_IMAGE)
    number = -1

    def read(message: bytes) -> Sample:
        nonlocal number
        image: Any = definitions.store.deserialize_cdr(message, COMPRESSED_IMAGE)
        width, height = jpeg_size(memoryview(image.data))
        stamp_ns, number = _stamp_ns(image.header.stamp), number + 1
        return Sample(number, stamp_ns, stamp_ns, True, VideoFormat("mjpeg", width, height), image.data)

    return read


def jpeg_size(data: memoryview) -> tuple[int, int]:
    """Width and height of a JPEG picture, pixels, from its frame header (ITU-T T.81, B.2.2). Raises Unencodable."""
    position = 2
    if bytes(data[:2]) != b"\xff\xd8":
        raise Unencodable("no JPEG picture")
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _JPEG_FRAMES:
            return int.from_bytes(data[position + 7 : position + 9]), int.from_bytes(data[position + 5 : position + 7])
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    raise Unencodable("a JPEG picture without a frame header")


def _pixel_format(encoding: str, *, big_endian: bool) -> tuple[str, int]:
    try:
        name, size = _FORMATS[encoding]
    except KeyError as error:
        raise Unencodable(f"encoding {encoding!r} is none that video codecs take") from error
    return (name + ("be" if big_endian else "le"), size) if name == "gray16" else (name, size)


def _stamp_ns(stamp: _Time) -> int:
    return stamp.sec * 10**9 + stamp.nanosec
