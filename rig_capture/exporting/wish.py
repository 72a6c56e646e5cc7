"""What an export is to be, and what it came to."""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from rig_capture.exporting.errors import WrongWish
from rig_capture.reading.errors import Incomplete, UnknownStream
from rig_capture.reading.session import AnyStream, ClockChoice, Session
from rig_capture.session.manifest import StreamKind

Format = Literal["lerobot", "parquet", "csv", "wav", "mp4", "foxglove"]
Method = Literal["nearest", "linear"]
Progress = Callable[[str, int, int], None]
"""Told of the stream, and how many of how many of its messages are done. What it raises ends the export."""

T = TypeVar("T")

LONGEST_HOLE_NS = 3600 * 10**9
"""What is longer is no pause, but a clock that was set: no silence, rows or pictures are made for it."""


@dataclass(frozen=True)
class Wish:
    """What an export is to be."""

    format: Format
    rate_hz: float | None = None
    """One common time base of so many rows per second; None: every topic by itself, of lerobot the rate of the first video."""
    method: Method = "nearest"
    """How values between two messages come about."""
    streams: tuple[str, ...] = ()
    """Names; none: all that the format can hold."""
    cut_at_gaps: bool = False
    """Of wav: a new file where samples are missing, instead of silence."""
    encode: bool = False
    """Of mp4: whether video that does not fit may be encoded anew."""
    clock: ClockChoice = "host"
    """By which clock stamps are."""

    def streams_of(self, session: Session, kinds: tuple[StreamKind, ...]) -> list[AnyStream]:
        """The streams that were asked for.

        Raises:
            WrongWish: the format can't hold one of them.
            UnknownStream: the session lacks one.
        """
        if not self.streams:
            return [stream for stream in session.streams.values() if stream.entry.kind in kinds]
        chosen = []
        for name in dict.fromkeys(self.streams):
            stream = session.streams.get(name) or session.streams.get(name.strip("/"))
            if stream is None:
                raise UnknownStream(f"{session.path}: has no stream {name!r}; there is: {', '.join(session.streams) or 'none'}")
            if stream.entry.kind not in kinds:
                raise WrongWish(
                    f"{session.path}: {name} is a stream of kind {stream.entry.kind}; {self.format} takes {' and '.join(kinds)}"
                )
            chosen.append(stream)
        return chosen


@dataclass
class Exported:
    """What one session came to."""

    session: str
    recording_id: str
    format: str
    folder: str
    files: list[dict[str, Any]] = field(default_factory=list)
    """Per file its name, stream, and how many rows, samples or frames it has."""
    losses: list[str] = field(default_factory=list)
    """What could not be read, a sentence each; what is left was exported."""
    left_out: list[str] = field(default_factory=list)
    """What the format can't hold, a sentence each."""
    clock: ClockChoice = "host"
    """By which clock stamps are."""

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Work:
    """One session on its way into a folder."""

    session: Session
    wish: Wish
    folder: Path
    """Temporary; it gets its name when it is whole."""
    exported: Exported
    progress: Progress

    def items(self, stream: AnyStream, items: Iterable[T], *, is_told: bool = True) -> Generator[T, None, None]:
        """All of a stream that can be read, with progress.

        Args:
            stream: the stream.
            items: what is read out of it.
            is_told: whether what can't be read becomes a loss; of what is read twice, the second time.
        """
        total = stream.entry.messages
        try:
            for done, item in enumerate(items):
                if done % _EVERY == 0:
                    self.progress(stream.name, done, max(total, done))
                yield item
        except Incomplete as error:
            if is_told:
                self.exported.losses.append(str(error))

    def add(self, path: Path, stream: str, **counts: int | Mapping[str, int]) -> None:
        """A file is whole."""
        self.exported.files.append({"file": path.relative_to(self.folder).as_posix(), "stream": stream, **counts})


_EVERY = 50


def file_stem(stream: str) -> str:
    """A stream's name as that of a file: ``imu/data_raw`` becomes ``imu.data_raw``."""
    return stream.replace("/", ".")
