"""All streams of a session in one Matroska file, by stream copy: nothing is decoded or encoded.

Every video and audio stream is a track, titled with the stream's name; where its codec parameters change or its stamps go
backwards, a further track of that name goes on. Chosen topics are subtitle tracks of JSON. All tracks share one time line that
begins, at 0, with the earliest sample of video and audio; gaps stay gaps. The chunks are not touched.
"""

import heapq
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from rosbags.highlevel import AnyReaderError

from rig_capture.profiles.units import format_bytes
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.files import FinishedFile, sync_file
from rig_capture.recorder.finishing.interrupt import Interrupted, look, never
from rig_capture.recorder.finishing.merge_topics import chosen_topics, json_lines
from rig_capture.session import tags
from rig_capture.session.atomic import sync_folder
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import FileEntry, Manifest, parse_time, read_manifest

log = logging.getLogger(__name__)

_Placed = tuple[int, int, "av.Packet[Any]"]
"""A packet with its time in ms and its track."""

OnFraction = Callable[[float], None]
"""Told how much is done, from 0 to 1."""

_MILLISECOND = Fraction(1, 1000)
_MILLISECOND_NS = 1_000_000
_LONGEST_LINE_MS = 1000
"""How long a message is shown at most."""
_WHILE_COPYING = 0.6
"""Share of the work; the rest is the proof."""


OPUS = ("opus", "libopus")
_OPUS_OVERLAP_NS = 100_000_000
"""Every Opus chunk is an encoding of its own, with a lead-in and a filled last packet: it begins a little before the end of the
one before. These packets are moved to its end."""


_ROOM_LEFT = 200_000_000
"""Bytes that stay free beside the merged file, so that no recording ends because of it."""


class MergeFailed(RecordingError):
    """A session that can't be merged; its chunks are as they were."""


@dataclass
class _Chunk:
    path: Path
    start_ns: int
    shape: tuple[object, ...]
    """What must be the same within one track."""
    first_ns: int
    last_ns: int


@dataclass
class _Proof:
    """What tells whether a track read again is the one that was written."""

    packets: int = 0
    bytes: int = 0
    checksum: int = 0

    def add(self, packet: "av.Packet[Any]", pts_ms: int) -> None:
        """Takes note of a packet."""
        self.packets += 1
        self.bytes += packet.size
        self.checksum = zlib.crc32(packet, zlib.crc32(pts_ms.to_bytes(8, "little", signed=True), self.checksum))


@dataclass
class _Track:
    name: str
    title: str
    kind: str
    chunks: list[_Chunk] = field(default_factory=list)
    written: _Proof = field(default_factory=_Proof)
    out: Stream | None = None


