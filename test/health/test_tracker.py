"""Problems begin once and end once, whatever the values do in between."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rig_capture.health.tracker import Above, Below, Change, Hold, ProblemTracker

KEY = ("too_hot", "cpu0")
STEPS = st.lists(st.tuples(st.floats(0.01, 10.0), st.booleans()), max_size=60)
HOLDS = st.builds(Hold, st.floats(0.0, 10.0), st.floats(0.0, 10.0))


def test_a_problem_is_told_once_and_its_end_once() -> None:
    tracker = ProblemTracker()
    seen = [tracker.observe(KEY, problem=problem, now=now) for now, problem in enumerate((False, True, True, True, False, False))]
    assert seen == [None, Change(KEY, recovered=False, lasted_s=0), None, None, Change(KEY, recovered=True, lasted_s=3), None]


def test_what_does_not_last_does_not_count() -> None:
    tracker, hold = ProblemTracker(), Hold(on_s=2.0, off_s=3.0)
    at = {now: tracker.observe(KEY, problem=now in {1, 3, 4, 5, 7, 8}, now=float(now), hold=hold) for now in range(14)}
    assert {now: change.recovered for now, change in at.items() if change} == {5: False, 12: True}
    assert at[12] == Change(KEY, recovered=True, lasted_s=6.0), "from when it was first seen to when it was first away for good"


@given(STEPS, HOLDS)
def test_beginnings_and_ends_take_turns_and_keep_their_holds(steps: list[tuple[float, bool]], hold: Hold) -> None:
    tracker, now = ProblemTracker(), 0.0
    seen: list[tuple[float, bool]] = []
    changes: list[tuple[float, Change]] = []
    for step, problem in steps:
        now += step
        seen.append((now, problem))
        if (change := tracker.observe(KEY, problem=problem, now=now, hold=hold)) is not None:
            changes.append((now, change))
        assert tracker.is_open(KEY) == (bool(changes) and not changes[-1][1].recovered)
        assert tracker.open == ([KEY] if tracker.is_open(KEY) else [])
    assert [change.recovered for _, change in changes] == [bool(number % 2) for number in range(len(changes))]
    for at, change in changes:
        held = hold.off_s if change.recovered else hold.on_s
        # What it says now, it has said all the time of the hold.
        last_other = max((when for when, problem in seen if when <= at and problem == change.recovered), default=None)
        first_same = next(when for when, problem in seen if problem != change.recovered and (last_other is None or when > last_other))
        assert at - first_same >= held


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 100), st.floats(0, 50))
def test_a_value_between_its_limits_changes_nothing(values: list[float], on: float, width: float) -> None:
    for limit in (Above(on, on - width), Below(on, on + width)):
        states = [False]
        for value in values:
            states.append(limit.passed(value, is_open=states[-1]))
            if min(on, limit.off) < value < max(on, limit.off):
                assert states[-1] == states[-2]
            assert limit.passed(math.nan, is_open=states[-1]) == states[-1], "a value that is not known changes nothing"
        for value, (before, after) in zip(values, pairwise(states), strict=True):
            if before != after:
                assert limit.passed(value, is_open=False) == after


def test_subjects_have_states_of_their_own_and_what_is_well_takes_no_room() -> None:
    tracker = ProblemTracker()
    for number in range(1000):
        assert tracker.observe(("clipping", str(number)), problem=False, now=0.0) is None
    tracker.observe(("clipping", "1"), problem=True, now=1.0)
    tracker.observe(("clipping", "2"), problem=True, now=2.0)
    assert tracker.open == [("clipping", "1"), ("clipping", "2")]
    ended = tracker.end(("clipping", "1"), 5.0)
    assert ended is not None
    assert ended.lasted_s == 4.0
    assert tracker.end(("clipping", "1"), 6.0) is None
    assert len(tracker._problems) == 1
