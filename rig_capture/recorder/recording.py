"""A session in the making: its folder, its writers and their threads, and the manifest that says what became of it."""

import contextlib
import errno
import logging
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig_capture.profiles.host import host_name
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.bag.bag import BagTopic, open_bag, tells_of_changes
from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.clocks import ClockLog
from rig_capture.recorder.entries import stream_entry, with_levels
from rig_capture.recorder.file_list import FileList
from rig_capture.recorder.files import FinishedFile
from rig_capture.recorder.finishing.finisher import Unfinished
from rig_capture.recorder.finishing.finishing import FinishingNote, MergeWish, RecordingSummary, finish_session, summary_of, write_note
from rig_capture.recorder.health_file import HealthFile
from rig_capture.recorder.identity import node_id
from rig_capture.recorder.images.reading import IMAGE_TYPES
from rig_capture.recorder.images.sink import UndecidedSink, track_work
from rig_capture.recorder.levels import AUDIO_LEVEL, SessionLevels
from rig_capture.recorder.repair.contents import mend_contents
from rig_capture.recorder.repair.repair import final_manifest
from rig_capture.recorder.reserve import SpaceReserve
from rig_capture.recorder.sinks import StreamSink, WriterJobs, do_job, topic_writer
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.recorder.tracks.matroska import MatroskaStream
from rig_capture.recorder.tracks.sound_encoder import SoundSettings
from rig_capture.recorder.worker import WriterThread
from rig_capture.session.atomic import sync_folder, write_atomic
from rig_capture.session.clocks import ClockEntry
from rig_capture.session.layout import SessionLayout, new_recording_id
from rig_capture.session.lock import SessionLock
from rig_capture.session.manifest import (
    EndReason,
    FileEntry,
    Manifest,
    State,
    StreamEntry,
    Trigger,
    content_hash,
    iso_time,
    recording_hash,
    write_manifest,
)
from rig_capture.session.removal import remove_session

log = logging.getLogger(__name__)

_TICK_S = 0.4
"""Every so often what was written is handed to the kernel, and every other time brought to the disk; less than the 0.5 s and
1 s that a crash may cost, since a busy writer comes to it late."""


@dataclass(frozen=True)
class RecordingRequest:
    """What the operator says at start."""

    label: str = ""
    participant: str = ""
    testing_mode: bool = False
    duration_s: float = 0.0
    """0: until it is stopped."""
    topics: tuple[str, ...] = ()
    """Beside those of the profile."""
    trigger: Trigger | None = None
    """What it is saved for: then what is there is recorded, no device is waited for, and it ends with its last trigger's time."""
    lookahead_s: float = 0.0
    """How long it goes on after the trigger."""
    since_ns: int | None = None
    """It begins with what was received since then (look-back), ns since the epoch; None: with its start."""
    recording_id: str = ""
    """Given by the recorder of another machine that records too; empty: a new one."""


@dataclass(frozen=True)
class RecordingContext:
    """What a recording is told of the machine around it."""

    settings: RecorderParameters
    root: Path
    """Folder of all sessions."""
    software: dict[str, str]
    """For the manifest; `ros_distro` also for the bag."""
    profile: dict[str, Any]
    clock_ns: Callable[[], int]
    """ROS time, ns since the epoch."""


