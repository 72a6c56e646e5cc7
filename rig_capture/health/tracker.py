"""Which problems are open: one change when a problem begins, one when it ends, and none in between.

Pure: the time comes from who calls. What keeps a value that wavers from being told again and again is `Above` and `Below`
(another limit for the end than for the beginning) and `Hold` (so long it must last, so long it must be over).
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Hold:
    """How long something must be so before it counts."""

    on_s: float = 0.0
    """A problem begins once it has lasted so long."""
    off_s: float = 0.0
    """It ends once it has been away so long."""


AT_ONCE = Hold()


class Limit(Protocol):
    """A limit with hysteresis."""

    def passed(self, value: float, *, is_open: bool) -> bool:
        """Whether a value is a problem, given whether there is one already. NaN, a value that is not known, leaves it as it is."""


@dataclass(frozen=True)
class Above:
    """A problem begins at `on` or more, and ends below `off`."""

    on: float
    off: float

    def passed(self, value: float, *, is_open: bool) -> bool:
        return value >= self.on or (is_open and not value < self.off)


@dataclass(frozen=True)
class Below:
    """A problem begins at `on` or less, and ends above `off`."""

    on: float
    off: float

    def passed(self, value: float, *, is_open: bool) -> bool:
        return value <= self.on or (is_open and not value > self.off)


Key = tuple[str, str]
"""A code, and the subject that it befell."""


@dataclass(frozen=True)
class Change:
    """A problem that began or ended."""

    key: Key
    recovered: bool
    lasted_s: float
    """From when it was first seen to now, or to when it was first seen to be over."""


@dataclass
class _Problem:
    since: float
    is_open: bool = False
    well_since: float | None = None


class ProblemTracker:
    """One state per code and subject; those that are well take no room. Not safe between threads by itself."""

    def __init__(self) -> None:
        self._problems: dict[Key, _Problem] = {}

    @property
    def open(self) -> list[Key]:
        """Problems that have begun and not ended, in the order in which they were first seen."""
        return [key for key, problem in self._problems.items() if problem.is_open]

    def is_open(self, key: Key) -> bool:
        """Whether a problem has begun and not ended."""
        problem = self._problems.get(key)
        return problem is not None and problem.is_open

    def observe(self, key: Key, *, problem: bool, now: float, hold: Hold = AT_ONCE) -> Change | None:
        """Takes what is seen now. Holds are judged whenever something is observed, so what has holds is to be observed regularly.

        Args:
            key: what is looked at.
            problem: whether it is there.
            now: monotonic time, s; never less than before.
            hold: how long it must last, and be away.

        Returns:
            What changed, if anything.
        """
        state = self._problems.get(key)
        if not problem:
            return None if state is None else self._well(key, state, now, hold.off_s)
        if state is None:
            state = self._problems[key] = _Problem(now)
        state.well_since = None
        if state.is_open or now - state.since < hold.on_s:
            return None
        state.is_open = True
        return Change(key, recovered=False, lasted_s=now - state.since)

    def end(self, key: Key, now: float) -> Change | None:
        """Ends a problem at once, whatever its holds; None where it is not open."""
        return self.observe(key, problem=False, now=now)

    def _well(self, key: Key, state: _Problem, now: float, off_s: float) -> Change | None:
        if state.well_since is None:
            state.well_since = now
        if state.is_open and now - state.well_since < off_s:
            return None
        del self._problems[key]
        return Change(key, recovered=True, lasted_s=state.well_since - state.since) if state.is_open else None
