"""Videos made by FFmpeg for tests: with the program where only it can, else with PyAV."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from rig_capture.scheduling import ordinary_scheduling

Pixels = npt.NDArray[Any]

Record = Callable[..., Path]
"""Makes a session of messages by stream; see the fixture `record`."""

SPOT = 16
"""Size of the spot in `spot_picture`, px."""


def write_video(
    path: Path,
    pictures: Iterable[Pixels],
    *,
    times_ms: Iterable[int] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
) -> Path:
    """Pictures (height, width, 3), uint8 rgb, as a video with 25 frames per second, or at given times."""
    options = {"preset": "ultrafast", "crf": "10"} if codec == "libx264" else {}
    times = iter(times_ms) if times_ms is not None else iter(range(0, 10**12, 40))
    with ordinary_scheduling(), av.open(str(path), "w") as container:
        stream: Any = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream(codec, rate=25, options=options)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt, stream.codec_context.time_base = pixel_format, Fraction(1, 1000)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = next(times), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def spot_picture(x: int, y: int, size: tuple[int, int] = (320, 240)) -> Pixels:
    """A dark picture (height, width, 3) with one red spot, whose middle pixel is at x, y."""
    picture = np.full((size[1], size[0], 3), 40, np.uint8)
    picture[max(0, y - SPOT // 2) : y + SPOT // 2 + 1, max(0, x - SPOT // 2) : x + SPOT // 2 + 1] = (230, 30, 30)
    return picture


def walk(count: int, size: tuple[int, int] = (320, 240), at: Callable[[int], tuple[int, int]] | None = None) -> Iterable[Pixels]:
    """Pictures of somebody, a bright upright box, who comes in from the left after 20 pictures and walks to the right."""
    noise = np.random.default_rng(1)
    background = np.full((size[1], size[0], 3), 90, np.int16)
    width, height = size[0] // 10, size[1] // 2
    for index in range(count):
        picture = background + noise.integers(-3, 4, background.shape)
        left, top = at(index) if at is not None else (-width + 4 * (index - 20), size[1] // 4)
        if index >= 20 and left + width > 0:
            picture[top : top + height, max(0, left) : left + width] = (200, 180, 60)
        yield picture.clip(0, 255).astype(np.uint8)
