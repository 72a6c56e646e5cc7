"""The messages of a session's bag, serialized as they were received, in the order of their stamps."""

import heapq
import struct
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection, ConnectionExtRosbag2, Nodetype, Qos, QosDurability
from rosbags.typesys import Stores, get_typestore

from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.items import Item

_LATE_NS = 1_000_000_000
"""A header's stamp within this time of the reception is the message's time; order is restored within it."""
_HEADER = "std_msgs/msg/Header"
_STAMP = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}
"""Seconds and nanoseconds behind the four bytes that tell the byte order."""


class Bag:
    """A bag to be read, once or several times."""

    def __init__(self, folder: Path) -> None:
        """Opens the bag. Raises PlaybackError."""
        self._folder = folder
        self._reader = AnyReader([folder], default_typestore=get_typestore(Stores.EMPTY))
        try:
            self._reader.open()
        except (AnyReaderError, OSError, ValueError) as error:
            raise PlaybackError(f"{folder}: can't be read: {error}; `rig repair` mends sessions that were interrupted") from error

    def close(self) -> None:
        """Closes its files."""
        self._reader.close()

    @property
    def topics(self) -> dict[str, tuple[str, tuple[Qos, ...]]]:
        """Type, and QoS of all who published it, of each topic with a message."""
        found: dict[str, tuple[str, tuple[Qos, ...]]] = {}
        for connection in self._reader.connections:
            if connection.msgcount:
                _, before = found.get(connection.topic, ("", ()))
                found[connection.topic] = (connection.msgtype, (*before, *_qos(connection)))
        return found

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """When its first and last message were received; None where it has none."""
        return (self._reader.start_time, self._reader.end_time) if self._reader.message_count else None

    def items(self, streams: Mapping[str, str], start_ns: int) -> Iterator[Item]:
        """Messages from a stamp on; before them the last ones of topics that who comes late is told too (transient local).

        Args:
            streams: names of the streams by absolute topic; others are left out.
            start_ns: the stamp.

        Raises:
            PlaybackError: the bag can't be read.
        """
        chosen = [connection for connection in self._reader.connections if connection.topic in streams]
        if not chosen:
            return
        try:
            yield from self._latched(chosen, streams, start_ns)
            yield from self._in_order(chosen, streams, start_ns)
        except (AnyReaderError, OSError, ValueError) as error:
            raise PlaybackError(f"{self._folder}: can't be read: {error}; `rig verify` tells what is wrong with the session") from error

    def _latched(self, chosen: list[Connection], streams: Mapping[str, str], start_ns: int) -> Iterator[Item]:
        kept = [each for each in chosen if any(qos.durability is QosDurability.TRANSIENT_LOCAL for qos in _qos(each))]
        depths = {each.topic: max((qos.depth for qos in _qos(each)), default=1) or 1 for each in kept}
        last: dict[str, deque[bytes]] = {topic: deque(maxlen=depth) for topic, depth in depths.items()}
        if kept and start_ns > self._reader.start_time:
            for connection, received_ns, data in self._reader.messages(kept, stop=start_ns):
                if self._time(connection, received_ns, data) < start_ns:
                    last[connection.topic].append(bytes(data))
        for topic, messages in last.items():
            yield from (Item(start_ns, streams[topic], data) for data in messages)

    def _in_order(self, chosen: list[Connection], streams: Mapping[str, str], start_ns: int) -> Iterator[Item]:
        waiting: list[tuple[int, int, Item]] = []
        for count, (connection, received_ns, data) in enumerate(self._reader.messages(chosen, start=start_ns)):
            time_ns = self._time(connection, received_ns, data)
            if time_ns >= start_ns:
                heapq.heappush(waiting, (time_ns, count, Item(time_ns, streams[connection.topic], bytes(data))))
            while waiting and waiting[0][0] <= received_ns - _LATE_NS:
                yield heapq.heappop(waiting)[2]
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _time(self, connection: Connection, received_ns: int, data: bytes | memoryview) -> int:
        if not self._has_header(connection.msgtype) or len(data) < 12:
            return received_ns
        seconds, nanoseconds = _STAMP[data[1] & 1].unpack_from(data, 4)
        stamp_ns = int(seconds) * 10**9 + int(nanoseconds)
        return stamp_ns if abs(stamp_ns - received_ns) < _LATE_NS else received_ns

    def _has_header(self, msgtype: str) -> bool:
        fields = self._reader.typestore.fielddefs[msgtype][1]
        return bool(fields) and fields[0][1] == (Nodetype.NAME, _HEADER)


def _qos(connection: Connection) -> tuple[Qos, ...]:
    extra = connection.ext
    return tuple(extra.offered_qos_profiles) if isinstance(extra, ConnectionExtRosbag2) else ()
