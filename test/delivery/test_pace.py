"""How many small requests go at once, by what a service makes of it."""

from collections.abc import Callable

import pytest

from rig_capture.delivery.pace import Pace


def settled(seconds_per_request: Callable[[int], float], most: int = 8) -> set[int]:
    """How many went at once in the last of many requests, with a service that takes so long for each, by how many are under way."""
    now = 0.0
    pace = Pace(most, lambda: now)
    seen = []
    for _ in range(20_000):
        with pace.request():
            now += seconds_per_request(pace.limit)
        seen.append(pace.limit)
    # Without the tries, which are few.
    return {limit for limit in seen[-5000:] if seen[-5000:].count(limit) > 1000}


@pytest.mark.parametrize(
    ("service", "limit"),
    [(lambda n: 0.05 / n, 8), (lambda n: 0.005, 2), (lambda n: 0.004 + 0.001 * n, 2), (lambda n: 0.02 / min(n, 4), 4)],
    ids=["far", "busy", "worse by haste", "four at once"],
)
def test_more_go_at_once_only_where_it_is_faster(service: Callable[[int], float], limit: int) -> None:
    assert settled(service) == {limit}


def test_never_more_than_allowed() -> None:
    assert settled(lambda n: 0.05 / n, most=1) == {1}
