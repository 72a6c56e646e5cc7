"""Time lines on the system clock: even stamps, clocks that are set, and sources with a clock of their own."""

import itertools
import random

from rig_capture.sensing.camera.pace import LiveClock, Pacer

SECOND = 10**9


class Clocks:
    """A system clock and a monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.system, self.monotonic = 1000 * SECOND, 5 * SECOND

    def pass_ns(self, nanoseconds: int) -> None:
        self.system += nanoseconds
        self.monotonic += nanoseconds

    def pacer(self) -> Pacer:
        pacer = Pacer(lambda: self.system, lambda: self.monotonic)
        pacer.start()
        return pacer


def test_an_event_is_released_once_its_time_has_come() -> None:
    clocks = Clocks()
    pacer = clocks.pacer()
    assert not pacer.wait(SECOND)
    clocks.pass_ns(SECOND)
    assert pacer.wait(SECOND)
    assert pacer.stamp(SECOND) == 1001 * SECOND


def test_a_clock_set_forward_or_back_takes_the_time_line_along() -> None:
    clocks = Clocks()
    pacer = clocks.pacer()
    for step in (3600 * SECOND, -7200 * SECOND):
        clocks.system += step
        clocks.pass_ns(SECOND)
        assert 0 <= clocks.system - pacer.stamp(pacer.elapsed_ns()) <= 1
    assert pacer.elapsed_ns() == 2 * SECOND


def test_a_clock_that_drifts_is_followed_slowly_not_jumped_after() -> None:
    clocks = Clocks()
    pacer = clocks.pacer()
    clocks.pass_ns(SECOND)
    clocks.system += SECOND // 100
    assert pacer.elapsed_ns() == SECOND + SECOND // 100


def test_stamps_of_a_live_source_follow_its_own_clock_not_the_network() -> None:
    clock, chance = LiveClock(), random.Random(1)
    stamps = [clock.stamp(n * 33_333_333, 77 * SECOND + n * 33_333_333 + chance.randrange(40_000_000)) for n in range(300)]
    settled = [later - earlier for earlier, later in itertools.pairwise(stamps[100:])]
    assert all(abs(step - 33_333_333) < 1_000_000 for step in settled)
    assert 0 <= stamps[-1] - 299 * 33_333_333 - 77 * SECOND < 5_000_000


def test_stamps_of_a_live_source_always_grow() -> None:
    clock = LiveClock()
    # A burst of old frames at the start, as servers send it, then the present, then a camera that starts anew.
    arrivals = [(n * 33_000_000, 50 * SECOND + n * 1000) for n in range(30)]
    arrivals += [(n * 33_000_000, 49 * SECOND + n * 33_000_000) for n in range(30, 60)]
    arrivals += [(n * 33_000_000, 52 * SECOND + n * 33_000_000) for n in range(30)]
    stamps = [clock.stamp(*pair) for pair in arrivals]
    assert all(later > earlier for earlier, later in itertools.pairwise(stamps))
