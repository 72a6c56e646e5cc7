"""Sound as files: blocks into WAV, Opus, FLAC or MP3, and any file that FFmpeg knows into samples."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer

from rig_capture.sensing.audio.block import SAMPLE_BYTES


class SoundFileError(Exception):
    """A file of sound that can't be read or written; the message says which, why and what to do."""


@dataclass(frozen=True)
class SoundFormat:
    """Of interleaved samples."""

    sample_format: str
    """``S16LE``, ``S24LE`` (packed), ``S32LE`` or ``F32LE``."""
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class _Kind:
    container: str
    codec: str
    """Empty: PCM, as the samples are."""
    most_channels: int


KINDS = {
    "wav": _Kind("wav", "", 64),
    "opus": _Kind("ogg", "libopus", 8),
    "flac": _Kind("flac", "flac", 8),
    "mp3": _Kind("mp3", "libmp3lame", 2),
}
"""Kinds of files by their names' endings; ogg is opus."""

_FRAMES = {"S16LE": ("s16", "<i2"), "S24LE": ("s32", "<i4"), "S32LE": ("s32", "<i4"), "F32LE": ("flt", "<f4")}
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)


def kind_of(path: Path) -> str:
    """The kind that a file's name asks for. Raises SoundFileError."""
    ending = path.suffix.lower().lstrip(".")
    kind = "opus" if ending in ("ogg", "oga") else ending
    if kind not in KINDS:
        raise SoundFileError(f"{path}: its name should end in one of {', '.join(f'.{known}' for known in KINDS)}")
    return kind


class SoundWriter:
    """One file in the making: samples in, in order; `close` makes it whole."""

    def __init__(self, target: Path | io.BytesIO, kind: str, form: SoundFormat) -> None:
        """Opens the file.

        Args:
            target: where it goes.
            kind: one of `KINDS`.
            form: of the samples.

        Raises:
            SoundFileError: the kind does not hold so many channels, or the file can't be made.
        """
        wanted = KINDS[kind]
        if form.channels > wanted.most_channels:
            raise SoundFileError(f"{kind} holds at most {wanted.most_channels} channels, and there are {form.channels}; take wav")
        self._form = form
        self._layout = _LAYOUTS.get(form.channels, f"{form.channels} channels")
        self._given = 0
        file: Any = str(target) if isinstance(target, Path) else target
        try:
            self._container: OutputContainer = av.open(file, "w", format=wanted.container)
            self._stream = self._add_stream(wanted)
        except (OSError, av.error.FFmpegError) as error:
            raise SoundFileError(f"{target if isinstance(target, Path) else kind}: can't be written: {error}") from error

    def write(self, data: bytes) -> None:
        """Takes whole frames of interleaved samples. Raises SoundFileError."""
        frame = AudioFrame.from_ndarray(_packed(data, self._form.sample_format), _FRAMES[self._form.sample_format][0], self._layout)
        frame.sample_rate = self._form.sample_rate
        frame.pts, frame.time_base = self._given, Fraction(1, self._form.sample_rate)
        self._given += frame.samples
        self._mux(frame)

    def close(self) -> None:
        """Writes what the encoder still holds, and closes the file. Raises SoundFileError."""
        try:
            if self._given:
                self._mux(None)
        finally:
            self._container.close()

    def _mux(self, frame: AudioFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, av.error.FFmpegError) as error:
            raise SoundFileError(f"the sound can't be written: {error}") from error

    def _add_stream(self, wanted: _Kind) -> AudioStream:
        form = self._form
        rate, options = form.sample_rate, {}
        if wanted.codec == "libopus":
            rate = rate if rate in _OPUS_RATES else 48_000
            if form.channels > 2:
                options = {"mapping_family": "255"}  # channels of their own: no loudspeaker is taken for a subwoofer
        codec = wanted.codec or f"pcm_{form.sample_format.lower()}"
        stream = cast("AudioStream", self._container.add_stream(codec, rate=rate, options=options))
        stream.codec_context.layout = self._layout
        if codec == "flac":
            stream.codec_context.format = "s16" if form.sample_format == "S16LE" else "s32"
        return stream


def sound_file(parts: Iterable[bytes], kind: str, form: SoundFormat) -> bytes:
    """A whole file in memory. Raises SoundFileError."""
    target = io.BytesIO()
    writer = SoundWriter(target, kind, form)
    try:
        for part in parts:
            writer.write(part)
    finally:
        writer.close()
    return target.getvalue()


def read_samples(path: Path) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """The first track of sound of any file, decoded.

    Yields:
        Sample rate, and samples of shape (frames, channels), full scale 1.0.

    Raises:
        SoundFileError: there is no such file, or it holds no sound that can be decoded.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise SoundFileError(f"{path}: holds no sound")
            resampler = AudioResampler(format="flt")
            for decoded in container.decode(container.streams.audio[0]):
                for frame in resampler.resample(decoded):
                    samples: npt.NDArray[Any] = frame.to_ndarray()
                    yield frame.sample_rate, samples.reshape(-1, len(frame.layout.channels))
    except (OSError, av.error.FFmpegError) as error:
        raise SoundFileError(f"{path}: can't be read as sound: {error.strerror or error}") from error


def _packed(data: bytes, sample_format: str) -> npt.NDArray[Any]:
    """Interleaved samples as FFmpeg takes them, shape (1, samples)."""
    values: npt.NDArray[Any] = np.frombuffer(data, np.uint8)
    if SAMPLE_BYTES[sample_format] == 3:  # into the upper three bytes of four
        wide = np.zeros((values.size // 3, 4), np.uint8)
        wide[:, 1:] = values.reshape(-1, 3)
        values = wide.reshape(-1)
    return values.view(_FRAMES[sample_format][1]).reshape(1, -1)
