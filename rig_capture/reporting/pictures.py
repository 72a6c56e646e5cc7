"""Some pictures of a stream of video: how bright and sharp they are, and small copies of them."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rig_capture.reading.errors import Incomplete
from rig_capture.reading.tracks import Column
from rig_capture.reading.video import Frame, VideoStream
from rig_capture.reporting.models import Picture, PictureQuality
from rig_capture.reporting.timing import shortened

_PICTURES = 6
_WIDTH = 240
"""Pixels of a small copy."""
_JPEG_QUALITY = 75


def look_at(stream: VideoStream, table: dict[str, Column], problems: list[str]) -> PictureQuality:
    """Decodes a few pictures, evenly spread over the stream; only keyframes, so that nothing else is decoded.

    Args:
        stream: where they are from.
        table: its rows, as `VideoStream.table` has them.
        problems: told of what can't be read.
    """
    stamps = table["stamp_ns"][table["keyframe"] == 1]
    chosen = np.unique(stamps[np.linspace(0, len(stamps) - 1, _PICTURES).round().astype(int)]) if len(stamps) else stamps
    pictures = []
    for stamp_ns in chosen.tolist():
        try:
            pictures += [_picture(frame) for frame in stream.frames(stamp_ns, stamp_ns + 1)]
        except Incomplete as error:
            problems.append(str(error))
    return PictureQuality(stream=stream.name, pictures=tuple(pictures))


def _picture(frame: Frame) -> Picture:
    image = frame.image
    if image.ndim == 2:
        return Picture(stamp_ns=frame.stamp_ns, seq=frame.seq, brightness=None, sharpness=None, jpeg=_jpeg(_visible(image)))
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return Picture(
        stamp_ns=frame.stamp_ns,
        seq=frame.seq,
        brightness=shortened(float(luma.mean())),
        sharpness=shortened(float(cv2.Laplacian(luma, cv2.CV_64F).var())),
        jpeg=_jpeg(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)),
    )


def _visible(depth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Depth as grey; near is bright, and what is not known black."""
    known = depth[depth > 0]
    if not known.size:
        return np.zeros(depth.shape, np.uint8)
    near, far = np.percentile(known, (1, 99))
    grey = 255 - np.clip((depth - near) / max(1.0, far - near), 0, 1) * 215
    return np.asarray(np.where(depth > 0, grey, 0).astype(np.uint8))


def _jpeg(image: npt.NDArray[Any]) -> bytes:
    height, width = image.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    done, data = cv2.imencode(".jpg", cv2.resize(image, size, interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done, "an array in memory can always be encoded"
    return bytes(data)