class Recording:
    """One session from its folder to its completion mark.

    `add_stream` once per topic, then messages through the sinks, then `finish` or `cancel`, once. A part that fails
    takes no more messages (they are counted as dropped), and the others go on.
    """

    def __init__(self, context: RecordingContext, request: RecordingRequest, on_failure: Callable[[str, BaseException], None]) -> None:
        """Makes the folder, takes the lock, writes the first manifest.

        Args:
            context: the machine around it.
            request: what the operator said.
            on_failure: told, in a writer's thread, which part failed and of what.

        Raises:
            OSError: the folder can't be made or written.
            RecordingError: the bag writer asked for is not there.
        """
        self._context = context
        self.request = request
        self._on_failure = on_failure
        self._definitions = Definitions()
        self._levels = SessionLevels(self._definitions)
        self.clocks = ClockLog()
        self._started_ns = context.clock_ns()
        self._counted_from = time.monotonic()
        if request.since_ns is not None:
            self._counted_from -= (self._started_ns - request.since_ns) / 1e9
            self._started_ns = request.since_ns
        self._triggers: list[Trigger] = []
        self._until = 0.0
        if request.trigger is not None:
            self.add_trigger(request.trigger, request.lookahead_s)
        self._manifest_lock = threading.Lock()
        self._sinks: dict[str, StreamSink] = {}
        self._left_out: dict[str, StreamCounter] = {}
        self._tracks: dict[str, MatroskaStream] = {}
        self._threads: list[WriterJobs] = []
        self.recording_id = request.recording_id or new_recording_id(self._started_ns)
        self.layout = SessionLayout(context.root / self.recording_id)
        self._files = FileList(self.layout.path, self._file_hashed, lambda failure: on_failure("files", failure))
        self._parts_failed: list[str] = []
        self._failure: BaseException | None = None
        self._held = contextlib.ExitStack()
        context.root.mkdir(parents=True, exist_ok=True)
        self.layout.path.mkdir()
        try:
            self._open()
        except BaseException:
            self._files.end()
            self._held.close()
            shutil.rmtree(self.layout.path)
            raise

    def _open(self) -> None:
        settings = self._context.settings
        self._held.enter_context(SessionLock(self.layout.path))
        if self.request.participant:
            write_atomic(self.layout.participant, (self.request.participant.strip() + "\n").encode())
            self._files.add(FinishedFile(self.layout.participant, "participant"))
        self._reserve = SpaceReserve(self.layout.reserve)
        self._reserve.take()
        self.write_down()
        sync_folder(self._context.root)
        ros_distro = self._context.software.get("ros_distro", "")
        self._bag = open_bag(self.layout.bag, settings, self.recording_id, ros_distro, self._files.add)
        self._bag_thread = self._start_thread("bag", self._bag.flush, self._bag.close)
        self.health = HealthFile(self.layout.health, self._files.add)
        self.health.thread = self._start_thread("health", self.health.sync, self.health.close)

    @property
    def elapsed_s(self) -> float:
        """Since every required device was being written; of an event, since the look-back's begin."""
        return time.monotonic() - self._counted_from

    @property
    def counters(self) -> list[StreamCounter]:
        """Of each stream what was written and lost so far."""
        return [sink.counter for sink in list(self._sinks.values())]

    @property
    def encoders(self) -> list[str]:
        """What encodes raw pictures, such as ``ffmpeg libx264``."""
        return sorted({str(counter.settings["encoder"]) for counter in self.counters if "encoder" in counter.settings})

    @property
    def bytes(self) -> int:
        """Bytes of all messages written so far."""
        return sum(counter.bytes for counter in self.counters)

    def add_stream(self, spec: StreamSpec, topic: str, offered_qos: Sequence[dict[str, Any]]) -> StreamSink:
        """Opens what a stream needs, before its first message.

        Args:
            spec: the stream.
            topic: its absolute name.
            offered_qos: of its publishers, for the bag's metadata.

        Raises:
            UnknownType: the type's definition is not installed.
            OSError: the stream's folder can't be made.
        """

        def make(spec: StreamSpec, counter: StreamCounter) -> StreamSink:
            return self._topic_sink(spec, counter, topic, offered_qos) if spec.kind == "topic" else self._matroska_sink(spec, counter)

        if spec.kind == "video" and spec.type in IMAGE_TYPES:
            sink: StreamSink = UndecidedSink(spec, self._definitions, make)
        else:
            sink = make(spec, StreamCounter(spec))
        self._sinks[spec.name] = sink
        return sink

    def count_from_now(self) -> None:
        """Every required device is being written: whoever asked for ten seconds gets ten of each."""
        if self.request.trigger is None:
            self._counted_from = time.monotonic()

    def leave_out(self, spec: StreamSpec, why: str) -> None:
        """Puts a stream on record that can't be recorded, however far its opening got."""
        self._sinks.pop(spec.name, None)
        self._left_out[spec.name] = StreamCounter(spec, note=why)

    def add_trigger(self, trigger: Trigger, lookahead_s: float) -> None:
        """Puts an event on record; the recording goes on at least so many seconds, unless it is stopped."""
        self._triggers.append(trigger)
        self._until = max(self._until, time.monotonic() + lookahead_s)

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        timed = self.request.trigger is not None or self.request.duration_s > 0
        return timed and self.elapsed_s >= self.request.duration_s and time.monotonic() >= self._until

    def write_down(self) -> None:
        """Brings the manifest to the disk with all streams known so far, so that a crash leaves their names. Raises OSError."""
        with self._manifest_lock:
            write_manifest(self.layout.path, self._manifest("recording", None))

    def stop(self, state: State, end_reason: EndReason) -> Unfinished:
        """Writes what waits and closes all files; what is left to do, such as hashes, is on a note in the session's folder.

        Files of a part that failed are mended as after a crash, so that everything written before can be read.

        Raises:
            OSError: manifest or note can't be written; the session stays interrupted, with all its data.
        """
        self._stop_threads()
        left = self._files.end()
        self._reserve.release()
        if self._failure is not None and end_reason in ("stopped", "duration"):
            end_reason = end_reason_for(self._failure)  # it may have failed at the very end only
        manifest = self._manifest("recording", end_reason)
        if self._parts_failed:
            contents = mend_contents(self.layout, manifest, self._context.clock_ns(), lambda what, done, total: None)
            manifest = final_manifest(manifest, contents, "recording", end_reason, self._context.clock_ns())
            left = ()
        write_manifest(self.layout.path, manifest)
        write_note(self.layout.path, FinishingNote(state=state, files=left, merge=self._merge_wish(state)))
        bytes_left = sum(self.layout.resolve(file.path).stat().st_size for file in left)
        return Unfinished(self.layout.path, self._held.close, summary_of(self.layout.path, manifest, state, bytes_left=bytes_left))

    def finish(self, state: State, end_reason: EndReason) -> RecordingSummary:
        """`stop`, and all that is left to do, up to the completion mark.

        Raises:
            OSError: a file can't be written; the session stays unmarked, with all its data.
        """
        unfinished = self.stop(state, end_reason)
        try:
            return finish_session(unfinished.session)
        finally:
            unfinished.release()

    def drop(self) -> RecordingSummary:
        """Ends the recording and removes its folder. Raises OSError."""
        self._stop_threads()
        self._files.end()
        self._reserve.release()
        manifest = self._manifest("cancelled", "stopped")
        digest = write_manifest(self.layout.path, manifest)
        remove_session(self.layout.path)
        self._held.close()
        return summary_of(self.layout.path, manifest, "cancelled", digest)

    def release(self) -> None:
        """Gives up the lock, so that somebody else may repair what could not be ended; more than once is no harm."""
        self._held.close()

    def cancel(self, *, keep_data: bool) -> RecordingSummary:
        """Ends the recording so that it will not be uploaded; its folder is removed unless it is to be kept. Raises OSError."""
        return self.finish("cancelled", "stopped") if keep_data else self.drop()

    def _merge_wish(self, state: State) -> MergeWish | None:
        settings = self._context.settings
        if not settings.merge or state != "complete":
            return None
        return MergeWish(keep_chunks=settings.keep_chunks, topics=settings.merge_topics)

    def _topic_sink(self, spec: StreamSpec, counter: StreamCounter, topic: str, offered_qos: Sequence[dict[str, Any]]) -> StreamSink:
        definitions = self._definitions
        counter.tells_of_changes = tells_of_changes(offered_qos)
        described = BagTopic(topic, spec.type, definitions.text(spec.type), definitions.type_hash(spec.type), offered_qos)
        # The bag belongs to its thread, so the topic is made known there, ahead of its messages.
        self._bag_thread.put((lambda data, received_ns: self._bag.add_topic(described), b"", 0), 0)
        write = topic_writer(self._bag, topic, counter, has_header=definitions.starts_with_header(spec.type))
        if spec.type == AUDIO_LEVEL:
            write = self._levels.watched(spec.name, write)
        return StreamSink(counter, self._bag_thread, write)

    def _matroska_sink(self, spec: StreamSpec, counter: StreamCounter) -> StreamSink:
        settings, name = self._context.settings, spec.name
        sound = SoundSettings(settings.audio_codec, settings.audio_bitrate)
        track = MatroskaStream(self.layout, name, settings.chunk_s, self.recording_id, self._files.add, sound)
        self._tracks[name] = track
        work = track_work(spec, track, counter, self._definitions, settings)
        return StreamSink(counter, self._start_thread(name, work.tick, work.close), work.write)

    def _start_thread(self, name: str, tick: Callable[[], None], close: Callable[[], None]) -> WriterJobs:
        thread: WriterJobs = WriterThread(
            name,
            write=do_job,
            tick=tick,
            close=close,
            on_failure=lambda failure: self._part_failed(name, failure),
            limit_bytes=self._context.settings.queue_mb * 10**6,
            tick_s=_TICK_S,
        )
        self._threads.append(thread)
        thread.start()
        return thread

    def _stop_threads(self) -> None:
        for thread in self._threads:
            thread.end()
        for thread in self._threads:
            thread.join()

    def _part_failed(self, name: str, failure: BaseException) -> None:
        log.error("%s: writing %s failed: %s", self.recording_id, name, failure)
        self._parts_failed.append(name)
        self._failure = self._failure or failure
        self._on_failure(name, failure)

    def _file_hashed(self, entry: FileEntry) -> None:
        """A finished file is on the manifest; called in the hashing thread."""
        if entry.kind in ("bag", "video", "audio"):
            self.write_down()

    def _manifest(self, state: State, end_reason: EndReason | None) -> Manifest:
        settings = self._context.settings
        files = self._files.entries
        return Manifest(
            recording_id=self.recording_id,
            recording_hash=recording_hash(self.recording_id, settings.rig),
            content_hash=None if state == "recording" else content_hash(files),
            rig=settings.rig,
            node_hostname=host_name(),
            node_id=node_id(),
            site=settings.site,
            room=settings.room,
            organisation=settings.organisation,
            tags=settings.tags,
            started_at=iso_time(self._started_ns),
            ended_at=None if end_reason is None else iso_time(self._context.clock_ns()),
            state=state,
            end_reason=end_reason,
            testing_mode=self.request.testing_mode,
            label=self.request.label,
            participant=self.request.participant.strip(),
            trigger=tuple(self._triggers),
            files=files,
            streams=self._streams(),
            clock={host_name(): ClockEntry()} | self.clocks.entries,
            profile=self._context.profile,
            software=self._context.software | self._encoder_software(),
        )

    def _streams(self) -> dict[str, StreamEntry]:
        rows = {name: stream_entry(counter, self._tracks.get(name)) for name, counter in self._all_counters()}
        return {name: with_levels(row, self._levels.of(name)) for name, row in rows.items()}

    def _all_counters(self) -> list[tuple[str, StreamCounter]]:
        return [*self._left_out.items(), *((name, sink.counter) for name, sink in list(self._sinks.items()))]

    def _encoder_software(self) -> dict[str, str]:
        return {"encoder": ", ".join(self.encoders)} if self.encoders else {}


def end_reason_for(failure: BaseException) -> EndReason:
    """Why a recording ends when a writer dies of this."""
    full = isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT)
    return "disk_full" if full else "error"
