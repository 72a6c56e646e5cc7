"""A bag whose recorder died: unfinished MCAP files get their end, and the bag its metadata.yaml.

A file is finished where it lies: what is whole stays as it is, byte for byte; the messages of the open chunk and the summary are
written behind it. The bytes that are replaced are kept in an undo file until the new ones are on the disk, so that a crash in
between only means that it is done again.
"""

import dataclasses
import os
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mcap.data_stream import RecordBuilder
from mcap.records import Channel, Chunk, ChunkIndex, Header, MessageIndex

from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.mcap_summary import write_end
from rig_capture.recorder.bag.mcap_walk import MAGIC, McapContents, OnMessage, Records, chunk_crc, walk
from rig_capture.recorder.bag.metadata import METADATA, BagFile, write_metadata
from rig_capture.recorder.files import FinishedFile
from rig_capture.session.atomic import sync_folder

_OFFSET = struct.Struct("<Q")
_MOST_TORN = 64 * 2**20
"""Bytes behind the last message that can be read: what a crash leaves is at most a part of one message. More is damage of another
kind, and is kept in a file of its own: 8 bytes of the place where it was, then the bytes."""


@dataclass(frozen=True)
class MendedFile:
    """A file of the session after its repair."""

    file: FinishedFile
    changed: bool
    """Its bytes are not those of before."""


def repair_bag(folder: Path, *, recording_id: str, ros_distro: str, on_message: OnMessage) -> list[MendedFile]:
    """Finishes what is unfinished in a bag.

    Args:
        folder: of the bag.
        recording_id: for metadata.yaml, where it is written anew.
        ros_distro: the same.
        on_message: told of every message of the bag.

    Returns:
        All its files.

    Raises:
        OSError: a file can't be read or written; whatever was there still is.
    """
    mended: list[MendedFile] = []
    contents: list[tuple[BagFile, McapContents]] = []
    for path in sorted(folder.glob("*.mcap"), key=_number):
        found, changed = finish_mcap(path, on_message)
        bag_file = BagFile(path.name, found.first_ns, found.last_ns, sum(found.counts.values()))
        contents.append((bag_file, found))
        mended.append(MendedFile(FinishedFile(path, "bag", first_ns=found.first_ns, last_ns=found.last_ns), changed))
    metadata = folder / METADATA
    changed = any(file.changed for file in mended)
    if contents and (changed or not _names_all(metadata, [file.name for file, _ in contents])):
        compression = next((chunk.compression for _, found in contents for chunk in found.chunks), "")
        write_metadata(
            folder,
            [file for file, _ in contents],
            _topics([found for _, found in contents]),
            ros_distro=ros_distro,
            compression=compression,
            custom={"recording_id": recording_id},
        )
        changed = True
    if metadata.is_file():
        mended.append(MendedFile(FinishedFile(metadata, "bag_metadata"), changed))
    return mended


def finish_mcap(path: Path, on_message: OnMessage = lambda message: None) -> tuple[McapContents, bool]:
    """Gives a file that was not finished its end; one that was is left alone.

    Returns:
        What it holds, and whether it was changed.

    Raises:
        OSError: it can't be read or written; whatever was there still is.
    """
    _undo(path)
    found = walk(path, on_message)
    if found.finished:
        return found, False
    end = found.end if found.header else 0
    recovered = len(found.rest.data) if found.rest else 0
    keep = path.stat().st_size - end - recovered > _MOST_TORN
    _replace_tail(path, end, _ending(found), keep=keep)
    return found, True


def _number(path: Path) -> tuple[int, str]:
    digits = path.stem.rpartition("_")[2]
    return int(digits) if digits.isdigit() else -1, path.name


def _names_all(metadata: Path, names: Sequence[str]) -> bool:
    """Whether metadata.yaml is there and lists these files."""
    try:
        information: Any = yaml.safe_load(metadata.read_bytes())["rosbag2_bagfile_information"]
        return list(information["relative_file_paths"]) == list(names)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return False


