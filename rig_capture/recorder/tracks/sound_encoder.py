"""Sound by FLAC or Opus instead of PCM, one encoder per Matroska file, so that each file plays by itself."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

from rig_capture.recorder.tracks.samples import AudioFormat, Sample

SoundCodec = Literal["pcm", "flac", "opus"]


@dataclass(frozen=True)
class SoundSettings:
    """How sound is kept."""

    codec: SoundCodec
    bitrate: int
    """Of Opus, bits per second and channel."""


PCM = SoundSettings("pcm", 0)

# FFmpeg's name of the samples as they are given to an encoder, and bytes per sample as they come.
_SAMPLES = {"pcm_s16le": ("s16", 2), "pcm_s24le": ("s32", 3), "pcm_s32le": ("s32", 4), "pcm_f32le": ("flt", 4)}
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Layouts that FLAC knows; the names of the loudspeakers mean nothing here."""
_FLAC_RATES = 655_350
_OPUS_RATE = 48_000
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_ROUNDING_NS = 1_000
"""Times of blocks are whole nanoseconds."""


def codec_for(form: AudioFormat, wanted: SoundCodec) -> SoundCodec:
    """What a format is kept by: FLAC holds 16 and 24 bit and up to 8 channels, Opus up to 8 channels; PCM takes the rest."""
    if form.channels > max(_LAYOUTS):
        return "pcm"
    if wanted == "flac" and (form.codec not in ("pcm_s16le", "pcm_s24le") or form.sample_rate > _FLAC_RATES):
        return "pcm"
    return wanted


class SoundEncoder:
    """Encodes the blocks of one Matroska file into its track."""

    def __init__(self, container: OutputContainer, form: AudioFormat, codec: SoundCodec, bitrate: int) -> None:
        """Adds the track.

        Args:
            container: the file, with nothing written yet.
            form: of the blocks.
            codec: ``flac`` or ``opus``.
            bitrate: bits per second and channel, for Opus.

        Raises:
            av.error.FFmpegError: the encoder can't be opened.
        """
        self._container = container
        self._form = form
        self._given = 0
        self._next_ns: int | None = None
        options: dict[str, str] = {}
        rate = form.sample_rate
        if codec == "opus":
            rate = rate if rate in _OPUS_RATES else _OPUS_RATE
            options = {"b": str(min(512_000, bitrate * form.channels)), "application": "audio"}
            if form.channels > 2:
                options["mapping_family"] = "255"  # channels of their own: no loudspeaker is taken for a subwoofer
        elif form.codec == "pcm_s24le":
            options = {"bits_per_raw_sample": "24"}
        name = "libopus" if codec == "opus" else codec
        self._stream = cast("AudioStream", container.add_stream(name, rate=rate, options=options))
        self._stream.codec_context.layout = _LAYOUTS[form.channels]
        if codec == "flac":
            self._stream.codec_context.format = "s16" if form.codec == "pcm_s16le" else "s32"

    def follows(self, sample: Sample) -> bool:
        """Whether a block begins where the last one ended; after a gap a new file keeps the times right."""
        return self._next_ns is None or abs(sample.pts_ns - self._next_ns) <= _ROUNDING_NS

    def write(self, sample: Sample) -> None:
        """Encodes a block. Raises OSError or av.error.FFmpegError."""
        frame = _frame(sample, self._form)
        frame.pts, frame.time_base = self._given, Fraction(1, self._form.sample_rate)
        self._given += frame.samples
        self._next_ns = sample.pts_ns + frame.samples * 10**9 // self._form.sample_rate
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Writes what the encoder still holds. Raises OSError or av.error.FFmpegError."""
        self._container.mux(self._stream.encode(None))


def block_frames(form: AudioFormat, size: int) -> int:
    """Samples per channel in so many bytes."""
    return size // (form.channels * _SAMPLES[form.codec][1])


def _frame(sample: Sample, form: AudioFormat) -> AudioFrame:
    name, width = _SAMPLES[form.codec]
    values: npt.NDArray[Any] = np.frombuffer(sample.data, np.uint8)
    if width == 3:  # into the upper three bytes of four
        wide = np.zeros((values.size // 3, 4), np.uint8)
        wide[:, 1:] = values.reshape(-1, 3)
        values = wide.reshape(-1)
    packed = values.view({"s16": "<i2", "s32": "<i4", "flt": "<f4"}[name]).reshape(1, -1)
    frame = AudioFrame.from_ndarray(packed, format=name, layout=_LAYOUTS[form.channels])
    frame.sample_rate = form.sample_rate
    return frame
