"""Whether the files of a recording grow while messages come: what is stuck, or never was written, is seen before the end."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.recording import Recording
from rig_capture.recorder.streams import StreamCounter

BAG = "bag"


@dataclass(frozen=True)
class Growth:
    """How one part of a recording, a stream's folder or the bag, stands now."""

    part: str
    """Name of the stream, or ``bag``."""
    stalled: bool
    """It has not grown for the time set, though messages came."""
    file: str
    """The newest one, relative to the session; empty where there is none."""
    size: int
    """Bytes of that."""
    unwritten_s: float
    """For how long messages have come without its growing."""
    last_message_s: float
    """Seconds since the last message."""

    @property
    def text(self) -> str:
        """For people."""
        what = f"{self.file} stays at {self.size} bytes" if self.file else f"{self.part} has no file"
        return (
            f"{what} for {self.unwritten_s:.0f} s while messages come; is the disk stuck? (its messages wait, or are dropped and counted)"
        )


@dataclass
class _Part:
    sign: tuple[int, str, int]
    """Number of files, name and size of the newest: other ones show growth."""
    heard: float
    """When the last message came that may be written already."""
    waiting_since: float | None = None


class GrowthWatch:
    """Looks at the parts of one recording, again and again."""

    def __init__(self, recording: Recording, settings: RecorderSettings) -> None:
        """Has not looked yet."""
        self._recording, self._settings = recording, settings
        self._parts: dict[str, _Part] = {}

    def look(self, now: float) -> list[Growth]:
        """How every part stands that a message has come for.

        Args:
            now: monotonic time, s.

        Raises:
            OSError: the session's folder can't be read.
        """
        if self._recording.elapsed_s < self._settings.growth_grace_s:
            return []
        return [self._growth(part, folder, heard, now) for part, folder, heard in self._heard()]

    def _heard(self) -> Iterator[tuple[str, Path, float]]:
        """Each part with its folder, and when the last message for it came."""
        layout, counters = self._recording.layout, self._recording.counters
        in_bag = [counter.last_heard for counter in counters if counter.spec.kind == "topic" and counter.last_heard is not None]
        if in_bag:
            yield BAG, layout.bag, max(in_bag)
        for counter in counters:
            if counter.spec.kind != "topic" and counter.last_heard is not None:
                yield counter.spec.name, layout.stream(counter.spec.name), counter.last_heard

    def _growth(self, name: str, folder: Path, heard: float, now: float) -> Growth:
        sign = _newest(folder)
        part = self._parts.get(name)
        if part is None or part.sign != sign:
            part = self._parts[name] = _Part(sign, heard)
        elif heard > part.heard and part.waiting_since is None:
            part.waiting_since = now
        unwritten_s = 0.0 if part.waiting_since is None else now - part.waiting_since
        file = f"{folder.name}/{sign[1]}" if sign[1] else ""
        return Growth(name, unwritten_s >= self._settings.growth_stall_s, file, sign[2], unwritten_s, now - heard)


def too_small(session: Path, counters: Iterable[StreamCounter], least_bytes: int) -> Iterator[str]:
    """Says of each stream of video or sound that messages came, and that its files hold next to nothing.

    Args:
        session: its folder; the files are closed.
        counters: of its streams.
        least_bytes: that the files of a stream are to hold together.

    Raises:
        OSError: a file can't be looked at.
    """
    for counter in counters:
        if counter.spec.kind == "topic" or counter.last_heard is None:
            continue
        size = sum(path.stat().st_size for path in (session / counter.spec.name).glob("*.mkv"))
        if size < least_bytes:
            yield f"{counter.spec.name}: messages came, but its files hold {size} bytes (at least {least_bytes} are expected)"


def _newest(folder: Path) -> tuple[int, str, int]:
    """Number of files, and name and size of the last one that holds data."""
    names = [path.name for path in folder.iterdir() if path.suffix in (".mkv", ".mcap")] if folder.is_dir() else []
    if not names:
        return 0, "", 0
    newest = max(names, key=lambda name: (len(name), name))
    return len(names), newest, (folder / newest).stat().st_size
