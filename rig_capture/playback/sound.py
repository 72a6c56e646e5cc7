"""The blocks of a stream of sound, as its topic carried them, also where they were encoded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av import AudioFrame, AudioStream
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.files import Part, opened, pts_ns, seek
from rig_capture.playback.frames import FrameTable
from rig_capture.playback.items import Block, Item
from rig_capture.session import tags

_FORMATS = {"pcm_s16le": ("S16LE", 2), "pcm_s24le": ("S24LE", 3), "pcm_s32le": ("S32LE", 4), "pcm_f32le": ("F32LE", 4)}
_DECODED = {"S16LE": "s16", "S24LE": "s32", "S32LE": "s32", "F32LE": "flt"}


@dataclass(frozen=True)
class _Form:
    """Of the blocks of one file."""

    format: str
    width: int
    """Bytes of a sample."""
    sample_rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        return self.width * self.channels


def sound_items(name: str, parts: Sequence[Part], table: FrameTable, settings: Mapping[str, Any], start_ns: int) -> Iterator[Item]:
    """Blocks from about a stamp on.

    Args:
        name: of the stream.
        parts: its files.
        table: its blocks; one that nothing was taken from.
        settings: of the stream, as the manifest has them.
        start_ns: the stamp.

    Raises:
        PlaybackError: a file can't be read.
    """
    segments = Segments()
    over = sum(1 for _, after in pairwise(parts) if after.first_ns <= start_ns)
    for part, after in pairwise([*parts[over:], None]):
        assert part is not None
        yield from sound_of_part(name, part, after.first_ns if after else None, table, settings, segments, start_ns)


def sound_of_part(
    name: str, part: Part, next_ns: int | None, table: FrameTable, settings: Mapping[str, Any], segments: "Segments", start_ns: int
) -> Iterator[Item]:
    """Blocks of one file from about a stamp on; files are to be asked in order.

    Args:
        name: of the stream.
        part: the file.
        next_ns: first stamp of the file after it; None where there is none.
        table: of the stream.
        settings: of the stream, as the manifest has them.
        segments: of the stream.
        start_ns: the stamp.

    Raises:
        PlaybackError: the file can't be read.
    """
    table.enter(part.first_ns)
    try:
        with opened(part.path) as container:
            track = container.streams[part.track]
            assert isinstance(track, AudioStream)
            if track.codec_context.name in _FORMATS:
                yield from _copied(name, container, track, part, table, segments, start_ns)
            else:
                form = _form_of(container.metadata.get(tags.SOUND_SOURCE, ""), settings)
                begin = table.index_of(part.first_ns)
                end = table.index_of(next_ns) if next_ns is not None else len(table.rows)
                yield from _decoded(name, _samples(container, track, form), form, table.rows[begin:end], segments, start_ns)
    except (OSError, KeyError, ValueError, av.FFmpegError) as error:
        raise PlaybackError(f"{part.path}: can't be read: {error}; `rig verify` tells what is wrong with the session") from error


class Segments:
    """Counts anew whenever the samples do."""

    def __init__(self) -> None:
        self._segment, self._last_pts_ns = 0, -1

    def of(self, pts: int) -> int:
        """The segment of the block with this time (pts_ns of its row)."""
        if pts <= self._last_pts_ns:
            self._segment += 1
        self._last_pts_ns = pts
        return self._segment


def _copied(
    name: str, container: InputContainer, track: AudioStream, part: Part, table: FrameTable, segments: Segments, start_ns: int
) -> Iterator[Item]:
    seek(container, part, start_ns)
    context = track.codec_context
    format_, width = _FORMATS[context.name]
    form = _Form(format_, width, context.sample_rate, context.channels)
    for packet in container.demux(track):
        row = table.take(part.zero_ns + pts_ns(packet)) if packet.pts is not None else None
        if row is not None and row[1] >= start_ns:
            yield _item(name, form, row[0], row[1], row[2], segments, bytes(packet))


def _decoded(name: str, samples: Iterator[bytes], form: _Form, rows: np.ndarray, segments: Segments, start_ns: int) -> Iterator[Item]:
    """Packets are cut otherwise than the blocks were: what is decoded is cut anew, by the table."""
    waiting = bytearray()
    for seq, stamp_ns, pts, _, size in rows.tolist():
        while len(waiting) < size and (more := next(samples, None)) is not None:
            waiting += more
        # The last block may be short by what an encoder kept.
        data = bytes(waiting[: min(size, len(waiting)) // form.frame_bytes * form.frame_bytes])
        del waiting[: len(data)]
        if data and stamp_ns >= start_ns:
            yield _item(name, form, seq, stamp_ns, pts, segments, data)


def _samples(container: InputContainer, track: AudioStream, form: _Form) -> Iterator[bytes]:
    """Decoded sound, interleaved, in the format of the blocks."""
    resampler = AudioResampler(_DECODED[form.format], track.codec_context.layout, form.sample_rate)
    for packet in container.demux(track):
        for frame in packet.decode():
            for even in resampler.resample(frame):
                yield _bytes(even, form)
    for even in resampler.resample(None):
        yield _bytes(even, form)


def _bytes(frame: AudioFrame, form: _Form) -> bytes:
    samples: np.ndarray = np.ascontiguousarray(frame.to_ndarray())
    if form.format != "S24LE":
        return samples.tobytes()
    # The upper three of four bytes.
    return np.ascontiguousarray(samples.view(np.uint8).reshape(-1, 4)[:, 1:]).tobytes()


def _item(name: str, form: _Form, seq: int, stamp_ns: int, pts: int, segments: Segments, data: bytes) -> Item:
    first = round(pts * form.sample_rate / 10**9)
    frames = len(data) // form.frame_bytes
    return Item(stamp_ns, name, Block(seq, stamp_ns, first, segments.of(pts), form.format, form.sample_rate, form.channels, frames, data))


def _form_of(source: str, settings: Mapping[str, Any]) -> _Form:
    if source:
        codec, rate, channels = source.split("/")
    else:
        codec, rate, channels = settings["encoded_from"], settings["sample_rate"], settings["channels"]
    return _Form(*_FORMATS[codec], int(rate), int(channels))
