"""Health of the streams of a recording: which ones that must deliver have fallen silent, and which are back."""

from collections.abc import Iterable
from dataclasses import dataclass

from rig_capture.recorder.streams import StreamCounter


@dataclass(frozen=True)
class StreamHealth:
    """A stream that fell silent, or that delivers again."""

    stream: str
    topic: str
    silent_s: float
    """How long it has been silent; where it is back, how long it was."""
    timeout_s: float
    """From when on that counts."""
    recovered: bool

    @property
    def text(self) -> str:
        """For people."""
        if self.recovered:
            return f"{self.topic}: delivers again after {self.silent_s:.1f} s"
        return f"{self.topic}: silent for {self.silent_s:.1f} s; is its device connected and its node up? (`rig status` tells)"


class StreamWatch:
    """Looks at the streams of one recording, and tells each change once."""

    def __init__(self, timeout_s: float) -> None:
        """Knows no stream yet.

        Args:
            timeout_s: silence that counts, for streams that name none of their own.
        """
        self.silent_s = timeout_s
        """May be changed while looking."""
        self._silent: dict[str, StreamHealth] = {}
        self._since: dict[str, float] = {}

    @property
    def silent(self) -> list[StreamHealth]:
        """Streams that are silent now, as they were when that was noticed."""
        return list(self._silent.values())

    def look(self, counters: Iterable[StreamCounter], now: float) -> list[StreamHealth]:
        """What has changed since the last look.

        Args:
            counters: of all streams; those that are not required may be silent.
            now: monotonic time, s.
        """
        return [change for counter in counters if counter.spec.required and (change := self._change(counter, now)) is not None]

    def _change(self, counter: StreamCounter, now: float) -> StreamHealth | None:
        name = counter.spec.name
        timeout_s = counter.spec.timeout_s or self.silent_s
        # One that has never been heard is given as long as one that has.
        heard = counter.last_heard if counter.last_heard is not None else self._since.setdefault(name, now)
        silent_s = max(0.0, now - heard)
        before = self._silent.get(name)
        if before is None and silent_s > timeout_s:
            self._since[name] = heard
            self._silent[name] = StreamHealth(name, counter.spec.topic, silent_s, timeout_s, recovered=False)
            return self._silent[name]
        if before is not None and silent_s <= timeout_s:
            del self._silent[name]
            return StreamHealth(name, counter.spec.topic, max(0.0, heard - self._since[name]), timeout_s, recovered=True)
        return None