def _topics(contents: Sequence[McapContents]) -> list[tuple[BagTopic, int]]:
    topics: dict[str, BagTopic] = {}
    counts: dict[str, int] = {}
    for found in contents:
        for number, channel in found.channels.items():
            schema = found.schemas.get(channel.schema_id)
            counts[channel.topic] = counts.get(channel.topic, 0) + found.counts.get(number, 0)
            topics[channel.topic] = BagTopic(
                channel.topic,
                schema.name if schema else "",
                schema.data.decode(errors="replace") if schema else "",
                channel.metadata.get("topic_type_hash", ""),
                offered_qos(channel),
            )
    return [(topic, counts[name]) for name, topic in topics.items()]


def offered_qos(channel: Channel) -> list[dict[str, Any]]:
    """QoS of a channel's publishers, as the recorder wrote it; none where that can't be read."""
    try:
        profiles = yaml.safe_load(channel.metadata.get("offered_qos_profiles", ""))
    except yaml.YAMLError:
        return []
    return [profile for profile in profiles if isinstance(profile, dict)] if isinstance(profiles, list) else []


# The end of a file


def _ending(found: McapContents) -> bytes:
    """What belongs behind `found.end`: the messages of the rest as a chunk, the summary, the footer."""
    writer = RecordBuilder()
    base = found.end
    if found.header is None:
        base = 0
        writer.write(MAGIC)
        Header(profile="ros2", library="rig_capture").write(writer)
    chunks = list(found.chunks)
    if found.rest is not None and found.rest.positions:
        chunks.append(_write_chunk(writer, base, found.rest))
    write_end(writer, base, dataclasses.replace(found, chunks=chunks))
    return bytes(writer.end())  # type: ignore[no-untyped-call]


def _write_chunk(writer: RecordBuilder, base: int, records: Records) -> ChunkIndex:
    start = base + writer.count
    times = [time for positions in records.positions.values() for time, _ in positions]
    Chunk("", records.data, max(times), min(times), chunk_crc(records), len(records.data)).write(writer)
    length = base + writer.count - start
    offsets: dict[int, int] = {}
    for channel, positions in records.positions.items():
        offsets[channel] = base + writer.count
        MessageIndex(channel, positions).write(writer)
    index_length = base + writer.count - start - length
    size = len(records.data)
    return ChunkIndex(length, start, "", size, max(times), index_length, offsets, min(times), size)


# Undo


def _undo_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.undo")


def _replace_tail(path: Path, end: int, tail: bytes, *, keep: bool) -> None:
    """Replaces everything behind `end`, on the disk when it returns; `keep`: what was there stays beside the file."""
    undo = _undo_file(path)
    _keep_tail(path, end, undo)
    try:
        with path.open("r+b") as file:
            file.truncate(end)
            file.seek(end)
            file.write(tail)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        _undo(path)
        raise
    if keep:
        undo.rename(path.with_name(f"{path.name}.torn"))
    else:
        undo.unlink()
    sync_folder(path.parent)


def _keep_tail(path: Path, end: int, undo: Path) -> None:
    unborn = undo.with_suffix(".tmp")
    try:
        with path.open("rb") as file, unborn.open("wb") as kept:
            file.seek(end)
            kept.write(_OFFSET.pack(end))
            shutil.copyfileobj(file, kept, 2**20)
            kept.flush()
            os.fsync(kept.fileno())
        unborn.replace(undo)
    except OSError:
        unborn.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _undo(path: Path) -> None:
    """Puts back what a repair that was interrupted had begun to replace."""
    undo = _undo_file(path)
    undo.with_suffix(".tmp").unlink(missing_ok=True)
    if not undo.exists():
        return
    with undo.open("rb") as kept, path.open("r+b") as file:
        (end,) = _OFFSET.unpack(kept.read(_OFFSET.size))
        file.truncate(end)
        file.seek(end)
        shutil.copyfileobj(kept, file, 2**20)
        file.flush()
        os.fsync(file.fileno())
    undo.unlink()
    sync_folder(path.parent)
