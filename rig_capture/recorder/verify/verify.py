"""Proof that a session is whole: everything is read again, with readers that share no code with the writers.

The bag is read by rosbags, Matroska by FFmpeg (through PyAV), hashes are taken anew. Losses that the recorder put on record
are no damage: they are listed beside the verdict.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

from rig_capture.recorder.verify.sound import ENCODED_SOUND, read_sound, sound_problems
from rig_capture.session import tags
from rig_capture.session.additions import with_additions
from rig_capture.session.errors import SessionError
from rig_capture.session.hashing import sha256_file
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import FileEntry, Manifest, StreamEntry, content_hash, read_manifest

OnProgress = Callable[[str, int, int], None]
"""Told what is being read, and how many of how many bytes are done."""

_MILLISECOND_NS = 1_000_000
"""Matroska keeps times in milliseconds."""


class NotASession(SessionError):
    """A folder that holds no session."""


@dataclass(frozen=True)
class Verdict:
    """What was found in one session."""

    path: Path
    recording_id: str
    state: str
    files: int
    messages: int
    """Read and deserialized, packets and chunks included."""
    damages: list[str] = field(default_factory=list)
    """What is not as the manifest says, one line each; empty: the session is whole."""
    losses: list[str] = field(default_factory=list)
    """What was lost while recording, as the manifest has it on record."""

    @property
    def whole(self) -> bool:
        """Whether everything is as the manifest says."""
        return not self.damages

    @property
    def line(self) -> str:
        """The verdict in one line."""
        if not self.whole:
            return f"{self.recording_id}: damaged: {len(self.damages)} problem(s), the first: {self.damages[0]}"
        lost = f"; lost while recording, on record: {', '.join(self.losses)}" if self.losses else ", nothing lost"
        return f"{self.recording_id}: whole: {self.files} files, {self.messages} messages{lost}"

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"path": str(self.path), "whole": self.whole}


def verify_session(session: Path, *, decode: bool = True, progress: OnProgress = lambda what, done, total: None) -> Verdict:
    """Reads a session again and compares it with its manifest.

    Args:
        session: its folder.
        decode: also decode every picture and sample; without, packets are only counted.
        progress: told as the work goes on.

    Raises:
        SessionError: there is no manifest that can be read (`NotASession` where there is none at all).
    """
    layout = SessionLayout(session)
    if not layout.manifest.is_file():
        raise NotASession(f"{session}: no session: there is no manifest.json in it")
    manifest = read_manifest(session)
    damages = list(_state_damages(layout, manifest))
    try:
        files = with_additions(session, manifest).files
    except SessionError as error:
        files = manifest.files
        damages.append(str(error))
    total = max(1, manifest.total_bytes + sum(entry.size for entry in files))
    done = 0
    for entry in files:
        progress(entry.path, done, total)
        damages += _file_damages(layout, entry)
        done += entry.size
    messages = 0
    bag_damages, bag_counts = _read_bag(layout, manifest)
    damages += bag_damages
    messages += sum(bag_counts.values())
    for name, stream in manifest.streams.items():
        if stream.kind == "topic":
            found = bag_counts.get(name, 0)
            if found != stream.messages:
                damages.append(f"{name}: the bag holds {found} messages, the manifest says {stream.messages}")
            continue
        for entry in _chunks(manifest, name):
            progress(entry.path, done, total)
            done += entry.size
        problems, count = _read_stream(layout, manifest, name, stream, decode=decode)
        damages += problems
        messages += count
    progress("done", total, total)
    losses = list(_losses(manifest))
    return Verdict(session, manifest.recording_id, manifest.state, len(files), messages, damages, losses)


def _state_damages(layout: SessionLayout, manifest: Manifest) -> Iterator[str]:
    if is_locked(layout.path):
        yield "it is being finished right now" if layout.finishing.exists() else "it is being recorded right now"
    elif layout.finishing.exists():
        yield "it was stopped, but not finished yet; the recorder goes on with it at its next start, or `rig repair` does"
    elif manifest.state == "recording":
        yield "its recorder ended without finishing it"
    elif not layout.complete_mark.exists():
        yield "the completion mark .rig_complete is missing: its recorder was interrupted while finishing"
    if manifest.content_hash is not None and manifest.content_hash != content_hash(manifest.files):
        yield "manifest.json: content_hash does not fit the list of files"


def _file_damages(layout: SessionLayout, entry: FileEntry) -> list[str]:
    path = layout.resolve(entry.path)
    try:
        size = path.stat().st_size
        if size != entry.size:
            return [f"{entry.path}: {size} bytes, the manifest says {entry.size}"]
        if sha256_file(path) != entry.sha256:
            return [f"{entry.path}: its SHA-256 is not that of the manifest; its contents have changed"]
    except FileNotFoundError:
        return [f"{entry.path}: missing"]
    except OSError as error:
        return [f"{entry.path}: can't be read: {error}"]
    return []


def _read_bag(layout: SessionLayout, manifest: Manifest) -> tuple[list[str], dict[str, int]]:
    """Deserializes every message; problems, and messages per stream name."""
    topics = {stream.topic.strip("/"): name for name, stream in manifest.streams.items() if stream.kind == "topic"}
    counts: dict[str, int] = dict.fromkeys(topics.values(), 0)
    problems: list[str] = []
    if not topics:
        return problems, counts
    try:
        # Without messages the files hold no definitions either, and that is no damage; a message without one is.
        with AnyReader([layout.bag], default_typestore=get_typestore(Stores.EMPTY)) as reader:
            for connection, _, data in reader.messages():
                reader.deserialize(data, connection.msgtype)
                name = _stream_of(connection, topics)
                counts[name] = counts.get(name, 0) + 1
        problems += _summary_damages(layout, sum(counts.values()))
    except Exception as error:  # noqa: BLE001  # readers raise whatever garbage makes of them, and all of it is the bag's damage
        problems.append(f"bag: can't be read to its end: {type(error).__name__}: {error}")
    return problems, counts


def _summary_damages(layout: SessionLayout, messages: int) -> list[str]:
    """What the mcap library, too, says of the number of messages."""
    told = 0
    for path in sorted(layout.bag.glob("*.mcap")):
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
        if summary is None or summary.statistics is None:
            return [f"bag/{path.name}: has no summary"]
        told += summary.statistics.message_count
    return [] if told in (0, messages) else [f"bag: its summaries tell of {told} messages, {messages} can be read"]


def _stream_of(connection: Connection, topics: dict[str, str]) -> str:
    """The stream of a bag's absolute topic, whatever the rig's namespace was."""
    topic = connection.topic.strip("/")
    if topic in topics:
        return topics[topic]
    # The longest: imu/data_raw is the end of left/imu/data_raw too.
    ends = [relative for relative in topics if topic.endswith("/" + relative)]
    return topics[max(ends, key=len)] if ends else topic


def _chunks(manifest: Manifest, name: str) -> list[FileEntry]:
    return sorted((e for e in manifest.files if e.stream == name and e.kind in ("video", "audio")), key=lambda entry: entry.path)


def _read_stream(layout: SessionLayout, manifest: Manifest, name: str, stream: StreamEntry, *, decode: bool) -> tuple[list[str], int]:
    """Reads a stream's chunks against its frame table; problems, and packets read."""
    problems: list[str] = []
    try:
        stamps = _frame_stamps(layout.frames(name))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        return [f"{name}/frames.csv: can't be read: {error}"], 0
    if len(stamps) != stream.messages:
        problems.append(f"{name}/frames.csv: {len(stamps)} rows, the manifest says {stream.messages} messages")
    if stream.codec in ENCODED_SOUND:
        more, count = _read_encoded_sound(layout, manifest, name, stream, decode=decode)
        return problems + more, count
    position = 0
    for entry, index in _sources(layout, manifest, name):
        try:
            found = _read_chunk(layout.resolve(entry.path), index, decode=decode)
        except Exception as error:  # noqa: BLE001  # as with bags
            problems.append(f"{entry.path}: can't be read to its end: {type(error).__name__}: {error}")
            continue
        expected = stamps[position : position + len(found.stamps)]
        position += len(found.stamps)
        wrong = sum(abs(a - b) > _MILLISECOND_NS for a, b in zip(found.stamps, expected, strict=False))
        if wrong:
            problems.append(f"{entry.path}: {wrong} stamps differ from frames.csv by more than 1 ms")
        if decode and found.frames != len(found.stamps):
            problems.append(f"{entry.path}: {found.frames} of {len(found.stamps)} packets decode")
    if position != len(stamps):
        problems.append(f"{name}: its chunks hold {position} packets, frames.csv has {len(stamps)} rows")
    return problems, position


