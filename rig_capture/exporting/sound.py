"""Sound as WAV files: every sample as it was recorded, gaps as silence or as the end of a file.

A file is RIFF, or RF64 (EBU Tech 3306) where it outgrows 4 GiB, with a WAVEFORMATEXTENSIBLE where the old header leaves it open what
the samples are (more than two channels, or more than 16 bit).
"""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from rig_capture.exporting.errors import WrongWish
from rig_capture.exporting.wish import LONGEST_HOLE_NS, Work, file_stem
from rig_capture.reading.audio import AudioStream, Sound

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")
"""The end of the two sub-format GUIDs (KSDATAFORMAT_SUBTYPE_PCM, ..._IEEE_FLOAT), behind their two bytes."""
_SILENCE = 2**20
"""Frames of silence that are written at once."""


@dataclass(frozen=True)
class _Form:
    sample_rate: int
    channels: int
    bits: int
    is_float: bool

    @classmethod
    def of(cls, sound: Sound) -> "_Form":
        bits = {2.0**15: 16, 2.0**23: 24}.get(sound.full_scale, 32)
        return cls(sound.sample_rate, sound.samples.shape[1], bits, sound.samples.dtype.kind == "f")

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8

    @property
    def name(self) -> str:
        return f"pcm_{'f' if self.is_float else 's'}{self.bits}le"

    def data(self, sound: Sound) -> bytes:
        if self.bits != 24:
            return sound.samples.tobytes()
        # The lower three of four bytes: values stay within 2^23.
        return np.ascontiguousarray(sound.samples, "<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


class WavFile:
    """One file; a context manager, which puts the lengths into its head."""

    def __init__(self, path: Path, form: _Form) -> None:
        self.frames = 0
        self._form = form
        self._file: BinaryIO = path.open("xb")
        self._file.write(self._head())

    def write(self, sound: Sound) -> None:
        """Appends samples."""
        self._file.write(self._form.data(sound))
        self.frames += len(sound.samples)

    def silence(self, frames: int) -> None:
        """Appends silence."""
        self.frames += frames
        while frames:
            part = min(frames, _SILENCE)
            self._file.write(bytes(part * self._form.frame_bytes))
            frames -= part

    def _head(self) -> bytes:
        """Always of the same length: room for the lengths of RF64 is kept as a chunk JUNK."""
        form, size = self._form, self.frames * self._form.frame_bytes
        tag = _FLOAT if form.is_float else _PCM
        rate = form.sample_rate * form.frame_bytes
        extensible = struct.pack("<HHIH", 22, form.bits, 0, tag) + _SUBFORMAT
        known = form.channels <= 2 and (form.bits == 16 or form.is_float)
        kind = struct.pack("<HHIIHH", tag if known else _EXTENSIBLE, form.channels, form.sample_rate, rate, form.frame_bytes, form.bits) + (
            b"" if known else extensible
        )
        # RIFF without its first eight bytes: WAVE, the kept room, the format, the head of the data, the data, a byte to make them even.
        whole = 4 + 36 + 8 + len(kind) + 8 + size + size % 2
        if whole < 2**32:
            start, length, kept = b"RIFF", whole, b"JUNK" + struct.pack("<I28x", 28)
        else:
            start, length = b"RF64", 2**32 - 1
            kept = b"ds64" + struct.pack("<IQQQI", 28, whole, size, self.frames, 0)
        data = b"data" + struct.pack("<I", min(size, 2**32 - 1) if start == b"RIFF" else 2**32 - 1)
        return start + struct.pack("<I", length) + b"WAVE" + kept + b"fmt " + struct.pack("<I", len(kind)) + kind + data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._file.write(bytes(self.frames * self._form.frame_bytes % 2))
                self._file.seek(0)
                self._file.write(self._head())


def export_sound(work: Work) -> None:
    """Streams of sound into WAV files, each with a JSON file that tells of stamps and gaps.

    Raises:
        WrongWish: there is no sound.
        OSError: a file can't be written.
    """
    streams = [stream for stream in work.wish.streams_of(work.session, ("audio",)) if isinstance(stream, AudioStream)]
    if not streams:
        raise WrongWish(f"{work.session.path}: has no sound, which is what wav is made of")
    for stream in streams:
        _Sound(work, stream).write()


@dataclass
class _Sound:
    """One stream on its way into files."""

    work: Work
    stream: AudioStream
    files: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    form: _Form | None = None
    file: WavFile | None = None

    def write(self) -> None:
        last: Sound | None = None
        try:
            for sound in self.work.items(self.stream, self.stream.blocks()):
                self._add(sound, last)
                last = sound
        except BaseException as error:
            self._end(error)
            raise
        self._end(None)
        path = self.work.folder / f"{file_stem(self.stream.name)}.json"
        told = {"stream": self.stream.name, "recording_id": self.work.session.recording_id, "files": self.files, "gaps": self.gaps}
        path.write_text(json.dumps(told, indent=1), encoding="utf-8")
        self.work.add(path, self.stream.name, gaps=len(self.gaps))

    def _add(self, sound: Sound, last: Sound | None) -> None:
        form = _Form.of(sound)
        missing = 0 if last is None else _missing(last, sound)
        changed = form != self.form or missing > LONGEST_HOLE_NS * form.sample_rate / 1e9
        if last is not None and missing:
            self._gap(last, sound, missing, filled=missing > 0 and not changed and not self.work.wish.cut_at_gaps)
        if changed or (missing and self.work.wish.cut_at_gaps):
            self._end(None)
            self._begin(sound, form)
        elif missing > 0:
            assert self.file is not None
            self.file.silence(missing)
        assert self.file is not None
        self.file.write(sound)

    def _gap(self, last: Sound, sound: Sound, missing: int, *, filled: bool) -> None:
        assert self.file is not None
        place = {"file": self.files[-1]["file"], "at_sample": self.file.frames, "samples": max(missing, 0)}
        self.gaps.append(place | {"from_ns": last.end_ns, "to_ns": sound.stamp_ns, "filled": filled})

    def _begin(self, sound: Sound, form: _Form) -> None:
        number = f".{len(self.files) + 1}" if self.files else ""
        path = self.work.folder / f"{file_stem(self.stream.name)}{number}.wav"
        self.form, self.file = form, WavFile(path, form)
        kind = {"sample_rate": form.sample_rate, "channels": form.channels, "format": form.name}
        self.files.append({"file": path.name, "stamp_ns": sound.stamp_ns, **kind, "samples": 0})

    def _end(self, error: BaseException | None) -> None:
        if self.file is None:
            return
        self.file.__exit__(type(error) if error else None, error, None)
        self.files[-1]["samples"] = self.file.frames
        if error is None:
            self.work.add(self.work.folder / self.files[-1]["file"], self.stream.name, samples=self.file.frames)
        self.file = None


def _missing(last: Sound, sound: Sound) -> int:
    """Samples per channel between two blocks: by their numbers, by their stamps where the source began anew; below 0 where they overlap."""
    if sound.segment == last.segment and sound.sample_rate == last.sample_rate:
        return sound.first_sample - last.first_sample - len(last.samples)
    return round((sound.stamp_ns - last.end_ns) * sound.sample_rate / 1e9)
