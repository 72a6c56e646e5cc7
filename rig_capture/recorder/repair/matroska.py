"""A video or audio stream whose recorder died: unfinished chunks are closed by stream copy, and frames.csv fits the packets again.

A chunk is written anew beside the old one, which is replaced, atomically, when the new one is on the disk.
"""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from rig_capture.recorder.files import FinishedFile, sync_file
from rig_capture.recorder.repair.bag import MendedFile
from rig_capture.recorder.tracks.matroska import FRAMES_HEADER
from rig_capture.recorder.tracks.tail import TailPacket, as_in_matroska, read_tail, tail_file
from rig_capture.recorder.verify.sound import ENCODED_SOUND
from rig_capture.session import tags
from rig_capture.session.atomic import sync_folder, write_atomic

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_MILLISECOND_NS = 1_000_000
_SET_ASIDE = ".torn"


@dataclass(frozen=True)
class FrameRow:
    """One row of frames.csv."""

    seq: int
    stamp_ns: int
    pts_ns: int
    keyframe: int
    bytes: int

    @property
    def line(self) -> str:
        """As it is written."""
        return f"{self.seq},{self.stamp_ns},{self.pts_ns},{self.keyframe},{self.bytes}\n"


@dataclass(frozen=True)
class _Packets:
    """What one chunk holds."""

    start_ns: int
    kind: Literal["video", "audio"]
    codec: str
    settings: dict[str, Any]
    packets: list[tuple[int, int, int]]
    """Stamp to the millisecond (ns), 1 for a keyframe, bytes."""
    end_ns: int
    """Of the last packet; only where the file is finished."""


@dataclass(frozen=True)
class MendedTrack:
    """One stream's files after their repair."""

    files: list[MendedFile]
    rows: list[FrameRow]
    """One for each packet that is there."""
    kind: Literal["video", "audio"] | None
    """None where there is not a single packet."""
    codec: str
    settings: dict[str, Any]


def repair_track(folder: Path, name: str) -> MendedTrack:
    """Finishes what is unfinished in a stream's folder.

    Args:
        folder: of the stream.
        name: of the stream.

    Raises:
        OSError: a file can't be read or written; whatever was there still is.
    """
    table = _read_rows(folder / "frames.csv")
    rows: list[FrameRow] = []
    files: list[MendedFile] = []
    last: _Packets | None = None
    for path in sorted(folder.glob("[0-9]*.mkv")):
        found, changed = _finish_chunk(path)
        if found is None:
            continue
        fitting, table = _fit(found, table, rows[-1].seq + 1 if rows else 0)
        rows += fitting
        files.append(MendedFile(FinishedFile(path, found.kind, name, fitting[0].stamp_ns, fitting[-1].stamp_ns), changed))
        last = found
    text = (FRAMES_HEADER + "".join(row.line for row in rows)).encode()
    frames = folder / "frames.csv"
    changed = not frames.is_file() or frames.read_bytes() != text
    if changed:
        write_atomic(frames, text)
    first_ns, last_ns = (rows[0].stamp_ns, rows[-1].stamp_ns) if rows else (None, None)
    files.append(MendedFile(FinishedFile(frames, "frames", name, first_ns, last_ns), changed))
    if last is None:
        return MendedTrack(files, rows, None, "", {})
    return MendedTrack(files, rows, last.kind, last.codec, last.settings)


def _finish_chunk(path: Path) -> tuple[_Packets | None, bool]:
    """What a chunk holds, None where that is nothing, and whether it was changed."""
    fresh = path.with_name(f".{path.name}.repair")
    fresh.unlink(missing_ok=True)
    try:
        found = _read(path)
    except (av.error.FFmpegError, KeyError, IndexError, ValueError):
        found = None
    tail = read_tail(path)
    if found is None or not (found.packets or tail):
        # Not even one packet: only the head of a file. It is no chunk, but it is not ours to delete.
        path.rename(path.with_name(path.name + _SET_ASIDE))
        sync_folder(path.parent)
        return None, True
    if is_finished(path):
        tail_file(path).unlink(missing_ok=True)
        return found, False
    try:
        _copy_streams(path, fresh, tail)
        sync_file(fresh)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            # No room for a second one: it can be read as it is, only without cues and duration.
            return found, True
        raise
    os.replace(fresh, path)
    sync_folder(path.parent)
    tail_file(path).unlink(missing_ok=True)
    return _read(path), True


def is_finished(path: Path) -> bool:
    """Whether a Matroska file was closed: its segment's length is known and fits, while an open one says "unknown"."""
    with path.open("rb") as file:
        head = file.read(4096)
        size = file.seek(0, os.SEEK_END)
    if not head.startswith(_EBML):
        return False
    position = len(_EBML)
    length = _vint(head, position)
    if length is None:
        return False
    position += length[1] + length[0]
    if head[position : position + 4] != _SEGMENT:
        return False
    segment = _vint(head, position + 4)
    return segment is not None and position + 4 + segment[1] + segment[0] == size


