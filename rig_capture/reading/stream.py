"""What all streams of a session have in common."""

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from rig_capture.reading.common_clock import ClockFit, on_common_clock
from rig_capture.reading.errors import ExtraMissing, Incomplete
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import Manifest, StreamEntry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where streams are read from."""

    layout: SessionLayout
    manifest: Manifest
    strict: bool
    """Whether what is missing is raised; else it is logged."""
    fits: Mapping[str, ClockFit] = field(default_factory=dict)
    """By host: what lays its stamps onto the common clock; empty where stamps are given as they are."""

    @property
    def unfinished(self) -> str:
        """Why files and counts of the manifest are not the last word; empty where they are."""
        if self.manifest.state != "recording" or self.layout.finishing.exists():
            return ""
        if is_locked(self.layout.path):
            return "the session is being recorded right now"
        return "the session's recorder ended without finishing it; `rig repair` does"


class Tally:
    """Counts what is read out of a stream, and tells at the end what is missing."""

    def __init__(self, source: Source, name: str) -> None:
        self._source, self._name = source, name
        self.read = 0
        self.last_ns: int | None = None
        self.reasons: list[str] = []

    def count(self, stamp_ns: int) -> None:
        """One more was read."""
        self.read += 1
        self.last_ns = stamp_ns

    def failed(self, error: object) -> None:
        """Something could not be read, and is told at the end."""
        self.reasons.append(str(error))

    def close(self, expected: int | None, expected_last_ns: int | None, *, to_the_end: bool) -> None:
        """All that can be read was read.

        Args:
            expected: how many there should have been; None where that is not known.
            expected_last_ns: stamp of the last of them, ns.
            to_the_end: whether the stream's end was asked for.

        Raises:
            Incomplete: something is missing.
        """
        if to_the_end and self._source.unfinished:
            self.reasons.append(self._source.unfinished)
        if not self.reasons and (expected is None or self.read >= expected):
            return
        error = Incomplete(self._name, self.read, expected, self.last_ns, expected_last_ns, self.reasons)
        if self._source.strict:
            raise error
        log.warning("%s: %s", self._source.layout.path, error)


class Stream:
    """One stream of a session. Each iterator reads by itself; several may be at work at once."""

    def __init__(self, source: Source, name: str, entry: StreamEntry) -> None:
        self._source = source
        self.name = name
        """As the session's manifest has it."""
        self.clock = source.fits.get(entry.host)
        """What its stamps are laid onto the common clock by; None: they are given as they were recorded."""
        self.entry = entry if self.clock is None else on_common_clock(entry, self.clock)
        """What the manifest says: topic, type, codec, settings, messages, first and last stamp, rate, losses, gaps."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.entry.messages} messages>"

    def _of_host(self, stamp_ns: int | None) -> int | None:
        """The beginning or end of a span, as the host's own clock had it."""
        return stamp_ns if stamp_ns is None or self.clock is None else self.clock.to_host(stamp_ns)

    def _stamp_of(self, stamp_ns: int) -> int:
        """A stamp as it is given to who reads."""
        return stamp_ns if self.clock is None else self.clock.to_common(stamp_ns)

    @property
    def folder(self) -> Path:
        """Where its files are, of video and sound."""
        return self._source.layout.stream(self.name)


def pandas_module() -> ModuleType:
    """Pandas. Raises ExtraMissing."""
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise ExtraMissing("to_pandas()", "pandas", error) from error


def within(stamp_ns: int, start_ns: int | None, stop_ns: int | None) -> bool:
    """Whether a stamp is in a span; its end is not part of it."""
    return (start_ns is None or stamp_ns >= start_ns) and (stop_ns is None or stamp_ns < stop_ns)
