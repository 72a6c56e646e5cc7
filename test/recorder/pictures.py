"""Serialized image messages, and pictures out of Matroska files, decoded by FFmpeg."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from rig_capture.recorder.images.reading import COMPRESSED_IMAGE, IMAGE
from test.recorder.messages import START_NS, header, make

Pixels = npt.NDArray[Any]

INTERVAL_NS = 33_333_333


def stamp(index: int) -> int:
    """Stamp of the picture with an index, at 30 per second, ns."""
    return START_NS + index * INTERVAL_NS


def scene(index: int, width: int = 64, height: int = 48) -> Pixels:
    """A smooth picture (height, width, 3), uint8 rgb, which moves with the index."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin((x + 2 * index) / 9) + np.cos(y / 7), np.sin(y / 11 + index / 5), np.cos((x - y) / 13)]
    return np.stack([(wave * 50 + 128) for wave in waves], axis=-1).astype(np.uint8)


def image(index: int, pixels: Pixels, encoding: str, *, padding: int = 0, big_endian: bool = False) -> bytes:
    """A serialized sensor_msgs/Image of (height, width[, channels]) pixels, with so many bytes after each row."""
    height, width = pixels.shape[:2]
    rows = np.frombuffer(pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<")).tobytes(), np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xEE)
    return make(
        IMAGE,
        header=header(stamp(index)),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=rows.shape[1],
        data=np.ascontiguousarray(rows).reshape(-1),
    )


def compressed(index: int, data: bytes, form: str = "rgb8; jpeg compressed bgr8") -> bytes:
    """A serialized sensor_msgs/CompressedImage."""
    return make(COMPRESSED_IMAGE, header=header(stamp(index)), format=form, data=np.frombuffer(data, np.uint8))


def jpeg(pixels: Pixels, name: str = "mjpeg") -> bytes:
    """Pixels (height, width, 3) as a JPEG picture, or by another of FFmpeg's encoders."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as container:
        stream: Any = container.add_stream(name, rate=1)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuvj420p" if name == "mjpeg" else "rgb24"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=stream.pix_fmt)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def decoded(path: Path, pixel_format: str = "") -> list[Pixels]:
    """All pictures of a file, as they are or converted."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=pixel_format or None) for frame in container.decode(video=0)]


def psnr(one: Pixels, other: Pixels) -> float:
    """Peak signal to noise ratio of 8 bit pictures, dB."""
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
