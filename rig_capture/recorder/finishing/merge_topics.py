"""Messages of a bag as lines of JSON, for the subtitle tracks of a merged recording."""

import heapq
import json
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

from rig_capture.session.manifest import Manifest

_LONGEST = 256
"""Elements of an array or bytes of a text that are written out; of longer ones only the length is told."""
_LATE_NS = 1_000_000_000
"""A header's stamp within this time of the reception counts as the message's time; order is restored within it."""


def chosen_topics(manifest: Manifest, patterns: tuple[str, ...]) -> list[str]:
    """Names of the topic streams with messages that fit a name or pattern, in order."""
    names = (name for name, stream in manifest.streams.items() if stream.kind == "topic" and stream.messages)
    return sorted(name for name in names if any(fnmatchcase(name, pattern.strip("/")) for pattern in patterns))


def json_lines(bag: Path, names: list[str]) -> Iterator[tuple[int, str, bytes]]:
    """Messages of some topics, in the order of their times.

    Args:
        bag: its folder.
        names: of streams, as in the manifest.

    Yields:
        Time (ns since the epoch: of the header, or else of the reception), stream, the message as one line of JSON.

    Raises:
        AnyReaderError: the bag can't be read.
    """
    waiting: list[tuple[int, int, str, bytes]] = []
    with AnyReader([bag], default_typestore=get_typestore(Stores.EMPTY)) as reader:
        streams = {c.topic: name for c in reader.connections if (name := _stream_of(c, names)) is not None}
        chosen = [connection for connection in reader.connections if connection.topic in streams]
        for count, (connection, received_ns, data) in enumerate(reader.messages(chosen)):
            message = reader.deserialize(data, connection.msgtype)
            line = json.dumps(_plain(message), separators=(",", ":"), ensure_ascii=False).encode()
            heapq.heappush(waiting, (_time_of(message, received_ns), count, streams[connection.topic], line))
            while waiting[0][0] <= received_ns - _LATE_NS:
                yield _entry(heapq.heappop(waiting))
        while waiting:
            yield _entry(heapq.heappop(waiting))


def _entry(item: tuple[int, int, str, bytes]) -> tuple[int, str, bytes]:
    time_ns, _, name, line = item
    return time_ns, name, line


def _stream_of(connection: Connection, names: list[str]) -> str | None:
    topic = connection.topic.strip("/")
    # The longest: imu/data_raw is the end of left/imu/data_raw too.
    return max((name for name in names if topic == name or topic.endswith("/" + name)), key=len, default=None)


def _time_of(message: object, received_ns: int) -> int:
    stamp = getattr(getattr(message, "header", None), "stamp", None)
    if stamp is None:
        return received_ns
    stamp_ns = int(stamp.sec) * 10**9 + int(stamp.nanosec)
    return stamp_ns if abs(stamp_ns - received_ns) < _LATE_NS else received_ns


def _plain(value: object) -> object:
    """What JSON can hold; what is too long is replaced by its length."""
    if is_dataclass(value):
        names = (field.name for field in fields(value) if not field.name.startswith("__"))
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, np.ndarray | list | tuple):
        if len(value) > _LONGEST:
            return {"length": len(value)}
        return [_plain(item) for item in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no NaN
    return value.item() if isinstance(value, np.generic) else value
