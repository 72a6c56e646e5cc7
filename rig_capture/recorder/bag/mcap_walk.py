"""What an MCAP file holds, also one that its writer did not finish: a walk over its records from the front.

The mcap library's readers want a finished file, or stop before the open chunk. Of that chunk everything is taken whose bytes
are there: a writer that streams leaves a placeholder for its length, and its data may end in the middle of a record.
Format: https://mcap.dev/spec.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Header, Metadata, MetadataIndex, Schema

MAGIC = b"\x89MCAP0\r\n"
RECORD_HEAD = struct.Struct("<BQ")
"""Opcode and length, before each record."""

CHUNK_HEAD = struct.Struct("<QQQII")
"""Start, end, uncompressed size, CRC, length of the compression's name."""
MESSAGE_HEAD = struct.Struct("<HIQQ")
"""Channel, sequence, log time, publish time."""
_FOOTER_BYTES = RECORD_HEAD.size + 20
_LARGEST_NAME = 32
_NOT_A_RECORD = (struct.error, ValueError, EndOfFile)
"""What reading a record's fields raises where its bytes are something else."""
_NOT_PACKED = (*_NOT_A_RECORD, zstandard.ZstdError, RuntimeError)


@dataclass(frozen=True)
class BagMessage:
    """One message as it lies in the file."""

    channel: Channel
    schema: Schema | None
    log_time_ns: int
    data: memoryview


OnMessage = Callable[[BagMessage], None]
"""Told of each message, in the order of the file; its data is only good during the call."""


@dataclass
class Records:
    """Whole records out of a chunk, and where its messages are."""

    data: bytes
    """Schemas, channels, messages; ends with the last whole record."""
    positions: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Per channel: log time and offset in `data` of each message."""


@dataclass
class McapContents:
    """What a walk found."""

    header: Header | None = None
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    metadata: list[MetadataIndex] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    """Messages per channel, those of `rest` included."""
    first_ns: int | None = None
    last_ns: int | None = None
    end: int = 0
    """Up to here everything is whole, with its indexes; what follows is `rest`, the old summary, or torn."""
    rest: Records | None = None
    """Messages behind `end`."""
    finished: bool = False
    """It has its footer: nothing is to be done."""
    damaged_chunks: int = 0
    """Whole by their length, but they can't be unpacked; not in `chunks`."""