def merge_session(
    session: Path,
    *,
    topics: tuple[str, ...] = ("*",),
    target: Path | None = None,
    progress: OnFraction = lambda fraction: None,
    interrupted: Interrupted = never,
) -> FinishedFile:
    """Makes one file of a session's streams, and proves it by reading it again.

    The file appears under its name only when it is proven and on the disk. The session's manifest is not touched.

    Args:
        session: its folder.
        topics: names or patterns of the topics that become subtitle tracks.
        target: the file to make; None: ``recording.mkv`` in the session.
        progress: told how much is done.
        interrupted: asked before each packet; once it says yes, what is there of the file is removed.

    Returns:
        The file, with the stamps of its first and last sample of video and audio.

    Raises:
        MergeFailed: a chunk can't be read, there is none, or the file read again is not what was written.
        BrokenOff: `interrupted` said yes.
        SessionError: there is no manifest that can be read.
        OSError: the file can't be written.
    """
    layout = SessionLayout(session)
    manifest = read_manifest(session)
    target = target or layout.merged
    part = target.with_name(f".{target.name}.part")
    try:
        tracks = _plan(layout, manifest)
        _write(part, layout, manifest, tracks, topics, _share(progress, 0.0, _WHILE_COPYING), interrupted)
        sync_file(part)
        _prove(part, tracks, _share(progress, _WHILE_COPYING, 1.0), interrupted)
        os.replace(part, target)
        sync_folder(target.parent)
    except (av.error.FFmpegError, AnyReaderError, ValueError, KeyError) as error:
        raise MergeFailed(
            f"{session}: can't be merged: {type(error).__name__}: {error}; `rig verify` tells what is wrong with it"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    chunks = [chunk for track in tracks for chunk in track.chunks]
    return FinishedFile(target, "merged", first_ns=min(c.first_ns for c in chunks), last_ns=max(c.last_ns for c in chunks))


def _chunks_of(manifest: Manifest, name: str) -> list[FileEntry]:
    return sorted((e for e in manifest.files if e.stream == name and e.kind in ("video", "audio")), key=lambda entry: entry.path)


def _plan(layout: SessionLayout, manifest: Manifest) -> list[_Track]:
    tracks: list[_Track] = []
    for name, stream in sorted(manifest.streams.items(), key=lambda item: (item[1].kind != "video", item[0])):
        if stream.kind == "topic":
            continue
        own: list[_Track] = []
        for entry in _chunks_of(manifest, name):
            chunk = _look_into(layout, entry)
            last = own[-1].chunks[-1] if own else None
            overlap_ns = _OPUS_OVERLAP_NS if chunk.shape[0] in OPUS else 0
            if last is None or last.shape != chunk.shape or chunk.first_ns < last.last_ns - overlap_ns:
                own.append(_Track(name, name if not own else f"{name} ({len(own) + 1})", stream.kind))
            own[-1].chunks.append(chunk)
        tracks += own
    if not tracks:
        raise MergeFailed(f"{layout.path}: holds no video and no audio, so there is nothing to merge")
    return tracks


def _look_into(layout: SessionLayout, entry: FileEntry) -> _Chunk:
    path = layout.resolve(entry.path)
    with av.open(str(path)) as container:
        start_ns = int(container.metadata[tags.START_STAMP_NS])
        stream = container.streams[0]
        context: Any = stream.codec_context
        size = (
            (context.width, context.height) if stream.type == "video" else (context.sample_rate, context.layout.name, context.format.name)
        )
        # Only the beginning is read here: a session may hold many gigabytes.
        first = next((_pts_ns(packet) for packet in container.demux(stream) if packet.pts is not None), 0)
        last_ns = parse_time(entry.ended_at) if entry.ended_at else start_ns
        return _Chunk(path, start_ns, (context.name, size, bytes(context.extradata or b"")), start_ns + first, last_ns)


def _pts_ns(packet: "av.Packet[Any]") -> int:
    assert packet.pts is not None
    return round(packet.pts * packet.time_base * 10**9)


def _write(
    part: Path,
    layout: SessionLayout,
    manifest: Manifest,
    tracks: list[_Track],
    patterns: tuple[str, ...],
    progress: OnFraction,
    interrupted: Interrupted,
) -> None:
    start_ns = min(chunk.first_ns for track in tracks for chunk in track.chunks)
    names = chosen_topics(manifest, patterns)
    total = sum(chunk.path.stat().st_size for track in tracks for chunk in track.chunks) + sum(manifest.streams[n].bytes for n in names)
    if (free := shutil.disk_usage(part.parent).free) < total + _ROOM_LEFT:
        needed = format_bytes(total + _ROOM_LEFT)
        raise MergeFailed(f"{part.parent}: merging needs {needed} of room, {format_bytes(free)} are free; free some, then `rig merge`")
    done = 0
    with av.open(str(part), "w", format="matroska") as container:
        container.metadata.update({"title": manifest.recording_id, tags.RECORDING_ID: manifest.recording_id})
        container.metadata[tags.START_STAMP_NS] = str(start_ns)
        for track in tracks:
            _add_media_track(container, track)
        lines = {name: _add_topic_track(container, manifest, name) for name in names}
        sources = [_packets(index, track, start_ns) for index, track in enumerate(tracks)]
        if lines:
            sources.append(_line_packets(len(tracks), layout, manifest, lines, start_ns))
        for pts_ms, index, packet in heapq.merge(*sources, key=lambda item: item[:2]):
            look(interrupted)
            if index < len(tracks):
                tracks[index].written.add(packet, pts_ms)
            done += packet.size
            progress(done / max(1, total))
            container.mux_one(packet)


def _add_media_track(container: OutputContainer, track: _Track) -> None:
    with av.open(str(track.chunks[0].path)) as template:
        track.out = container.add_stream_from_template(template.streams[0], opaque=True)
    track.out.metadata.update({"title": track.title, tags.STREAM: track.name, tags.KIND: track.kind})


def _add_topic_track(container: OutputContainer, manifest: Manifest, name: str) -> Stream:
    stream = container.add_mux_stream("subrip")
    stream.metadata.update({"title": name, tags.STREAM: name, tags.KIND: "topic", tags.TYPE: manifest.streams[name].type})
    return stream


def _packets(index: int, track: _Track, start_ns: int) -> Iterator["_Placed"]:
    last_ms = 0
    for chunk in track.chunks:
        with av.open(str(chunk.path)) as container:
            assert isinstance(container, InputContainer)
            for packet in container.demux(container.streams[0]):
                if packet.pts is None:
                    continue
                pts_ms = last_ms = max(last_ms, round((chunk.start_ns + _pts_ns(packet) - start_ns) / _MILLISECOND_NS))
                assert track.out is not None
                packet.stream = track.out
                packet.time_base = _MILLISECOND
                packet.pts = packet.dts = pts_ms
                yield pts_ms, index, packet


def _line_packets(index: int, layout: SessionLayout, manifest: Manifest, tracks: dict[str, Stream], start_ns: int) -> Iterator["_Placed"]:
    shown_ms = {name: min(_LONGEST_LINE_MS, round(1000 / (manifest.streams[name].rate_hz or 1)) or 1) for name in tracks}
    for time_ns, name, line in json_lines(layout.bag, list(tracks)):
        packet = av.Packet(line)
        packet.stream = tracks[name]
        packet.time_base = _MILLISECOND
        # What is older than the first picture or sound, such as a state that was latched, is there from the beginning.
        packet.pts = packet.dts = max(0, round((time_ns - start_ns) / _MILLISECOND_NS))
        packet.duration = shown_ms[name]
        packet.is_keyframe = True
        yield packet.pts, index, packet


def _prove(part: Path, tracks: list[_Track], progress: OnFraction, interrupted: Interrupted) -> None:
    total = max(1, sum(track.written.bytes for track in tracks))
    found = [_Proof() for _ in tracks]
    done = 0
    with av.open(str(part)) as container:
        for packet in container.demux(list(container.streams)[: len(tracks)]):
            if packet.pts is None:
                continue
            look(interrupted)
            found[packet.stream.index].add(packet, round(packet.pts * packet.time_base * 1000))
            done += packet.size
            progress(done / total)
    for track, proof in zip(tracks, found, strict=True):
        if proof != track.written:
            raise MergeFailed(
                f"{part.parent}: track {track.title} was read back with {proof.packets} packets, {proof.bytes} bytes instead of "
                f"{track.written.packets}, {track.written.bytes}, or with other contents; is the disk sound? The chunks are as they were"
            )


def _share(progress: OnFraction, begin: float, end: float) -> OnFraction:
    return lambda fraction: progress(begin + (end - begin) * min(1.0, fraction))
