"""Video packets and audio chunks out of serialized messages, without copying their data."""

from dataclasses import dataclass
from typing import Any, Protocol

from rig_capture.recorder.bag.definitions import Definitions

VIDEO_PACKET = "rig_capture_msgs/msg/VideoPacket"
AUDIO_CHUNK = "rig_capture_msgs/msg/AudioChunk"

PCM_CODECS = {"S16LE": "pcm_s16le", "S24LE": "pcm_s24le", "S32LE": "pcm_s32le", "F32LE": "pcm_f32le"}


@dataclass(frozen=True)
class VideoFormat:
    """What must stay the same within one Matroska file."""

    codec: str
    width: int
    height: int
    segment: int = 0
    """Raised where another encoder takes over."""


@dataclass(frozen=True)
class AudioFormat:
    """What must stay the same within one Matroska file; a new segment is a new file, since its clock starts anew."""

    codec: str
    sample_rate: int
    channels: int
    segment: int


@dataclass(frozen=True)
class Sample:
    """One video packet or audio chunk."""

    seq: int
    stamp_ns: int
    pts_ns: int
    keyframe: bool
    format: VideoFormat | AudioFormat
    data: Any
    """The bytes, as a uint8 array that views the message."""


class SampleReader(Protocol):
    """Makes a sample of a serialized message."""

    def __call__(self, message: bytes) -> Sample:
        """Raises where the bytes are no such message."""


def video_reader(definitions: Definitions) -> SampleReader:
    """A reader of VideoPacket."""
    definitions.need(VIDEO_PACKET)

    def read(message: bytes) -> Sample:
        packet: Any = definitions.store.deserialize_cdr(message, VIDEO_PACKET)
        stamp = packet.header.stamp
        form = VideoFormat(packet.codec, packet.width, packet.height)
        return Sample(packet.seq, stamp.sec * 10**9 + stamp.nanosec, packet.pts_ns, packet.keyframe, form, packet.data)

    return read


def audio_reader(definitions: Definitions) -> SampleReader:
    """A reader of AudioChunk."""
    definitions.need(AUDIO_CHUNK)

    def read(message: bytes) -> Sample:
        chunk: Any = definitions.store.deserialize_cdr(message, AUDIO_CHUNK)
        stamp = chunk.header.stamp
        form = AudioFormat(PCM_CODECS[chunk.format], chunk.sample_rate, chunk.channels, chunk.segment)
        pts_ns = chunk.first_sample * 10**9 // chunk.sample_rate
        return Sample(chunk.seq, stamp.sec * 10**9 + stamp.nanosec, pts_ns, True, form, chunk.data)

    return read
