"""One MCAP file in the making (https://mcap.dev/spec).

The libraries' writers copy each message into a chunk of their own before they write it; here a chunk is a list of the messages as
they came, summed (CRC-32) and handed to the kernel from where they are (`bench writer`).
"""

import struct
from collections.abc import Mapping
from pathlib import Path

import lz4.frame
import zstandard
from isal.isal_zlib import crc32
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Header, Metadata, MetadataIndex, Schema

from rig_capture.recorder.bag.direct_file import DirectFile
from rig_capture.recorder.bag.mcap_summary import write_end
from rig_capture.recorder.bag.mcap_walk import CHUNK_HEAD, MAGIC, MESSAGE_HEAD, RECORD_HEAD, McapContents

_CHUNK_BYTES = 768 * 1024
"""As rosbag2; so much stays in a core's own cache between its sum and its copy."""
_SMALL = 16 * 1024
"""Messages smaller than this on average are put together first: handing on each by itself would cost more than copying them."""
_MESSAGE = struct.Struct("<BQHIQQ")
"""A message's record up to its data: opcode, length; channel, sequence, log time, publish time."""
_INDEX_HEAD = struct.Struct("<BQHI")
"""Opcode, length; channel, bytes of the entries."""
_COMPRESSED_BYTES = struct.Struct("<Q")


class McapFile:
    """Writes schemas, channels and messages into chunks, each with its indexes. Used from one thread.

    Every method raises OSError where the file can't be written.
    """

    def __init__(self, path: Path, compression: str, metadata: Mapping[str, str]) -> None:
        """Begins the file.

        Args:
            path: where nothing is yet.
            compression: of the chunks: ``zstd``, ``lz4``, or empty.
            metadata: written at the front, under the name ``rig_capture``.
        """
        self.path = path
        self._file = DirectFile(path)
        self._compression = compression
        self._schema_ids: dict[tuple[str, str], int] = {}
        self._parts: list[bytes] = []
        """Of the open chunk: records, or a message's record in two: its head and its data."""
        self._size = 0
        self._positions: dict[int, list[int]] = {}
        """Of the open chunk, by channel: log time and offset of each message, one after the other."""
        header = Header(profile="ros2", library="rig_capture")
        self.contents = McapContents(header=header)
        """What the file holds so far, without the open chunk."""
        builder = RecordBuilder()
        builder.write(MAGIC)
        header.write(builder)
        start = builder.count
        Metadata(name="rig_capture", metadata=dict(metadata)).write(builder)
        self.contents.metadata.append(MetadataIndex(offset=start, length=builder.count - start, name="rig_capture"))
        self._write(builder)

    def add_channel(self, topic: str, type_name: str, definition: str, metadata: Mapping[str, str]) -> int:
        """Makes a topic of CDR messages known; returns the number of its channel.

        Args:
            topic: its name.
            type_name: such as ``sensor_msgs/msg/Imu``.
            definition: of the type, with all nested ones (encoding ros2msg).
            metadata: of the channel.
        """
        builder = RecordBuilder()
        schema_id = self._schema_ids.get((type_name, definition))
        if schema_id is None:
            schema_id = self._schema_ids[type_name, definition] = len(self._schema_ids) + 1
            schema = Schema(id=schema_id, data=definition.encode(), encoding="ros2msg", name=type_name)
            self.contents.schemas[schema_id] = schema
            schema.write(builder)
        number = len(self.contents.channels) + 1
        channel = Channel(id=number, topic=topic, message_encoding="cdr", metadata=dict(metadata), schema_id=schema_id)
        self.contents.channels[number] = channel
        self.contents.counts[number] = 0
        channel.write(builder)
        record = _bytes(builder)
        self._parts.append(record)
        self._grow(len(record))
        return number

    def write(self, channel: int, data: bytes, log_time_ns: int) -> None:
        """Takes one message, which must not change afterwards; the kernel has it after the next `push` at the latest."""
        self._positions.setdefault(channel, []).extend((log_time_ns, self._size))
        length = MESSAGE_HEAD.size + len(data)
        self._parts += (_MESSAGE.pack(Opcode.MESSAGE, length, channel, 0, log_time_ns, log_time_ns), data)
        self._grow(_MESSAGE.size + len(data))

    def push(self) -> None:
        """Ends the open chunk, and hands everything to the kernel."""
        self._end_chunk()
        self._file.push()

    def sync(self) -> None:
        """Brings what was pushed to the disk."""
        self._file.sync()

    def close(self) -> None:
        """Writes the open chunk, and what ends the file; closes it in any case."""
        try:
            self._end_chunk()
            builder = RecordBuilder()
            for description in self._parts:
                builder.write(description)
            write_end(builder, self._file.position, self.contents)
            self._write(builder)
        finally:
            self._file.close()

    def _end_chunk(self) -> None:
        if not self._positions:
            return  # only descriptions of topics: they wait for the first message
        parts, size, positions = self._parts, self._size, self._positions
        self._parts, self._size, self._positions = [], 0, {}
        if self._compression or size < _SMALL * len(parts):
            parts = [b"".join(parts)]
        crc = 0
        for part in parts:
            crc = crc32(part, crc)
        packed = size
        if self._compression:
            parts = [_pack(self._compression, parts[0])]
            packed = len(parts[0])
        times = [time for flat in positions.values() for time in flat[::2]]
        first, last, name = min(times), max(times), self._compression.encode()
        length = CHUNK_HEAD.size + len(name) + _COMPRESSED_BYTES.size + packed
        head = RECORD_HEAD.pack(Opcode.CHUNK, length) + CHUNK_HEAD.pack(first, last, size, crc, len(name))
        start = self._file.position
        end = start + RECORD_HEAD.size + length
        indexes, offsets = _indexes(positions, end)
        self._file.write(head + name + _COMPRESSED_BYTES.pack(packed), *parts, indexes)
        self._note(ChunkIndex(end - start, start, self._compression, packed, last, len(indexes), offsets, first, size), positions)

    def _grow(self, size: int) -> None:
        """After parts of so many bytes were added."""
        self._size += size
        if self._size >= _CHUNK_BYTES:
            self._end_chunk()

    def _write(self, builder: RecordBuilder) -> None:
        self._file.write(_bytes(builder))

    def _note(self, chunk: ChunkIndex, positions: Mapping[int, list[int]]) -> None:
        contents = self.contents
        contents.chunks.append(chunk)
        for channel, flat in positions.items():
            contents.counts[channel] += len(flat) // 2
        first, last = chunk.message_start_time, chunk.message_end_time
        contents.first_ns = first if contents.first_ns is None else min(first, contents.first_ns)
        contents.last_ns = last if contents.last_ns is None else max(last, contents.last_ns)


def _indexes(positions: Mapping[int, list[int]], offset: int) -> tuple[bytes, dict[int, int]]:
    """The records that index a chunk's messages, and the offset in the file of each channel's, where they begin at an offset."""
    records = []
    offsets = {}
    for channel, flat in positions.items():
        entries = struct.pack(f"<{len(flat)}Q", *flat)
        record = _INDEX_HEAD.pack(Opcode.MESSAGE_INDEX, 6 + len(entries), channel, len(entries)) + entries
        records.append(record)
        offsets[channel] = offset
        offset += len(record)
    return b"".join(records), offsets


def _pack(compression: str, data: bytes) -> bytes:
    return bytes(lz4.frame.compress(data)) if compression == "lz4" else zstandard.ZstdCompressor().compress(data)


def _bytes(builder: RecordBuilder) -> bytes:
    return bytes(builder.end())  # type: ignore[no-untyped-call]
