"""A thread that belongs to one object."""

import threading

import pytest

from rig_capture.owned_thread import OwnedThread


def test_what_it_dies_of_is_told_at_once_and_raised_to_the_owner() -> None:
    def fail() -> None:
        raise KeyError("missing")

    told: list[BaseException] = []
    thread = OwnedThread("worker", fail, told.append)
    thread.check()
    thread.start()
    assert thread.join()
    assert told == [thread.failure]
    with pytest.raises(KeyError, match="missing"):
        thread.check()


def test_one_that_was_never_started_can_be_joined() -> None:
    thread = OwnedThread("worker", lambda: None)
    assert thread.join()


def test_a_join_that_takes_too_long_says_so() -> None:
    ending = threading.Event()
    thread = OwnedThread("worker", ending.wait)
    thread.start()
    assert not thread.join(0.01)
    ending.set()
    assert thread.join()
    thread.check()
