"""Decoding on demand: packets are kept, and decoded only where somebody asks for a picture.

A camera that nobody watches costs the reading of its packets. When a picture is wanted, the packets since the last keyframe
are decoded, so that a subscriber need not wait for the source's next keyframe.
"""

import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterator

import av
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext

from rig_capture.sensing.camera.passing import VideoPacket

log = logging.getLogger(__name__)

_MOST_PENDING = 600
"""Packets kept undecoded; a source with rarer keyframes is decoded now and then, that memory stays bounded."""
_MOST_REORDERED = 16
"""The most frames that H.264 and HEVC allow to be held back for reordering."""


class LazyDecoder:
    """Packets in, in decoding order; pictures out, asked for in presentation order."""

    def __init__(self, context: VideoCodecContext, more: Callable[[], bool] = lambda: False) -> None:
        """Owns the context from here on.

        Args:
            context: a decoder.
            more: pushes at least one more packet; False where there are none, ever.
        """
        self._context = context
        self._more = more
        self._pending: deque[VideoPacket] = deque()
        self._ready: deque[VideoFrame] = deque()
        self._drained = False
        self.errors = 0
        """Packets that could not be decoded."""

    def push(self, packet: VideoPacket) -> None:
        """Takes a packet, in decoding order, with its time in ``pts``."""
        self._pending.append(packet)
        if len(self._pending) > _MOST_PENDING:
            self._decode_next()
            while len(self._ready) > _MOST_REORDERED:
                self._ready.popleft()

    def forget_before(self, pts: int) -> None:
        """No frame before this time will be asked for: drops packets that frames from here on don't need."""
        if len(self._pending) < 2:
            return
        keys = [index for index, packet in enumerate(self._pending) if packet.is_keyframe and packet.pts is not None and packet.pts <= pts]
        if keys and keys[-1] > 0:
            for _ in range(keys[-1]):
                self._pending.popleft()
            self._context.flush_buffers()
            self._ready.clear()

    def picture(self, pts: int) -> VideoFrame | None:
        """The frame of that time; None where it can't be decoded."""
        while True:
            while self._ready:
                frame = self._ready[0]
                if frame.pts is not None and frame.pts > pts:
                    return None
                self._ready.popleft()
                if frame.pts is None or frame.pts == pts:
                    return frame
            if not self._advance():
                return None

    def _advance(self) -> bool:
        if not self._pending and not self._more():
            if self._drained:
                return False
            self._drained = True
            self._ready.extend(self._decoded(None))
            return True
        self._decode_next()
        return True

    def _decode_next(self) -> None:
        if self._pending:
            self._ready.extend(self._decoded(self._pending.popleft()))

    def _decoded(self, packet: VideoPacket | None) -> list[VideoFrame]:
        try:
            return self._context.decode(packet)
        except av.FFmpegError as error:
            # Networks lose packets and cameras send garbage at times; decoders recover at the next keyframe.
            self.errors += 1
            log.debug("packet not decoded: %s", error)
            return []


class PresentationOrder:
    """Brings the times of packets, which come in decoding order, into presentation order."""

    def __init__(self, packets: Iterator[VideoPacket]) -> None:
        """Takes packets of one stream from an iterator, as few ahead as needed."""
        self._packets = packets
        self._waiting: list[int] = []
        self._last_dts: int | None = None
        self._released: int | None = None
        self.ended = False

    def read(self) -> VideoPacket | None:
        """The next packet in decoding order, with its times set; None at the end."""
        packet = next(self._packets, None)
        if packet is None:
            self.ended = True
            return None
        if packet.dts is None:
            packet.dts = packet.pts if packet.pts is not None else (self._last_dts or 0) + max(1, packet.duration or 0)
        if packet.pts is None:  # a bare elementary stream: taken as one without reordering
            packet.pts = packet.dts
        self._last_dts = packet.dts
        heapq.heappush(self._waiting, packet.pts)
        return packet

    def next(self) -> int | None:
        """The time of the next frame to present; None where more packets must be read first, or at the end."""
        while self._waiting:
            certain = (
                self.ended or len(self._waiting) > _MOST_REORDERED or (self._last_dts is not None and self._waiting[0] <= self._last_dts)
            )
            if not certain:
                return None
            pts = heapq.heappop(self._waiting)
            if self._released is None or pts > self._released:
                self._released = pts
                return pts
        return None
