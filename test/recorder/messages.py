"""Serialized messages for tests of the recorder's room, made by rosbags: no ROS is running here."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK, VIDEO_PACKET
from rig_capture.scheduling import ordinary_scheduling

DEFINITIONS = Definitions()
START_NS = 1_795_000_000_000_000_000
IMU = "sensor_msgs/msg/Imu"

_ENCODERS = {
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    "hevc": ("libx265", {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none:repeat-headers=1:bframes=0"}),
    "av1": ("libsvtav1", {"preset": "12", "svtav1-params": "pred-struct=1"}),
    "mjpeg": ("mjpeg", {}),
    "ffv1": ("ffv1", {"level": "1"}),
}


def make(type_name: str, **fields: Any) -> bytes:
    """A serialized message."""
    DEFINITIONS.need(type_name)
    return bytes(DEFINITIONS.store.serialize_cdr(DEFINITIONS.store.types[type_name](**fields), type_name))


def header(stamp_ns: int) -> Any:
    """A std_msgs/Header."""
    types = DEFINITIONS.store.types
    DEFINITIONS.need("std_msgs/msg/Header")
    stamp = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id="test")


def imu(stamp_ns: int) -> bytes:
    """A serialized Imu."""
    DEFINITIONS.need(IMU)
    types = DEFINITIONS.store.types
    vector = types["geometry_msgs/msg/Vector3"](x=0.0, y=0.0, z=9.81)
    turn = types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)
    zeros = np.zeros(9)
    return make(
        IMU,
        header=header(stamp_ns),
        orientation=turn,
        orientation_covariance=zeros,
        angular_velocity=vector,
        angular_velocity_covariance=zeros,
        linear_acceleration=vector,
        linear_acceleration_covariance=zeros,
    )


def audio(index: int, *, segment: int = 0, frames: int = 2400, form: str = "S16LE", width: int = 2) -> bytes:
    """A serialized AudioChunk of 50 ms at 48 kHz, stereo."""
    return make(
        AUDIO_CHUNK,
        header=header(START_NS + index * 50_000_000),
        seq=index,
        first_sample=index * frames,
        segment=segment,
        sample_rate=48000,
        channels=2,
        format=form,
        frames=frames,
        drift_ppm=float("nan"),
        data=np.zeros(frames * 2 * width, np.uint8),
    )


def video(codec: str, count: int, *, size: tuple[int, int] = (320, 240), gop: int = 10, first: int = 0) -> Iterator[bytes]:
    """Serialized VideoPackets at 30 frames per second, each picture a plain grey of its own."""
    name, options = _ENCODERS[codec]
    width, height = size
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height = width, height
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    context.time_base, context.framerate, context.gop_size, context.options = Fraction(1, 30), Fraction(30), gop, options
    frames = [_grey(index, width, height, context.pix_fmt) for index in range(count)]
    with ordinary_scheduling():
        context.open()
    packets = [packet for frame in [*frames, None] for packet in context.encode(frame)]
    for packet in packets:
        index = first + packet.pts
        yield make(
            VIDEO_PACKET,
            header=header(START_NS + index * 33_333_333),
            seq=index,
            codec=codec,
            width=width,
            height=height,
            keyframe=packet.is_keyframe,
            pts_ns=index * 33_333_333,
            data=np.frombuffer(bytes(packet), np.uint8),
        )


def _grey(index: int, width: int, height: int, pixel_format: str) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 16 + index * 3 % 200, np.uint8), format="yuv420p")
    frame = frame.reformat(format=pixel_format)
    frame.pts, frame.time_base = index, Fraction(1, 30)
    return frame
