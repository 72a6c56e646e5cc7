"""What all encoders of raw pictures have in common: their interface, their options, and the order in which they are tried."""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.images.reading import Picture

log = logging.getLogger(__name__)

KEYFRAME_FRAMES = 30
"""Every so many frames there is a keyframe, where chunks may be cut."""
NOMINAL_FPS = 30
"""Told to encoders, for their rate control; the frames' true times are in the Matroska file."""

ENCODERS: Mapping[str, tuple[str, ...]] = {
    "h264": ("h264_nvenc", "libx264"),
    "hevc": ("hevc_nvenc", "libx265"),
    "av1": ("libsvtav1",),
    "ffv1": ("ffv1",),
    "mjpeg": ("mjpeg",),
}
"""Encoders of each codec, in the order they are tried."""
CODECS = {name: codec for codec, names in ENCODERS.items() for name in names}

# Lossless: each format FFV1 keeps bit by bit; a Bayer mosaic is kept as it is, in grey.
_FFV1_FORMATS = {"rgb24": "bgr0", "bgr24": "bgr0", "rgba": "bgra", "bgra": "bgra", "uyvy422": "yuv422p", "yuyv422": "yuv422p"}


class EncoderFailed(Exception):
    """An encoder that can't be started, or has stopped working; the message says why."""


@dataclass(frozen=True)
class Encoded:
    """One encoded picture."""

    index: int
    """Of the picture given in, from 0."""
    data: bytes
    keyframe: bool


@dataclass(frozen=True)
class Choice:
    """One way to encode."""

    program: Literal["ffmpeg", "pyav"]
    """The ffmpeg program, or FFmpeg's libraries inside this process."""
    encoder: str

    @property
    def codec(self) -> str:
        """Of its packets."""
        return CODECS[self.encoder]

    def __str__(self) -> str:
        return f"{self.program} {self.encoder}"


class PictureEncoder(Protocol):
    """One run of one encoder, for pictures of one size and format. Used from one thread."""

    def encode(self, picture: Picture, *, keyframe: bool) -> list[Encoded]:
        """Takes a picture, whose rows must not change any more, and gives what has been encoded by now. Raises EncoderFailed."""

    def finish(self) -> list[Encoded]:
        """Ends it, also after a failure, and gives the rest; what is still missing then is lost."""


def choices(settings: RecorderSettings, pixel_format: str) -> Iterator[Choice]:
    """Ways to encode pictures of a format, the best first. The last, FFV1, takes any picture, so that no stream ends for want of one."""
    codec = "ffv1" if pixel_format.startswith("gray16") else settings.image_codec
    programs: list[Literal["ffmpeg", "pyav"]] = ["ffmpeg", "pyav"] if settings.image_encoder == "auto" else [settings.image_encoder]
    if shutil.which("ffmpeg") is None and "ffmpeg" in programs:
        if settings.image_encoder == "ffmpeg":
            log.warning("the ffmpeg program is not installed; encoding with PyAV (install it: sudo apt-get install ffmpeg)")
        programs = ["pyav"]
    if "pyav" not in programs:
        programs.append("pyav")
    if codec == "av1" and os.geteuid() == 0:
        programs = ["pyav"]  # as root SVT-AV1 takes real-time priority, which can be taken back in our own process only
    yield from (Choice(program, encoder) for program in programs for encoder in ENCODERS[codec])
    if codec != "ffv1":
        yield Choice("pyav", "ffv1")


def encoded_format(encoder: str, picture: Picture) -> str:
    """Pixel format that an encoder is given."""
    source = "gray" if picture.pixel_format.startswith("bayer") else picture.pixel_format
    if encoder == "ffv1":
        return "gray16le" if source.startswith("gray16") else _FFV1_FORMATS.get(source, source)
    if encoder == "mjpeg":
        return "yuvj420p"
    # Halved colour needs even sizes.
    return "yuv444p" if (picture.width % 2 or picture.height % 2) and encoder != "libsvtav1" else "yuv420p"


def options(encoder: str, settings: RecorderSettings) -> dict[str, str]:
    """Options of an encoder, by FFmpeg's names: no B-frames and no looking ahead, so that a crash costs little."""
    quality = str(settings.image_quality)
    match encoder:
        case "libx264":
            return {"crf": str(min(51, settings.image_quality)), "preset": settings.image_preset, "tune": "zerolatency", "bf": "0"}
        case "libx265":
            params = "log-level=error:repeat-headers=1:bframes=0"
            return {
                "crf": str(min(51, settings.image_quality)),
                "preset": settings.image_preset,
                "tune": "zerolatency",
                "x265-params": params,
            }
        case "libsvtav1":
            return {"crf": quality, "preset": "10", "svtav1-params": "pred-struct=1:lookahead=0:scd=0"}
        case "h264_nvenc" | "hevc_nvenc":
            return {"rc": "vbr", "cq": quality, "preset": "p4", "tune": "ll", "bf": "0", "forced-idr": "1", "zerolatency": "1"}
        case "ffv1":
            return {"level": "1"}  # the only version whose header travels in the packets
        case _:
            scale = str(max(1, min(31, settings.image_quality // 2)))
            return {"qmin": scale, "qmax": scale}
