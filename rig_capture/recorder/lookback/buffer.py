"""The last seconds of all streams in memory, bounded in time and bytes, so that an event can be saved after it happened.

Video is kept and dropped in whole groups, each from a keyframe on, so what is taken out can always be decoded from its first
packet. Everything here is plain data: no threads, no clock but the messages' own times of reception.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kept:
    """One serialized message."""

    data: bytes
    received_ns: int
    lost_publications: int = 0
    """Missing before it in the publication sequence numbers."""
    lost_dds: int = 0
    """Lost before it, as DDS said."""


@dataclass
class _Group:
    """Messages that stay or go together: a keyframe and what follows it, or a single message."""

    first: int
    """Number of its first message, in the order of arrival over all streams."""
    start_ns: int
    messages: list[tuple[int, Kept]] = field(default_factory=list)
    bytes: int = 0

    def add(self, number: int, message: Kept) -> None:
        self.messages.append((number, message))
        self.bytes += len(message.data)


@dataclass
class _Stream:
    grouped: bool
    latched: bool
    groups: deque[_Group] = field(default_factory=deque)

    def oldest_may_go(self, edge_ns: int) -> bool:
        """Whether everything from `edge_ns` on is there without the oldest group."""
        if not self.groups:
            return False
        if len(self.groups) > 1 and self.groups[1].start_ns <= edge_ns:
            return True
        return not self.grouped and self.groups[0].start_ns < edge_ns and not (self.latched and len(self.groups) == 1)


class LookBack:
    """Holds what was received within the last `keep_s` seconds, and of video also what its first picture needs."""

    def __init__(self, keep_s: float, limit_bytes: int) -> None:
        """Holds nothing yet.

        Args:
            keep_s: seconds before the newest message.
            limit_bytes: most bytes of all messages together; the oldest go first.
        """
        self._keep_ns = int(keep_s * 1e9)
        self._limit = limit_bytes
        self._streams: dict[str, _Stream] = {}
        self._number = 0
        self._newest_ns = 0
        self._hold_ns: int | None = None
        self.bytes = 0
        """Of all messages that are held."""

    @property
    def seconds(self) -> float:
        """From the oldest message held, latched ones aside, to the newest."""
        starts = [stream.groups[0].start_ns for stream in self._streams.values() if stream.groups and not stream.latched]
        return (self._newest_ns - min(starts)) / 1e9 if starts else 0.0

    def add_stream(self, name: str, *, grouped: bool, latched: bool = False) -> None:
        """Makes a stream known.

        Args:
            name: of the stream.
            grouped: its messages are of use only from a keyframe on.
            latched: its last message is a state that holds until the next; it stays however old it is.
        """
        self._streams[name] = _Stream(grouped, latched)

    def put(self, name: str, message: Kept, *, keyframe: bool = True) -> bool:
        """Takes a message; False where it is of no use: it follows no keyframe that is held, or is larger than the limit.

        Args:
            name: of a stream that was added.
            message: later than those before it, or nearly so.
            keyframe: whether it can be decoded without those before it.
        """
        stream = self._streams[name]
        size = len(message.data)
        if size > self._limit:
            # What follows it could not be decoded.
            self._drop_all(stream)
            return False
        if not keyframe and stream.grouped and not stream.groups:
            return False
        self._newest_ns = max(self._newest_ns, message.received_ns)
        if keyframe or not stream.grouped:
            stream.groups.append(_Group(self._number, message.received_ns))
        stream.groups[-1].add(self._number, message)
        self._number += 1
        self.bytes += size
        self._forget(self._edge_ns())
        while self.bytes > self._limit:
            self._drop(min((s for s in self._streams.values() if s.groups), key=lambda s: s.groups[0].first))
        return True

    def hold(self, since_ns: int | None) -> None:
        """Keeps everything from a time on, within the limit of bytes, until it is taken; None: no more than usual."""
        self._hold_ns = since_ns

    def oldest_ns(self, since_ns: int) -> int | None:
        """When the first message that `take` would give was received, latched ones aside; None where there is none."""
        self._forget(since_ns)
        starts = [stream.groups[0].start_ns for stream in self._streams.values() if stream.groups and not stream.latched]
        return min(starts, default=None)

    def take(self, since_ns: int) -> list[tuple[str, Kept]]:
        """Everything received since a time, in order of arrival, with the pictures that the first ones need; empties the buffer.

        A latched message older than that counts as received then.
        """
        self._forget(since_ns)
        found = [
            (number, name, message)
            for name, stream in self._streams.items()
            for group in stream.groups
            for number, message in group.messages
        ]
        found.sort(key=lambda item: item[0])
        taken = [(name, self._not_before(name, message, since_ns)) for _, name, message in found]
        self.clear()
        return taken

    def clear(self) -> None:
        """Forgets everything."""
        for stream in self._streams.values():
            stream.groups.clear()
        self.bytes = 0
        self._hold_ns = None

    def _not_before(self, name: str, message: Kept, since_ns: int) -> Kept:
        if not self._streams[name].latched or message.received_ns >= since_ns:
            return message
        return Kept(message.data, since_ns, message.lost_publications, message.lost_dds)

    def _edge_ns(self) -> int:
        edge_ns = self._newest_ns - self._keep_ns
        return edge_ns if self._hold_ns is None else min(edge_ns, self._hold_ns)

    def _forget(self, edge_ns: int) -> None:
        for stream in self._streams.values():
            while stream.oldest_may_go(edge_ns):
                self._drop(stream)

    def _drop(self, stream: _Stream) -> None:
        self.bytes -= stream.groups.popleft().bytes

    def _drop_all(self, stream: _Stream) -> None:
        while stream.groups:
            self._drop(stream)
