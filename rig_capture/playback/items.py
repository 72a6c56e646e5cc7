"""What comes out of a session, one at a time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Packet:
    """One access unit of video."""

    seq: int
    stamp_ns: int
    pts_ns: int
    keyframe: bool
    codec: str
    width: int
    """Pixels; 0 where the file does not tell."""
    height: int
    data: bytes
    """H.264 and HEVC as Annex B, with parameter sets at keyframes."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of sound."""

    seq: int
    stamp_ns: int
    """Of its first sample."""
    first_sample: int
    segment: int
    format: str
    """``S16LE``, ``S24LE``, ``S32LE`` or ``F32LE``."""
    sample_rate: int
    channels: int
    frames: int
    data: bytes
    """Interleaved."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be published."""

    due_ns: int
    """When, on the session's time line: its capture stamp, or when it was received. Before the start that was asked for: at once."""
    stream: str
    content: bytes | Packet | Block
    """Of a topic the serialized message."""

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else len(self.content.data)
