"""Absolute deadlines."""

import threading
import time

from rig_capture.sensing.pacing import Pacer


def test_late_wake_ups_do_not_add_up() -> None:
    begin = time.monotonic()
    pacer = Pacer(100.0, threading.Event())
    for _ in range(20):
        assert pacer.wait_all()
        time.sleep(0.008)
    assert 0.2 <= time.monotonic() - begin < 0.34


def test_all_deadlines_that_have_passed_are_due() -> None:
    pacer = Pacer(100.0, threading.Event(), at_once=True)
    time.sleep(0.105)
    begin = time.monotonic()
    assert all(pacer.wait_all() for _ in range(11))
    assert time.monotonic() - begin < 0.1
    assert pacer.missed == 0


def test_deadlines_that_can_not_be_met_are_skipped_and_counted() -> None:
    pacer = Pacer(100.0, threading.Event(), at_once=True)
    time.sleep(0.105)
    assert pacer.wait_latest()
    assert pacer.missed >= 10


def test_a_stop_ends_a_wait() -> None:
    stop = threading.Event()
    pacer = Pacer(0.01, stop)
    stop.set()
    begin = time.monotonic()
    assert not pacer.wait_all()
    assert time.monotonic() - begin < 0.3


def test_a_far_deadline_is_waited_for_in_parts() -> None:
    pacer = Pacer(10.0, threading.Event())
    waits = [pacer.wait_all(most_s=0.04) for _ in range(3)]
    assert waits == [False, False, True]
