"""Passing a source's own packets on, in the form that video topics carry: parameter sets in band, H.264 and HEVC as Annex B."""

from typing import TYPE_CHECKING, cast

from av import BitStreamFilterContext, Packet
from av.video.stream import VideoStream

from rig_capture.sensing.camera.frame import SourcePacket
from rig_capture.sensing.device import DeviceError

PASSABLE = ("h264", "hevc", "av1", "mjpeg", "ffv1")


if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]
else:  # generic for type checkers only
    VideoPacket = Packet


class PacketPasser:
    """Turns packets of one stream into packets of the video topic, without decoding."""

    def __init__(self, source: str, stream: VideoStream) -> None:
        """Raises DeviceError where this stream can't be passed on; `source` is its name for messages."""
        context = stream.codec_context
        self._codec = context.name.removeprefix("lib").replace("dav1d", "av1")
        self._size = context.width, context.height
        if self._codec not in PASSABLE:
            raise DeviceError(f"{source}: delivers {self._codec}, which can't be passed on as it is; set codec to h264 instead of copy")
        if context.has_b_frames:
            raise DeviceError(f"{source}: has B-frames, which a live stream can't carry; set codec to h264 instead of copy")
        if self._codec == "ffv1" and context.extradata:
            raise DeviceError(f"{source}: is FFV1 with its header apart from the packets; set codec to ffv1 instead of copy")
        self._filters = [BitStreamFilterContext(name, stream) for name in _filters(self._codec, context.extradata)]

    def __call__(self, packet: VideoPacket) -> SourcePacket | None:
        """The packet in the form of the video topic; the given one is left as it is. None where nothing comes of it."""
        copies = [_copy(packet)]
        for bitstream_filter in self._filters:
            copies = [filtered for copy in copies for filtered in bitstream_filter.filter(copy)]
        data = b"".join(bytes(copy) for copy in copies)
        keyframe = packet.is_keyframe or self._codec == "mjpeg"
        return SourcePacket(self._codec, data, keyframe, *self._size) if data else None


def _filters(codec: str, extradata: bytes | None) -> list[str]:
    if codec not in ("h264", "hevc") or not extradata:
        return []
    if extradata.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):
        return ["dump_extra"]  # already Annex B, with parameter sets apart, as RTSP's description gives them
    return [f"{codec}_mp4toannexb"]


def bare_packet(data: bytes) -> VideoPacket:
    """A packet of video that belongs to no stream."""
    return cast("VideoPacket", Packet(data))


def _copy(packet: VideoPacket) -> VideoPacket:
    copy = bare_packet(bytes(packet))
    copy.pts, copy.dts, copy.duration, copy.is_keyframe = packet.pts, packet.dts, packet.duration, packet.is_keyframe
    copy.time_base = packet.time_base
    return copy
