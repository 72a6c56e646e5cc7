"""Streams at times of our own: the samples around a time that only goes forward, and values made of them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import inf
from typing import Any, Generic, TypeVar

from rig_capture.exporting.fields import Column
from rig_capture.exporting.wish import LONGEST_HOLE_NS, Method
from rig_capture.session.manifest import Gap

T = TypeVar("T")

_SHORTEST_GAP_NS = 1_000_000_000
"""The recorder takes nothing shorter for a gap of a topic."""


class Follower(Generic[T]):
    """Goes along a stream with a time that never goes back; two samples are held."""

    def __init__(self, samples: Iterator[tuple[int, T]]) -> None:
        """As `samples`: (stamp in ns, sample). Such whose stamp is not later than the one before are passed over."""
        self._samples = samples
        self.passed_over = 0
        self.before: tuple[int, T] | None = None
        """The last sample that is not after the time."""
        self.after: tuple[int, T] | None = next(samples, None)
        """The first sample after it; None at the end."""

    def move(self, time_ns: int) -> None:
        """Goes on to a time, ns."""
        while self.after is not None and self.after[0] <= time_ns:
            self.before, self.after = self.after, self._next(self.after[0])

    def nearest(self, time_ns: int) -> tuple[int, T] | None:
        """The sample closest to the time it was moved to; None of a stream without any."""
        if self.before is None or self.after is None:
            return self.before or self.after
        return self.before if time_ns - self.before[0] <= self.after[0] - time_ns else self.after

    def _next(self, last_ns: int) -> tuple[int, T] | None:
        for sample in self._samples:
            if sample[0] > last_ns:
                return sample
            self.passed_over += 1
        return None


class Resampled:
    """Rows of a topic at times of our own.

    The nearest message counts anywhere between its neighbours, but before the first message, after the last and in gaps on record
    only so far as `reach_ns`. Linear interpolation happens between two messages, and never across a gap on record; what is true or
    false is taken from the nearest.
    """

    def __init__(
        self, rows: Iterator[tuple[int, Sequence[Any]]], columns: Sequence[Column], gaps: Sequence[Gap], method: Method, reach_ns: float
    ) -> None:
        self._follower = Follower(rows)
        self._columns, self._method, self._reach_ns = columns, method, reach_ns if method == "nearest" else 0
        self._gaps = deque(sorted(gaps, key=lambda gap: gap.from_ns))
        self._nothing = [None] * len(columns)

    @property
    def first_ns(self) -> int | None:
        """Stamp of the first row, before anything was asked for; None where there is none."""
        return self._follower.after[0] if self._follower.after is not None else None

    @property
    def passed_over(self) -> int:
        """Rows whose stamps went back."""
        return self._follower.passed_over

    def wait_ns(self, time_ns: int) -> float:
        """How long nothing comes from a time on that is not before the last one asked for, ns; infinite at the end.

        Between messages it is 0, except where a clock was set between them.
        """
        self._follower.move(time_ns)
        before, after = self._follower.before, self._follower.after
        if before is not None and time_ns - before[0] <= self._reach_ns:
            return 0
        if after is None:
            return inf
        return 0 if before is not None and after[0] - before[0] <= LONGEST_HOLE_NS else after[0] - time_ns

    def at(self, time_ns: int) -> Sequence[Any]:
        """Values at a time, ns, that is not before the last one asked for; None where there are none."""
        self._follower.move(time_ns)
        before, after, nearest = self._follower.before, self._follower.after, self._follower.nearest(time_ns)
        if nearest is None:
            return self._nothing
        in_gap = self._is_in_gap(time_ns)
        between = before is not None and after is not None and not in_gap
        if self._method == "nearest":
            return nearest[1] if between or abs(nearest[0] - time_ns) <= self._reach_ns else self._nothing
        if before is not None and before[0] == time_ns:
            return before[1]
        if before is None or after is None or in_gap:
            return self._nothing
        share = (time_ns - before[0]) / (after[0] - before[0])
        return [
            _between(a, b, share) if column.is_number else value
            for column, a, b, value in zip(self._columns, before[1], after[1], nearest[1], strict=True)
        ]

    def _is_in_gap(self, time_ns: int) -> bool:
        while self._gaps and self._gaps[0].to_ns <= time_ns:
            self._gaps.popleft()
        if not self._gaps or time_ns <= self._gaps[0].from_ns:
            return False
        gap, before, after = self._gaps[0], self._follower.before, self._follower.after
        if before is None or after is None:
            return True
        # With messages inside it stands for many gaps, as the last one of very many does.
        is_one = before[0] <= gap.from_ns and after[0] >= gap.to_ns
        return is_one or after[0] - before[0] > _SHORTEST_GAP_NS


def times(first_ns: int, step_ns: float) -> Iterator[int]:
    """Times without end, ns, that do not drift from the rate."""
    return (first_ns + round(index * step_ns) for index in count())


def common_times(topics: Sequence[Resampled], step_ns: float, on_hole: Callable[[int, float], None]) -> Iterator[int]:
    """Times, ns, from the first message of all topics to the last.

    Args:
        topics: of which nothing was asked yet.
        step_ns: between two times.
        on_hole: told of the time and the length, ns, where a clock was set in between, before that is passed over.
    """
    firsts = [topic.first_ns for topic in topics if topic.first_ns is not None]
    index = 0
    while firsts:
        time_ns = min(firsts) + round(index * step_ns)
        wait_ns = min(topic.wait_ns(time_ns) for topic in topics)
        if wait_ns == inf:
            return
        if wait_ns > LONGEST_HOLE_NS:
            on_hole(time_ns, wait_ns)
            index += int(wait_ns / step_ns)
        else:
            yield time_ns
            index += 1


def reach_ns(rate_hz: float | None, step_ns: float) -> float:
    """How far a sample counts where it has no neighbour, ns: half a step, or half the time to the stream's next one where that is less."""
    return min(step_ns, 1e9 / rate_hz if rate_hz else step_ns) / 2


def _between(a: float | None, b: float | None, share: float) -> float | None:
    return None if a is None or b is None else a + (b - a) * share
