"""Serialized messages out of a session's bag, a chunk at a time, also of files that were not finished or are damaged."""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, ChunkIndex, McapRecord, Message, Schema
from mcap.stream_reader import breakup_chunk

from rig_capture.recorder.bag.mcap_walk import MAGIC, RECORD_HEAD, walk

_NOT_READ = (McapError, ValueError, struct.error, KeyError, RuntimeError, zstandard.ZstdError)
"""What the libraries raise where bytes are something else."""


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message as it lies in the bag."""

    schema: Schema
    received_ns: int
    data: bytes
    """CDR."""


@dataclass(frozen=True)
class _Contents:
    channels: dict[int, Channel]
    schemas: dict[int, Schema]
    chunks: list[ChunkIndex]
    rest: bytes = b""
    """Records behind the last whole chunk, where the writer was interrupted."""


def bag_files(bag: Path) -> list[Path]:
    """The bag's files in the order in which they were written."""
    return sorted(bag.glob("*.mcap"), key=lambda path: (int((re.findall(r"\d+", path.stem) or ["0"])[-1]), path.name))


def bag_messages(
    path: Path, is_wanted: Callable[[str], bool], start_ns: int | None, stop_ns: int | None, failed: Callable[[object], None]
) -> Iterator[RawMessage]:
    """A file's messages in the order in which they were received; chunks with none that is wanted are not read.

    Args:
        path: the file.
        is_wanted: tells by its absolute name whether a topic is.
        start_ns: chunks that end before it are passed over, by the times of reception.
        stop_ns: as are those that begin at or after it.
        failed: told of what can't be read.
    """
    try:
        contents = _contents(path, failed)
        wanted = {number for number, channel in contents.channels.items() if is_wanted(channel.topic)}
        with path.open("rb") as file:
            for index in contents.chunks:
                late, early = (
                    stop_ns is not None and index.message_start_time >= stop_ns,
                    start_ns is not None and index.message_end_time < start_ns,
                )
                if late or early or wanted.isdisjoint(index.message_index_offsets):
                    continue
                try:
                    records = _records(file, index)
                except _NOT_READ as error:
                    failed(f"{path}: the chunk at byte {index.chunk_start_offset} is damaged: {error}")
                    continue
                yield from _of_channels(records, wanted, contents)
        rest = Chunk("", contents.rest, 0, 0, 0, len(contents.rest))
        yield from _of_channels(breakup_chunk(rest), wanted, contents)
    except OSError as error:
        failed(f"{path}: can't be read: {error}")


def _contents(path: Path, failed: Callable[[object], None]) -> _Contents:
    """By the file's summary, or where it has none by going through all of it. Raises OSError."""
    with suppress(*_NOT_READ):  # told below
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
        if summary is not None and summary.statistics is not None and (summary.chunk_indexes or not summary.statistics.message_count):
            return _Contents(summary.channels, summary.schemas, sorted(summary.chunk_indexes, key=lambda index: index.chunk_start_offset))
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            failed(f"{path}: is no MCAP file, or its beginning is damaged")
    found = walk(path)
    failed(f"{path}: is cut off or was not finished; it is read as far as it goes")
    if found.damaged_chunks:
        failed(f"{path}: {found.damaged_chunks} of its chunks are damaged")
    return _Contents(found.channels, found.schemas, found.chunks, found.rest.data if found.rest is not None else b"")


def _records(file: BinaryIO, index: ChunkIndex) -> list[McapRecord]:
    file.seek(index.chunk_start_offset + RECORD_HEAD.size)
    return breakup_chunk(Chunk.read(ReadDataStream(file)), validate_crc=True)


def _of_channels(records: list[McapRecord], wanted: set[int], contents: _Contents) -> Iterator[RawMessage]:
    for record in records:
        if isinstance(record, Message) and record.channel_id in wanted:
            schema = contents.schemas[contents.channels[record.channel_id].schema_id]
            yield RawMessage(schema, record.log_time, record.data)
