"""Streams of sound: blocks as they came, or slices by time, as arrays."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.items import Block
from rig_capture.playback.sound import Segments, sound_of_part
from rig_capture.reading.tracks import Track, TrackReading

_LONGEST_BLOCK_NS = 10_000_000_000
"""A slice is looked for so far before its start, since it may begin inside a block."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples that follow each other without a gap: a block, or a slice."""

    seq: int
    """Number of the block, of a slice of its first one; a lost block leaves a gap."""
    stamp_ns: int
    """Capture stamp of the first sample, ns since the epoch."""
    segment: int
    """Counts how often the source began anew."""
    first_sample: int
    """Index of the first sample in its segment."""
    sample_rate: int
    """Hz."""
    samples: npt.NDArray[Any]
    """(frames, channels): int16; int32 of 32 and of 24 bit (which stay within 2^23); float32, full scale 1."""
    full_scale: float
    """Value of `samples` that stands for 1."""

    @property
    def as_float(self) -> npt.NDArray[np.float32]:
        """`samples` as float32 with full scale 1."""
        return (self.samples / np.float32(self.full_scale)).astype(np.float32)

    @property
    def end_ns(self) -> int:
        """Stamp of the sample after the last, ns."""
        return self.stamp_ns + self.duration_ns(len(self.samples))

    def duration_ns(self, frames: int) -> int:
        """Of so many samples per channel, ns."""
        return round(frames * 1e9 / self.sample_rate)


class AudioStream(Track):
    """A stream of sound. Iterating over it yields all its blocks."""

    def __iter__(self) -> Iterator[Sound]:
        return self.blocks()

    def blocks(self, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Sound]:
        """Blocks as they came, in order, also where they were encoded.

        Args:
            start_ns: blocks that begin at or after this stamp, ns since the epoch; None: from the beginning.
            stop_ns: stamp before which blocks begin; None: to the end.

        Raises:
            Incomplete: after the last block that can be read, where some are missing.
        """
        start_ns, stop_ns = self._of_host(start_ns), self._of_host(stop_ns)
        reading, segments = TrackReading(self._source, self, start_ns, stop_ns), Segments()
        from_ns = start_ns if start_ns is not None else 0
        for part, next_ns in reading.parts():
            items = sound_of_part(self.name, part, next_ns, reading.table, self.entry.settings, segments, from_ns)
            try:
                with closing(items):  # type: ignore[type-var]  # a generator
                    for item in items:
                        if stop_ns is not None and item.due_ns >= stop_ns:
                            break
                        assert isinstance(item.content, Block)
                        size = reading.meet(item.due_ns)
                        # Of Opus the last block of a file may lack what the encoder kept.
                        if size is not None and len(item.content.data) < size and self.entry.codec != "opus":
                            reading.failed(
                                f"{part.path}: of the block at {item.due_ns} ns {len(item.content.data)} of {size} bytes are left"
                            )
                        sound = _sound(item.content)
                        yield sound if self.clock is None else replace(sound, stamp_ns=self._stamp_of(sound.stamp_ns))
            except PlaybackError as error:
                reading.failed(error)
        reading.close()

    def slices(self, start_ns: int, stop_ns: int) -> list[Sound]:
        """The sound of a span of time, to the sample: one slice, or several where samples are missing between them.

        Args:
            start_ns: stamp of the first sample, ns since the epoch.
            stop_ns: stamp before which it ends.

        Raises:
            Incomplete: something in the span, or the ten seconds before it, can't be read.
        """
        slices: list[list[Sound]] = []
        for block in self.blocks(start_ns - _LONGEST_BLOCK_NS, stop_ns):
            cut = _cut(block, start_ns, stop_ns)
            if not len(cut.samples):
                continue
            last = slices[-1][-1] if slices else None
            if last is not None and _follows(last, cut):
                slices[-1].append(cut)
            else:
                slices.append([cut])
        return [replace(blocks[0], samples=np.concatenate([block.samples for block in blocks])) for blocks in slices]


def _follows(last: Sound, block: Sound) -> bool:
    here, there = (
        (last.segment, last.first_sample + len(last.samples), last.sample_rate),
        (block.segment, block.first_sample, block.sample_rate),
    )
    return here == there and last.samples.dtype == block.samples.dtype


def _cut(block: Sound, start_ns: int, stop_ns: int) -> Sound:
    """Its samples whose stamps are in the span."""
    begin, end = (int(np.ceil((at - block.stamp_ns) * block.sample_rate / 1e9)) for at in (start_ns, stop_ns))
    begin, end = max(0, begin), max(0, min(len(block.samples), end))
    stamp_ns = block.stamp_ns + block.duration_ns(begin)
    return replace(block, stamp_ns=stamp_ns, first_sample=block.first_sample + begin, samples=block.samples[begin:end])


def _sound(block: Block) -> Sound:
    if block.format == "S24LE":
        # The upper three of four bytes, then shifted down with their sign.
        raw = np.zeros((block.frames * block.channels, 4), np.uint8)
        raw[:, 1:] = np.frombuffer(block.data, np.uint8).reshape(-1, 3)
        samples: npt.NDArray[Any] = raw.view("<i4").ravel() >> 8
    else:
        samples = np.frombuffer(block.data, {"S16LE": "<i2", "S32LE": "<i4", "F32LE": "<f4"}[block.format])
    full_scale = {"S16LE": 2.0**15, "S24LE": 2.0**23, "S32LE": 2.0**31, "F32LE": 1.0}[block.format]
    shape = samples.reshape(-1, block.channels)
    return Sound(block.seq, block.stamp_ns, block.segment, block.first_sample, block.sample_rate, shape, full_scale)
