"""Values at times of our own come from the messages around them, and never from across a gap."""

from math import inf

import pytest

from rig_capture.exporting.fields import Column
from rig_capture.exporting.following import Resampled, common_times
from rig_capture.exporting.wish import Method
from rig_capture.session.manifest import Gap

SECOND = 10**9
NUMBER, FLAG = Column("number", "double"), Column("flag", "bool")


def resampled(stamps: list[int], gaps: list[tuple[int, int]], method: Method) -> Resampled:
    rows = iter([(stamp, [stamp / SECOND, stamp % (2 * SECOND) == 0]) for stamp in stamps])
    entries = [Gap(from_ns=start, to_ns=end, reason="test") for start, end in gaps]
    return Resampled(rows, [NUMBER, FLAG], entries, method, SECOND / 10)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("nearest", [None, [0.0, True], [0.0, True], [1.0, False], [2.0, True], None, [6.0, True], None]),
        ("linear", [None, None, [0.4, True], [0.6, False], None, None, None, None]),
    ],
)
def test_values_are_between_messages_and_gaps_are_empty(method: Method, expected: list[list[float | bool] | None]) -> None:
    topic = resampled([0, SECOND, 2 * SECOND, 6 * SECOND], [(2 * SECOND, 6 * SECOND)], method)
    times = [-0.2, -0.05, 0.4, 0.6, 2.05, 4.0, 6.05, 6.2]
    values = [topic.at(round(time * SECOND)) for time in times]
    for found, each in zip(values, expected, strict=True):
        assert list(found) == ([None, None] if each is None else [pytest.approx(each[0]), each[1]])
    assert topic.wait_ns(7 * SECOND) == inf


def test_a_gap_that_stands_for_many_empties_only_what_is_long() -> None:
    stamps = [0, SECOND // 2, 3 * SECOND, 3 * SECOND + SECOND // 2, 9 * SECOND]
    topic = resampled(stamps, [(0, 9 * SECOND)], "linear")
    times = [0.25, 2.0, 3.25, 5.0, 9.0]
    assert [topic.at(round(time * SECOND))[0] for time in times] == [0.25, None, 3.25, None, 9.0]


def test_messages_whose_stamps_go_back_are_passed_over_and_counted() -> None:
    topic = resampled([0, SECOND, SECOND // 2, SECOND, 2 * SECOND], [], "linear")
    assert [topic.at(each * SECOND // 2)[0] for each in range(5)] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert topic.passed_over == 2


def test_no_rows_are_made_for_a_clock_that_was_set() -> None:
    year = 365 * 86400 * SECOND
    topics = [resampled([0, SECOND, year, year + SECOND], [], "nearest"), resampled([SECOND, year + SECOND], [], "nearest")]
    holes: list[tuple[int, float]] = []
    found = list(common_times(topics, SECOND / 2, lambda *hole: holes.append(hole)))
    assert found == [0, SECOND // 2, SECOND, year, year + SECOND // 2, year + SECOND]
    assert holes == [(SECOND * 3 // 2, year - SECOND * 3 // 2)]