def _read_encoded_sound(
    layout: SessionLayout, manifest: Manifest, name: str, stream: StreamEntry, *, decode: bool
) -> tuple[list[str], int]:
    """Like `_read_stream`; problems, and blocks as they came."""
    problems, files = [], []
    for entry, index in _sources(layout, manifest, name):
        try:
            files.append(read_sound(layout.resolve(entry.path), index, decode=decode))
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"{entry.path}: can't be read to its end: {error}")
    try:
        recovered = manifest.state == "recovered"
        problems += sound_problems(name, stream, layout.frames(name), files, decode=decode, recovered=recovered)
    except (OSError, ValueError, KeyError, csv.Error) as error:
        problems.append(f"{name}: its sound can't be compared with frames.csv: {error}")
    return problems, stream.messages


def _sources(layout: SessionLayout, manifest: Manifest, name: str) -> list[tuple[FileEntry, int]]:
    """Where a stream's packets are, with the track's number: in its chunks, or in the merged file where those were removed."""
    chunks = _chunks(manifest, name)
    merged = next((entry for entry in manifest.files if entry.kind == "merged"), None)
    if chunks or merged is None:
        return [(entry, 0) for entry in chunks]
    try:
        with av.open(str(layout.resolve(merged.path))) as container:
            return [(merged, track.index) for track in container.streams if track.metadata.get(tags.STREAM) == name]
    except (OSError, av.error.FFmpegError):
        return [(merged, 0)]  # reading it will tell what is wrong with it


@dataclass(frozen=True)
class _Chunk:
    stamps: list[int]
    """Of its packets, ns."""
    frames: int
    """Decoded."""


def _read_chunk(path: Path, index: int, *, decode: bool) -> _Chunk:
    with av.open(str(path)) as container:
        start_ns = int(container.metadata[tags.START_STAMP_NS])
        track = container.streams[index]
        stamps: list[int] = []
        frames = 0
        for packet in container.demux(track):
            if packet.pts is not None:
                stamps.append(start_ns + round(packet.pts * packet.time_base * 10**9))
            if decode:
                frames += len(packet.decode())
        return _Chunk(stamps, frames)


def _frame_stamps(path: Path) -> list[int]:
    with path.open(encoding="ascii", newline="") as file:
        return [int(row["stamp_ns"]) for row in csv.DictReader(file)]


def _losses(manifest: Manifest) -> Iterator[str]:
    for name, stream in manifest.streams.items():
        parts = [f"{count} {where}" for where, count in stream.loss.model_dump().items() if count]
        if parts:
            yield f"{name}: {' + '.join(parts)}"
        if stream.gaps:
            longest = max(gap.to_ns - gap.from_ns for gap in stream.gaps) / 1e9
            yield f"{name}: {len(stream.gaps)} gap(s), the longest {longest:.1f} s"
