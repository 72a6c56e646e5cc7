"""The last packets of a stream that fell silent.

A Matroska muxer holds a cluster back until the first packet of the next one comes. Where none comes, what is held back goes into a
small file beside the chunk (`.00003.mkv.tail`), so that a crash does not cost it. A repair puts it behind the chunk's own packets.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig_capture.session.atomic import write_atomic

_NAL_START = b"\x00\x00\x01"
_AV1_TEMPORAL_DELIMITER = b"\x12\x00"


@dataclass(frozen=True)
class TailPacket:
    """One packet as it came."""

    time_ms: int
    """In the chunk."""
    keyframe: bool
    data: Any
    """Bytes, or an array that views them."""


def tail_file(chunk: Path) -> Path:
    """Where a chunk's tail lies."""
    return chunk.with_name(f".{chunk.name}.tail")


def write_tail(chunk: Path, packets: Sequence[TailPacket]) -> None:
    """Brings packets to the disk, in place of those written before. Raises OSError."""
    head = [[packet.time_ms, int(packet.keyframe), len(packet.data)] for packet in packets]
    write_atomic(tail_file(chunk), json.dumps(head).encode() + b"\n" + b"".join(packet.data for packet in packets))


def read_tail(chunk: Path) -> list[TailPacket]:
    """Packets of a chunk's tail; none where there is no tail, or none that can be read."""
    try:
        head, _, data = tail_file(chunk).read_bytes().partition(b"\n")
        packets = []
        for time_ms, keyframe, size in json.loads(head):
            packets.append(TailPacket(int(time_ms), bool(keyframe), data[: int(size)]))
            data = data[int(size) :]
    except (OSError, ValueError, TypeError):
        return []
    return packets


def as_in_matroska(data: bytes, codec: str) -> bytes:
    """A packet as the muxer would have stored it: H.264 and HEVC with lengths instead of start codes, AV1 without delimiters."""
    if codec in ("h264", "hevc"):
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in _units(data))
    if codec == "av1" and data.startswith(_AV1_TEMPORAL_DELIMITER):
        return data[len(_AV1_TEMPORAL_DELIMITER) :]
    return data


def _units(data: bytes) -> list[bytes]:
    """NAL units between start codes (ITU-T H.264, annex B); zeros before a start code belong to it."""
    parts = data.split(_NAL_START)[1:]
    return [part.rstrip(b"\x00") for part in parts[:-1]] + parts[-1:]