def walk(path: Path, on_message: OnMessage = lambda message: None) -> McapContents:
    """Reads a file from the front as far as it makes sense.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        walker = _Walk(file, size, on_message)
        walker.found.finished = _has_footer(file, size)
        file.seek(0)
        if file.read(len(MAGIC)) == MAGIC:
            walker.run(len(MAGIC))
        return walker.found


def _has_footer(file: BinaryIO, size: int) -> bool:
    if size < 2 * len(MAGIC) + _FOOTER_BYTES:
        return False
    file.seek(size - len(MAGIC) - _FOOTER_BYTES)
    end = file.read()
    return end[0] == Opcode.FOOTER and end.endswith(MAGIC)


@dataclass
class _OpenChunk:
    """A chunk of which the message indexes are still being read."""

    index: ChunkIndex
    records: Records


class _Walk:
    def __init__(self, file: BinaryIO, size: int, on_message: OnMessage) -> None:
        self.found = McapContents()
        self._file = file
        self._size = size
        self._on_message = on_message
        self._chunk: _OpenChunk | None = None

    def run(self, position: int) -> None:
        while (head := self._file.read(RECORD_HEAD.size)) and len(head) == RECORD_HEAD.size:
            opcode, length = RECORD_HEAD.unpack(head)
            # The length of an open chunk is a placeholder: all bits set, or 0.
            whole = position + RECORD_HEAD.size + length <= self._size and (opcode != Opcode.CHUNK or length > 0)
            if opcode == Opcode.CHUNK and not whole:
                self._settle(next_is_whole=True)
                self._torn_chunk()
            if opcode == Opcode.DATA_END and whole:
                self._settle(next_is_whole=True)
            if opcode in (0, Opcode.DATA_END, Opcode.FOOTER) or not whole:
                break
            try:
                self._record(opcode, position, length)
            except _NOT_A_RECORD:
                break
            position += RECORD_HEAD.size + length
        self._settle(next_is_whole=False)

    def _record(self, opcode: int, position: int, length: int) -> None:
        """One whole record; leaves the file behind it."""
        end = position + RECORD_HEAD.size + length
        if opcode == Opcode.MESSAGE_INDEX and self._chunk is not None:
            (channel,) = struct.unpack("<H", self._file.read(2))
            self._chunk.index.message_index_offsets[channel] = position
            self._chunk.index.message_index_length += RECORD_HEAD.size + length
            self._file.seek(end)
            return
        self._settle(next_is_whole=True)
        if opcode == Opcode.CHUNK:
            self._whole_chunk(position, length)
        elif opcode in (Opcode.HEADER, Opcode.METADATA, Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE):
            self._plain(opcode, position, self._file.read(length))
        self._file.seek(end)
        if self._chunk is None:
            self.found.end = end

    def _plain(self, opcode: int, position: int, body: bytes) -> None:
        if opcode == Opcode.HEADER:
            self.found.header = Header.read(ReadDataStream(io.BytesIO(body)))
        elif opcode == Opcode.METADATA:
            name = Metadata.read(ReadDataStream(io.BytesIO(body))).name
            self.found.metadata.append(MetadataIndex(offset=position, length=RECORD_HEAD.size + len(body), name=name))
        else:
            self._take(RECORD_HEAD.pack(opcode, len(body)) + body)

    def _whole_chunk(self, position: int, length: int) -> None:
        body = self._file.read(length)
        try:
            start, end, size, _, compression, packed = _parts(body)
            data = _unpack(compression, packed)
        except _NOT_PACKED:
            self.found.damaged_chunks += 1
            return
        index = ChunkIndex(RECORD_HEAD.size + length, position, compression, len(packed), end, 0, {}, start, size)
        self._chunk = _OpenChunk(index, self._take(data))

    def _torn_chunk(self) -> None:
        """The chunk that was open when the writer died; the file stands behind its length."""
        body = self._file.read()
        try:
            *_, compression, packed = _parts(body)
            data = _unpack(compression, packed)
        except _NOT_PACKED:
            return
        self.found.rest = self._take(_without_zeros(data))

    def _settle(self, *, next_is_whole: bool) -> None:
        """Decides on the chunk before: whole with all its indexes, or to be written anew."""
        chunk, self._chunk = self._chunk, None
        if chunk is None:
            return
        if not next_is_whole and set(chunk.index.message_index_offsets) != set(chunk.records.positions):
            self.found.rest = chunk.records
            return
        self.found.chunks.append(chunk.index)
        self.found.end = chunk.index.chunk_start_offset + chunk.index.chunk_length + chunk.index.message_index_length

    def _take(self, data: bytes) -> Records:
        """Takes note of all whole records in a chunk's data."""
        positions: dict[int, list[tuple[int, int]]] = {}
        view = memoryview(data)
        end = 0
        for opcode, position, body in _records(view):
            if opcode != Opcode.MESSAGE:
                try:
                    self._describe(opcode, body)
                except _NOT_A_RECORD:
                    break
            else:
                number, _, log_time, _ = MESSAGE_HEAD.unpack_from(body)
                if number not in self.found.channels:
                    break
                positions.setdefault(number, []).append((log_time, position))
                self._count(number, log_time, body[MESSAGE_HEAD.size :])
            end = position + RECORD_HEAD.size + len(body)
        return Records(data[:end], positions)

    def _describe(self, opcode: int, body: memoryview) -> None:
        fields = ReadDataStream(io.BytesIO(body))
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(fields)
            self.found.schemas[schema.id] = schema
        else:
            channel = Channel.read(fields)
            self.found.channels[channel.id] = channel

    def _count(self, number: int, log_time: int, data: memoryview) -> None:
        found = self.found
        found.counts[number] = found.counts.get(number, 0) + 1
        found.first_ns = log_time if found.first_ns is None else min(found.first_ns, log_time)
        found.last_ns = log_time if found.last_ns is None else max(found.last_ns, log_time)
        channel = found.channels[number]
        self._on_message(BagMessage(channel, found.schemas.get(channel.schema_id), log_time, data))


def _parts(body: bytes) -> tuple[int, int, int, int, str, bytes]:
    """Fields of a chunk record; its data ends where its length or the file ends. Raises struct.error, ValueError."""
    start, end, size, crc, name_bytes = CHUNK_HEAD.unpack_from(body)
    if name_bytes > _LARGEST_NAME:
        raise ValueError(f"{name_bytes} bytes are no name of a compression")
    position = CHUNK_HEAD.size + name_bytes
    compression = body[CHUNK_HEAD.size : position].decode()
    (length,) = struct.unpack_from("<Q", body, position)
    data = body[position + 8 :]
    # Of an open chunk this length, too, is a placeholder.
    return start, end, size, crc, compression, data[:length] if 0 < length < len(data) else data


def _unpack(compression: str, packed: bytes) -> bytes:
    """Data of a chunk, of a torn one as far as it goes. Raises ValueError, ZstdError, RuntimeError."""
    if compression == "":
        return packed
    if compression == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    if compression == "lz4":
        return bytes(lz4.frame.LZ4FrameDecompressor().decompress(packed))
    raise ValueError(f"compression {compression!r} is not known")


def _without_zeros(data: bytes) -> bytes:
    """Without what a power cut leaves of bytes that were not on the disk yet: zeros, also those in the last record."""
    end = 0
    for _, position, body in _records(memoryview(data)):
        end = position + RECORD_HEAD.size + len(body)
    return data[:end].rstrip(b"\0") if data[end:].count(0) == len(data) - end > 0 else data


def _records(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Opcode, position and body of each whole record."""
    position = 0
    while position + RECORD_HEAD.size <= len(data):
        opcode, length = RECORD_HEAD.unpack_from(data, position)
        end = position + RECORD_HEAD.size + length
        known = opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE)
        if not known or end > len(data) or (opcode == Opcode.MESSAGE and length < MESSAGE_HEAD.size):
            return
        yield opcode, position, data[position + RECORD_HEAD.size : end]
        position = end


def chunk_crc(records: Records) -> int:
    """The CRC that goes into a chunk's head."""
    return zlib.crc32(records.data)
