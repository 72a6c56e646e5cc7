"""The files of an interrupted session, mended and counted anew, and what the manifest is to say of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig_capture.recorder.bag.bag import tells_of_changes
from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.bag.mcap_walk import BagMessage
from rig_capture.recorder.entries import with_levels
from rig_capture.recorder.files import FileKind, FinishedFile
from rig_capture.recorder.levels import AUDIO_LEVEL, SessionLevels
from rig_capture.recorder.repair.bag import MendedFile, offered_qos, repair_bag
from rig_capture.recorder.repair.matroska import MendedTrack, repair_track
from rig_capture.recorder.sinks import header_stamp_ns
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK, VIDEO_PACKET
from rig_capture.session.additions import added_folders
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import FileEntry, Gap, Loss, Manifest, StreamEntry, parse_time

_HEADER_BYTES = 12
_NO_GAP_NS = 1_000_000


@dataclass(frozen=True)
class MendedContents:
    """For the manifest."""

    files: tuple[FileEntry, ...]
    streams: dict[str, StreamEntry]


def mend_contents(layout: SessionLayout, manifest: Manifest, ended_ns: int, progress: Callable[[str, int, int], None]) -> MendedContents:
    """Mends all files of a session in place, and counts what is there.

    Args:
        layout: of the session.
        manifest: as it was while recording; streams and files that it does not name are found.
        ended_ns: when the session ended, for the gap at the end of each stream.
        progress: told the file, and how many of how many bytes are done.

    Raises:
        OSError: a file can't be read or written; whatever was there still is.
    """
    total = sum(path.stat().st_size for path in layout.path.rglob("*") if path.is_file())
    done = 0
    listed = {entry.path: entry for entry in manifest.files}
    topics = _TopicCounts(manifest)
    files: list[FileEntry] = []
    streams: dict[str, StreamEntry] = {}

    def take(mended: list[MendedFile]) -> None:
        nonlocal done
        for part in mended:
            progress(part.file.path.relative_to(layout.path).as_posix(), done, max(total, 1))
            entry = _entry(layout, part, listed)
            files.append(entry)
            done += entry.size

    if layout.bag.is_dir():
        ros_distro = manifest.software.get("ros_distro", "")
        take(repair_bag(layout.bag, recording_id=manifest.recording_id, ros_distro=ros_distro, on_message=topics.count))
    for folder in _track_folders(layout):
        if layout.merged.is_file() and not any(folder.glob("[0-9]*.mkv")):
            # Its chunks were removed when recording.mkv was proven; that holds its packets now.
            take([MendedFile(FinishedFile(layout.frames(folder.name), "frames", folder.name), changed=False)])
            streams |= {name: stream for name, stream in manifest.streams.items() if name == folder.name}
            continue
        track = repair_track(folder, folder.name)
        take(track.files)
        entry = _track_entry(folder.name, track, manifest.streams.get(folder.name))
        streams[folder.name] = with_levels(entry, topics.levels.of(folder.name))
    known = {entry.path for entry in files}
    take([MendedFile(file, changed=False) for file in _other_files(layout) if file.path.relative_to(layout.path).as_posix() not in known])
    streams = topics.entries() | streams
    for name in manifest.streams.keys() - streams.keys():
        streams[name] = _emptied(manifest.streams[name])
    started_ns = parse_time(manifest.started_at)
    ended = {name: _with_end(stream, started_ns, ended_ns) for name, stream in streams.items()}
    return MendedContents(tuple(sorted(files, key=lambda entry: entry.path)), ended)


def _entry(layout: SessionLayout, part: MendedFile, listed: dict[str, FileEntry]) -> FileEntry:
    """A file's row; one that was listed when it was finished, and is not changed, is not read again."""
    path = part.file.path
    before = listed.get(path.relative_to(layout.path).as_posix())
    if before is not None and not part.changed and before.size == path.stat().st_size:
        return before
    return part.file.entry(layout.path)


def _track_folders(layout: SessionLayout) -> Iterator[Path]:
    for folder in sorted(layout.path.iterdir()):
        if folder in added_folders(layout.path):
            continue
        if folder.is_dir() and not folder.is_symlink() and ((folder / "frames.csv").is_file() or any(folder.glob("[0-9]*.mkv"))):
            yield folder


def _other_files(layout: SessionLayout) -> Iterator[FinishedFile]:
    kinds: dict[str, FileKind] = {"participant.txt": "participant", "health.jsonl": "health", "recording.mkv": "merged"}
    added = added_folders(layout.path)
    for path in sorted(layout.path.rglob("*")):
        own = path in (layout.manifest, layout.lock, layout.complete_mark) or path.parent in added
        if path.is_file() and not path.is_symlink() and not own and not path.name.startswith("."):
            yield FinishedFile(path, kinds.get(path.relative_to(layout.path).as_posix(), "other"))


