"""Which problems of a whole rig are open, told from its events."""

from collections import OrderedDict
from collections.abc import Iterable

from rig_capture.health.catalogue import lasts
from rig_capture.health.events import Event, Severity

_MOST = 1000
"""Problems that are kept; beyond that the oldest are forgotten, since nobody reads so many."""
_REMEMBERED = 10_000


class OpenProblems:
    """Problems that have begun and not ended. Not safe between threads by itself."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        """Begins with what past events leave open."""
        self._open: OrderedDict[tuple[str, str, str], Event] = OrderedDict()
        for event in events:
            self.see(event)

    def is_new(self, event: Event) -> bool:
        """Whether an event changes anything: not so a problem that is open already, or the end of one that is not."""
        return not lasts(event.code) or (event.key in self._open) == event.recovered

    def see(self, event: Event) -> bool:
        """Takes an event; returns what `is_new` said of it."""
        if not self.is_new(event):
            return False
        if event.recovered:
            self._open.pop(event.key, None)
        elif lasts(event.code):
            self._open[event.key] = event
            if len(self._open) > _MOST:
                self._open.popitem(last=False)
        return True

    def __contains__(self, key: tuple[str, str, str]) -> bool:
        return key in self._open

    def __len__(self) -> int:
        return len(self._open)

    @property
    def events(self) -> list[Event]:
        """With which each began, oldest first."""
        return list(self._open.values())

    @property
    def worst_first(self) -> list[Event]:
        """With which each began."""
        return sorted(self._open.values(), key=lambda event: (-event.severity, event.stamp_ns))


class Seen:
    """Remembers the last events, so that one that is heard again, as from a latched topic, is known."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[tuple[str, str, str], int, bool], None] = OrderedDict()

    def __contains__(self, event: Event) -> bool:
        return self._identity(event) in self._seen

    def add(self, event: Event) -> None:
        """Remembers an event."""
        self._seen[self._identity(event)] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def discard(self, event: Event) -> None:
        """Forgets an event."""
        self._seen.pop(self._identity(event), None)

    @staticmethod
    def _identity(event: Event) -> tuple[tuple[str, str, str], int, bool]:
        return event.key, event.stamp_ns, event.recovered


def ended(event: Event, now_ns: int, why: str) -> Event:
    """The recovery of a problem that nobody will end any more."""
    seconds = round(max(0, now_ns - event.stamp_ns) / 1e9, 3)
    return event.model_copy(
        update={"stamp_ns": now_ns, "recovered": True, "severity": Severity.INFO, "message": why, "evidence": {"lasted_s": seconds}}
    )
