"""The packets of a stream of video, as its topic carried them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import av
from av import BitStreamFilterContext, VideoStream

from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.files import Part, opened, pts_ns, seek
from rig_capture.playback.frames import FrameTable
from rig_capture.playback.items import Item, Packet

_START_CODES = (b"\x00\x00\x01", b"\x00\x00\x00\x01")


def video_items(name: str, parts: Sequence[Part], table: FrameTable, start_ns: int) -> Iterator[Item]:
    """Packets from the last keyframe at or before a stamp on.

    Args:
        name: of the stream.
        parts: its files.
        table: its frames; one that nothing was taken from.
        start_ns: the stamp.

    Raises:
        PlaybackError: a file can't be read.
    """
    last_seq = -1
    for part in _from(parts, start_ns):
        table.enter(part.first_ns)
        try:
            with opened(part.path) as container:
                seek(container, part, start_ns)
                track = container.streams[part.track]
                assert isinstance(track, VideoStream)
                form = PacketForm(track)
                for packet in container.demux(track):
                    if packet.pts is None:
                        continue
                    about_ns = part.zero_ns + pts_ns(packet)
                    keyframe, data = packet.is_keyframe, form.data(packet)
                    # A packet that the table lacks, as after a crash: the file knows when it was, and no more.
                    last_seq, stamp_ns, time_ns, _ = table.take(about_ns) or (last_seq + 1, about_ns, about_ns - parts[0].first_ns, False)
                    content = Packet(last_seq, stamp_ns, time_ns, keyframe, form.codec, *form.size, data)
                    yield Item(stamp_ns, name, content)
        except (OSError, ValueError, av.FFmpegError) as error:
            raise PlaybackError(f"{part.path}: can't be read: {error}; `rig verify` tells what is wrong with the session") from error


def _from(parts: Sequence[Part], start_ns: int) -> Sequence[Part]:
    """The parts without those that end before a stamp."""
    over = sum(1 for _, after in pairwise(parts) if after.first_ns <= start_ns)
    return parts[over:]


class PacketForm:
    """Packets as a file holds them to packets as topics carry them."""

    def __init__(self, track: VideoStream) -> None:
        context = track.codec_context
        self.codec = str(context.name).removeprefix("lib").replace("dav1d", "av1")
        self.size = (int(context.width), int(context.height))
        extra = bytes(context.extradata or b"")
        self._boxed = self.codec in ("h264", "hevc") and bool(extra) and not extra.startswith(_START_CODES)
        self._filter = BitStreamFilterContext(f"{self.codec}_mp4toannexb", track) if self._boxed else None

    def data(self, packet: "av.Packet[VideoStream]") -> bytes:
        """The packet's bytes; of H.264 and HEVC as Annex B. Raises ValueError, av.FFmpegError."""
        data = bytes(packet)
        if self._filter is None:
            return data
        units = _units(data)
        if not packet.is_keyframe or any(self._is_sequence(unit) for unit in units):
            return b"".join(_START_CODES[1] + unit for unit in units)
        # The filter puts parameter sets before keyframes, of HEVC also where they are in band, as ours are.
        return b"".join(bytes(each) for each in self._filter.filter(packet))

    def _is_sequence(self, unit: bytes) -> bool:
        """Whether a NAL unit is a sequence parameter set (H.264 table 7-1, H.265 table 7-1)."""
        return unit[0] & 0x1F == 7 if self.codec == "h264" else unit[0] >> 1 & 0x3F == 33


def _units(data: bytes) -> list[bytes]:
    """NAL units, each behind its length in four bytes, as FFmpeg writes them. Raises ValueError."""
    units, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if not 0 < size <= len(data) - at - 4:
            raise ValueError(f"a packet of {len(data)} bytes is cut off or not what it should be")
        units.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return units
