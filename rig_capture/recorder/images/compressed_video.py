"""foxglove_msgs/CompressedVideo: packets that somebody else encoded, to be copied."""

import io
from typing import Any

import av

from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.images.reading import COMPRESSED_VIDEO, Unencodable
from rig_capture.recorder.tracks.samples import Sample, SampleReader, VideoFormat

# By the message's definition: Annex B for H.264 and H.265, the low overhead format for AV1.
_CODECS = {"h264": "h264", "h265": "hevc", "av1": "av1"}
_DEMUXERS = {"h264": "h264", "hevc": "hevc", "av1": "obu"}


def compressed_video_reader(definitions: Definitions) -> SampleReader:
    """A reader of packets, which raises Unencodable for codecs that can't be copied. Raises UnknownType."""
    definitions.need(COMPRESSED_VIDEO)
    number = -1
    form = VideoFormat("", 0, 0)

    def read(message: bytes) -> Sample:
        nonlocal number, form
        packet: Any = definitions.store.deserialize_cdr(message, COMPRESSED_VIDEO)
        codec = _CODECS.get(packet.format)
        if codec is None:
            raise Unencodable(f"video of format {packet.format!r} can't be copied")
        keyframe = is_keyframe(codec, bytes(packet.data))
        if keyframe:
            form = VideoFormat(codec, *_size(codec, bytes(packet.data)))
        number += 1
        stamp_ns = packet.timestamp.sec * 10**9 + packet.timestamp.nanosec
        return Sample(number, stamp_ns, stamp_ns, keyframe, form, packet.data)

    return read


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether a packet can be decoded without those before it, parameters included."""
    if codec == "av1":  # a sequence header comes with each (AV1, 7.5); obu_type is in bits 3 to 6 (5.3.2)
        return 1 in _obu_types(data)
    kinds = {data[position] for position in _nal_units(data)}
    if codec == "h264":  # ITU-T H.264, table 7-1: parameter set, IDR slice
        return {7, 5} <= {kind & 0x1F for kind in kinds}
    types = {kind >> 1 & 0x3F for kind in kinds}  # ITU-T H.265, table 7-1: parameter set, IRAP slices
    return 33 in types and any(16 <= kind <= 21 for kind in types)


def _nal_units(data: bytes) -> list[int]:
    """Positions of the first byte of each NAL unit (Annex B)."""
    found, position = [], data.find(b"\0\0\1")
    while 0 <= position < len(data) - 3:
        found.append(position + 3)
        position = data.find(b"\0\0\1", position + 3)
    return found


def _obu_types(data: bytes) -> list[int]:
    """Types of the OBUs of a temporal unit, each with its size (AV1, 5.3 and 4.10.5)."""
    types, position = [], 0
    while position < len(data):
        header = data[position]
        types.append(header >> 3 & 0xF)
        position += 2 if header & 4 else 1
        if not header & 2:  # without a size it is the last one
            break
        size = shift = 0
        while position < len(data):
            byte = data[position]
            size |= (byte & 0x7F) << shift
            shift, position = shift + 7, position + 1
            if not byte & 0x80:
                break
        position += size
    return types


def _size(codec: str, data: bytes) -> tuple[int, int]:
    """Width and height, pixels. Raises Unencodable where the packet's parameters can't be read."""
    try:
        with av.open(io.BytesIO(data), format=_DEMUXERS[codec]) as container:
            video = container.streams.video[0]
            return video.width, video.height
    except (av.FFmpegError, IndexError) as error:
        raise Unencodable(f"no packet of {codec}: {error}") from error
