"""Sound that was encoded while recording: its packets are cut otherwise than the blocks that came, so samples are compared."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.frame import AudioFrame

from rig_capture.session import tags
from rig_capture.session.manifest import StreamEntry

ENCODED_SOUND = frozenset({"flac", "opus"})

_WIDTHS = {"pcm_s16le": 2, "pcm_s24le": 3, "pcm_s32le": 4, "pcm_f32le": 4}
_TOLERANCE_S = 0.02
"""Opus: one packet; FLAC gives back what it was given."""


@dataclass(frozen=True)
class SoundFile:
    """What a file holds of one track."""

    start_ns: int
    """Stamp of its first sample."""
    packets: int
    seconds: float
    """Decoded; 0 where nothing was to be decoded."""
    source: str
    """Format of the blocks it was encoded from, as `sound_source` writes it; empty: the manifest tells."""


def read_sound(path: Path, index: int, *, decode: bool) -> SoundFile:
    """Reads one track. Raises OSError, ValueError or KeyError where it can't be read to its end."""
    with av.open(str(path)) as container:
        start_ns = int(container.metadata[tags.START_STAMP_NS])
        packets, seconds = 0, 0.0
        for packet in container.demux(container.streams[index]):
            packets += bool(packet.size)
            if decode:
                for frame in packet.decode():
                    assert isinstance(frame, AudioFrame)
                    seconds += frame.samples / frame.sample_rate
        return SoundFile(start_ns, packets, seconds, container.metadata.get(tags.SOUND_SOURCE, ""))


def sound_problems(name: str, stream: StreamEntry, frames: Path, files: Iterable[SoundFile], *, decode: bool, recovered: bool) -> list[str]:
    """Compares what files hold with the frame table. Raises OSError, ValueError or KeyError where the table can't be read."""
    files = sorted(files, key=lambda file: file.start_ns)
    with frames.open(encoding="ascii", newline="") as table:
        rows = [(int(row["stamp_ns"]), int(row["bytes"])) for row in csv.DictReader(table)]
    stamps = {stamp for stamp, _ in rows}
    problems = [
        f"{name}: a file begins at {file.start_ns} ns, where frames.csv has no block" for file in files if file.start_ns not in stamps
    ]
    expected = 0.0
    for stamp, size in rows:
        file = next((file for file in reversed(files) if file.start_ns <= stamp), None)
        codec, rate, channels = _source(file.source if file else "", stream)
        expected += size / (_WIDTHS[codec] * channels) / rate
    found = sum(file.seconds for file in files)
    # A recorder that was killed leaves part of a packet behind its last block, or part of a block behind its last packet.
    tolerance = 0.25 if recovered else _TOLERANCE_S if stream.codec == "opus" else 1e-6
    if decode and abs(found - expected) > tolerance * max(1, len(files)):
        problems.append(f"{name}: its files hold {found:.3f} s of sound, frames.csv {expected:.3f} s")
    return problems


def _source(text: str, stream: StreamEntry) -> tuple[str, int, int]:
    """Codec, rate and channels of the blocks as they came. Raises KeyError or ValueError where they are nowhere told."""
    if text:
        codec, rate, channels = text.split("/")
        return codec, int(rate), int(channels)
    return str(stream.settings["encoded_from"]), int(stream.settings["sample_rate"]), int(stream.settings["channels"])
