"""A session, opened."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn

from rig_capture.health.events import Event, EventError
from rig_capture.reading.audio import AudioStream
from rig_capture.reading.common_clock import ClockFit, clocks_of, common_clock, need_common_clock
from rig_capture.reading.errors import UnknownStream
from rig_capture.reading.stream import Source, Tally
from rig_capture.reading.topic import TopicStream
from rig_capture.reading.video import VideoStream
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import Manifest, StreamKind, read_manifest

AnyStream = VideoStream | AudioStream | TopicStream

_CLASSES: dict[StreamKind, type[AnyStream]] = {"video": VideoStream, "audio": AudioStream, "topic": TopicStream}


log = logging.getLogger(__name__)

ClockChoice = Literal["host", "common"]
"""By which clock stamps are given: that of the host that took them, or one for all hosts."""


def open_session(path: str | Path, *, strict: bool = True, clock: ClockChoice = "host") -> "Session":
    """A session to be read. Files are opened only while something is read from them, so there is nothing to close.

    Args:
        path: its folder.
        strict: whether an iterator raises at its end where something is missing; else that is only logged.
        clock: ``host``: stamps as they were taken, each by the clock of its host; ``common``: laid onto the reference's clock by what the
            manifest has measured. Streams that several hosts publish (such as ``/diagnostics``) keep theirs.

    Raises:
        SessionError: there is no manifest that can be read.
        NoCommonClock: the clock of a host was not measured; where `strict` is false that is logged, and its streams keep their stamps.
    """
    return Session(Path(path).absolute(), strict=strict, clock=clock)


class Session:
    """A session: what its manifest says, and its streams."""

    def __init__(self, path: Path, *, strict: bool = True, clock: ClockChoice = "host") -> None:
        """As `open_session`."""
        self.path = path
        """Its folder."""
        self.manifest: Manifest = read_manifest(path)
        """Who recorded what, when, and what was lost."""
        self.clocks: dict[str, ClockFit | None] = clocks_of(self.manifest)
        """By host, the line through what was measured of its clock; None where nothing was."""
        self._source = Source(SessionLayout(path), self.manifest, strict, self._fits(strict=strict) if clock == "common" else {})
        self.streams: dict[str, AnyStream] = {
            name: _CLASSES[entry.kind](self._source, name, entry) for name, entry in sorted(self.manifest.streams.items())
        }
        """All streams by name."""

    def __repr__(self) -> str:
        return f"<Session {self.recording_id} ({self.manifest.state}): {', '.join(self.streams)}>"

    @property
    def recording_id(self) -> str:
        """The same on every machine that took part."""
        return self.manifest.recording_id

    def video(self, name: str) -> VideoStream:
        """A stream of video. Raises UnknownStream."""
        stream = self.streams.get(name)
        return stream if isinstance(stream, VideoStream) else self._unknown(name, "video")

    def audio(self, name: str) -> AudioStream:
        """A stream of sound. Raises UnknownStream."""
        stream = self.streams.get(name)
        return stream if isinstance(stream, AudioStream) else self._unknown(name, "audio")

    def topic(self, name: str) -> TopicStream:
        """A stream of messages, by its name or its topic's. Raises UnknownStream."""
        stream = self.streams.get(name) or self.streams.get(name.strip("/"))
        return stream if isinstance(stream, TopicStream) else self._unknown(name, "topic")

    def health(self) -> Iterator[Event]:
        """Health events while it was recorded, and the problems that were open at its start.

        Raises:
            Incomplete: after the last event, where lines of the file can't be read.
        """
        path, tally = self._source.layout.health, Tally(self._source, "health.jsonl")
        if path.is_file():
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        event = Event.parse(line)
                    except EventError as error:
                        tally.failed(f"{path}: line {number}: {error}")
                        continue
                    tally.count(event.stamp_ns)
                    yield event
        elif any(entry.kind == "health" for entry in self.manifest.files):
            tally.failed(f"{path}: is missing")
        tally.close(None, None, to_the_end=True)

    def _fits(self, *, strict: bool) -> dict[str, ClockFit]:
        if strict:
            return need_common_clock(self.manifest)
        fits, lack = common_clock(self.manifest)
        if lack:
            log.warning("%s: %s", self.path, lack)
        return fits

    def _unknown(self, name: str, kind: StreamKind) -> NoReturn:
        there = ", ".join(found for found, stream in self.streams.items() if stream.entry.kind == kind) or "none"
        raise UnknownStream(f"{self.path}: has no {kind} stream {name!r}; there is: {there}")