def _vint(data: bytes, position: int) -> tuple[int, int] | None:
    """An EBML length (RFC 8794, section 4): value and its own width; None where it is unknown or not there."""
    if position >= len(data) or data[position] == 0:
        return None
    width = 9 - data[position].bit_length()
    raw = data[position : position + width]
    value = int.from_bytes(raw, "big") & ((1 << 7 * width) - 1)
    if len(raw) < width or value == (1 << 7 * width) - 1:
        return None
    return value, width


def _read(path: Path) -> _Packets:
    """Raises FFmpegError, KeyError, IndexError, ValueError where it is no chunk of ours."""
    with av.open(str(path)) as container:
        assert isinstance(container, InputContainer)
        start_ns = int(container.metadata[tags.START_STAMP_NS])
        track = container.streams[0]
        context: Any = track.codec_context
        if context is None:
            raise ValueError(f"{path}: its codec is not known")
        packets = [
            (start_ns + round(packet.pts * packet.time_base * 10**9), int(packet.is_keyframe), packet.size)
            for packet in _whole_packets(container)
            if packet.pts is not None
        ]
        end_ns = start_ns + (container.duration or 0) * 10**9 // av.time_base
        codec = context.codec.canonical_name
        if track.type == "audio":
            return _Packets(start_ns, "audio", codec, _sound_settings(container.metadata, context), packets, end_ns)
        return _Packets(start_ns, "video", codec, {"width": context.width, "height": context.height}, packets, end_ns)


def _sound_settings(metadata: Mapping[str, str], context: AudioCodecContext) -> dict[str, Any]:
    if tags.SOUND_SOURCE not in metadata:
        return {"sample_rate": context.sample_rate, "channels": context.channels}
    codec, rate, channels = metadata[tags.SOUND_SOURCE].split("/")
    return {"encoded_from": codec, "sample_rate": int(rate), "channels": int(channels)}


def _whole_packets(container: InputContainer) -> Iterator["Packet[Any]"]:
    """Packets until the end, or until the file breaks off."""
    packets = container.demux(container.streams[0])
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None or packet.is_corrupt:
            return
        if packet.size and packet.pts is not None:
            yield packet


def _copy_streams(source: Path, target: Path, tail: Sequence[TailPacket]) -> None:
    with av.open(str(source)) as old, av.open(str(target), "w", format="matroska") as new:
        track = new.add_stream_from_template(old.streams[0], opaque=True)
        new.metadata.update({key: value for key, value in old.metadata.items() if key.startswith("RIG_")})
        codec = old.streams[0].codec_context.codec.canonical_name
        last_ms = -1
        for packet in _whole_packets(old):
            assert packet.pts is not None
            last_ms = round(packet.pts * packet.time_base * 1000)
            packet.stream = track
            new.mux_one(packet)
        for held in tail:
            if held.time_ms > last_ms:
                new.mux_one(_packet(held, codec, track))


def _packet(held: TailPacket, codec: str, track: Stream) -> "Packet[Any]":
    packet: Packet[Any] = Packet(as_in_matroska(held.data, codec))
    packet.stream = track
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = held.time_ms
    packet.is_keyframe = held.keyframe
    return packet


# The frame table


def _read_rows(path: Path) -> list[FrameRow]:
    """Rows up to the first that is torn."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    rows: list[FrameRow] = []
    for line in data.split(b"\n")[1:-1]:
        try:
            seq, stamp_ns, pts_ns, keyframe, size = map(int, line.split(b","))
        except ValueError:
            break
        rows.append(FrameRow(seq, stamp_ns, pts_ns, keyframe, size))
    return rows


def _fit(chunk: _Packets, table: list[FrameRow], next_seq: int) -> tuple[list[FrameRow], list[FrameRow]]:
    """One row per packet, and the rows behind them.

    A packet without a row (a power cut may take the table's end, not the packet's) gets one with its stamp to the millisecond.
    """
    begin = next((index for index, row in enumerate(table) if row.stamp_ns == chunk.start_ns), len(table))
    if chunk.codec in ENCODED_SOUND:
        # Its packets are cut otherwise than the blocks that came: rows stay as far as there is sound.
        end = next((n for n, row in enumerate(table) if n > begin and row.stamp_ns > chunk.end_ns - _MILLISECOND_NS), len(table))
        return table[begin:end] or [FrameRow(next_seq, chunk.start_ns, 0, 1, 0)], table[max(begin, end) :]
    rows: list[FrameRow] = []
    for stamp_ns, keyframe, size in chunk.packets:
        while begin < len(table) and table[begin].stamp_ns < stamp_ns - _MILLISECOND_NS:
            begin += 1
        if begin < len(table) and abs(table[begin].stamp_ns - stamp_ns) <= _MILLISECOND_NS:
            rows.append(table[begin])
            begin += 1
        else:
            seq = rows[-1].seq + 1 if rows else next_seq
            rows.append(FrameRow(seq, stamp_ns, stamp_ns - chunk.start_ns, keyframe, size))
    return rows, table[begin:]