# Streams


class _TopicCounts:
    """Counts a bag's messages per stream, as the recorder would have."""

    def __init__(self, manifest: Manifest) -> None:
        self._known = {stream.topic.strip("/"): (name, stream) for name, stream in manifest.streams.items() if stream.kind == "topic"}
        self._counters: dict[str, tuple[str, StreamCounter, Loss, bool]] = {}
        self.levels = SessionLevels(Definitions())

    def count(self, message: BagMessage) -> None:
        """Takes note of one message."""
        topic = message.channel.topic
        if topic not in self._counters:
            self._counters[topic] = self._begin(message)
        _, counter, _, has_header = self._counters[topic]
        stamped = has_header and len(message.data) >= _HEADER_BYTES
        counter.written((stamped and header_stamp_ns(message.data)) or message.log_time_ns, len(message.data))
        if message.schema is not None and message.schema.name == AUDIO_LEVEL:
            self.levels.take(topic, message.data)

    def entries(self) -> dict[str, StreamEntry]:
        """Per stream that has messages."""
        return {name: _counted(counter, loss) for name, counter, loss, _ in self._counters.values()}

    def _begin(self, message: BagMessage) -> tuple[str, StreamCounter, Loss, bool]:
        relative = message.channel.topic.strip("/")
        fitting = [known for known in self._known if relative == known or relative.endswith("/" + known)]
        kind = message.schema.name if message.schema else ""
        has_header = message.schema is not None and _starts_with_header(message.schema.data.decode(errors="replace"))
        name, loss, spec = relative, Loss(), StreamSpec("topic", message.channel.topic, kind)
        if fitting:
            name, stream = self._known[max(fitting, key=len)]
            loss, spec = stream.loss, StreamSpec("topic", stream.topic, stream.type)
        return name, StreamCounter(spec, tells_of_changes=tells_of_changes(offered_qos(message.channel))), loss, has_header


def _starts_with_header(definition: str) -> bool:
    """Whether the first field of a message definition (encoding ros2msg) is a std_msgs/Header."""
    fields = (line.split("#")[0].split() for line in definition.splitlines())
    return next((words[0] in ("std_msgs/Header", "std_msgs/msg/Header") for words in fields if words), False)


def _counted(counter: StreamCounter, loss: Loss) -> StreamEntry:
    return StreamEntry(
        kind=counter.spec.kind,
        topic=counter.spec.topic,
        type=counter.spec.type,
        messages=counter.messages,
        bytes=counter.bytes,
        first_stamp_ns=counter.first_stamp_ns,
        last_stamp_ns=counter.last_stamp_ns,
        rate_hz=counter.mean_rate_hz,
        loss=loss,
        gaps=tuple(counter.gaps),
    )


def _track_entry(name: str, track: MendedTrack, before: StreamEntry | None) -> StreamEntry:
    # Pictures of other people's nodes are called a topic until their first message has shown that they can be video.
    kind = before.kind if before and before.kind != "topic" else track.kind or "video"
    default_type = AUDIO_CHUNK if kind == "audio" else VIDEO_PACKET
    counter = StreamCounter(StreamSpec(kind, before.topic if before else f"{name}/{kind}", before.type if before else default_type))
    for row in track.rows:
        counter.samples.see(row.seq)
        counter.written(row.stamp_ns, row.bytes, row.pts_ns)
    entry = _counted(counter, _track_loss(counter, before.loss if before else Loss()))
    settings: dict[str, Any] = (before.settings if before else {}) | track.settings
    kept = {"overruns": before.overruns, "levels": before.levels} if before else {}
    return entry.model_copy(update={"codec": track.codec or (before.codec if before else ""), "settings": settings} | kept)


def _track_loss(counter: StreamCounter, before: Loss) -> Loss:
    """What was on record, and what is missing in `seq` beyond that."""
    missing = counter.samples.missing
    return before.model_copy(update={"sequence": max(before.sequence, missing - before.dds - before.queue)})


def _emptied(stream: StreamEntry) -> StreamEntry:
    nothing = {"messages": 0, "bytes": 0, "first_stamp_ns": None, "last_stamp_ns": None, "rate_hz": None, "gaps": ()}
    return stream.model_copy(update=nothing)


def _with_end(stream: StreamEntry, started_ns: int, ended_ns: int) -> StreamEntry:
    """With the time between its last sample and the end as a gap: what was sent in it is lost."""
    last_ns = started_ns if stream.last_stamp_ns is None else stream.last_stamp_ns
    if ended_ns - last_ns <= _NO_GAP_NS:
        return stream
    return stream.model_copy(update={"gaps": (*stream.gaps, Gap(from_ns=last_ns, to_ns=ended_ns, reason="crash"))})
