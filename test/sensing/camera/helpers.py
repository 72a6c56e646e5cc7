"""What camera tests share: clips with numbered frames, decoding of packets, and a place that keeps results."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from av import CodecContext, Packet, VideoFrame
from av.video.codeccontext import VideoCodecContext

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera.encoder import Encoder
from rig_capture.sensing.camera.frame import Capture, EncodedFrame, plane_view
from rig_capture.sensing.camera.pipeline import CameraPipeline, PipelineReport, Wanted
from rig_capture.sensing.camera.synthetic import Scene, read_frame_number
from rig_capture.sensing.device import Driver
from test.parts import wait_until

_DECODERS = {"av1": "libdav1d"}


def settings(**values: Any) -> CameraSettings:
    """Settings of a small and fast camera."""
    return CameraSettings.model_validate({"width": 320, "height": 240, "fps": 30.0, "preview_width": 160, **values})


def make_clip(path: Path, frames: int, *arguments: str, size: tuple[int, int] = (320, 240)) -> Path:
    """A video file by ffmpeg with numbered frames of the synthetic scene; `arguments` choose codec and so on."""
    scene = Scene(*size)
    raw = b"".join(
        b"".join(np.ascontiguousarray(plane_view(frame, plane)).tobytes() for plane in range(3))
        for frame in (scene.draw(number, 10**18) for number in range(frames))
    )
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[0]}x{size[1]}", "-r", "30", "-i", "-"]
    subprocess.run([*command, *arguments, str(path)], input=raw, check=True, timeout=60)
    return path


def access_units(count: int, keyframe_every: int = 15) -> list[bytes]:
    """H.264 of numbered frames, 320x240."""
    encoder, scene = Encoder(settings(), (320, 240)), Scene(320, 240)
    return [
        packet.data
        for number in range(count)
        for packet in encoder.encode(scene.draw(number, 10**18), keyframe=number % keyframe_every == 0)
    ]


def decode(frames: Sequence[EncodedFrame]) -> list[VideoFrame]:
    """Pictures of packets, decoded by a fresh decoder that knows nothing but what packets and their messages say."""
    codec = frames[0].codec
    context = CodecContext.create(_DECODERS.get(codec, codec), "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    if codec == "ffv1":
        context.width, context.height = frames[0].width, frames[0].height
    pictures = [picture for frame in frames for picture in context.decode(Packet(frame.data))]
    return pictures + context.decode(None)


def numbers(pictures: Sequence[VideoFrame]) -> list[int]:
    """The frame numbers burnt into pictures."""
    return [read_frame_number(plane_view(picture, 0)) for picture in pictures]


class Kept:
    """An outlet that keeps what comes."""

    def __init__(self) -> None:
        self.frames: list[EncodedFrame] = []
        self.previews: list[tuple[int, bytes]] = []
        self.pictures: list[tuple[int, bytes, tuple[int, int]]] = []

    def video(self, frame: EncodedFrame) -> None:
        self.frames.append(frame)

    def preview(self, stamp_ns: int, jpeg: bytes, size: tuple[int, int]) -> None:
        self.previews.append((stamp_ns, jpeg))

    def raw(self, stamp_ns: int, picture: bytes, size: tuple[int, int]) -> None:
        self.pictures.append((stamp_ns, picture, size))


def read(driver: Driver[Capture], count: int, each: Callable[[Capture], None] = lambda capture: None) -> list[Capture]:
    """The next captures of an open driver; `each` is called while a capture's picture may still be asked for."""
    captures: list[Capture] = []
    end = time.monotonic() + 30
    while len(captures) < count:
        assert time.monotonic() < end, f"{len(captures)} of {count} frames came"
        capture = driver.read()
        if capture is not None:
            each(capture)
            captures.append(capture)
    return captures


def run_pipeline(
    camera: CameraSettings, driver: Driver[Capture], count: int, wanted: Callable[[int], Wanted] = lambda index: Wanted(video=True)
) -> tuple[Kept, PipelineReport]:
    """Opens a driver and leads frames of it through a pipeline; `wanted` tells by index what is listened to."""
    kept = Kept()
    pipeline = CameraPipeline("test", camera, kept)
    pipeline.start()
    driver.open()
    try:
        for index in range(count):
            read(driver, 1, lambda capture, index=index: pipeline.process(capture, wanted(index)))  # type: ignore[misc]
        wait_until(lambda: pipeline.report().queued == 0, "the last packet")
        return kept, pipeline.report()
    finally:
        driver.close()
        pipeline.stop()
