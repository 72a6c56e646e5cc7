"""The thread of a file: what it is given is written in order, in time, and within its bounds."""

import threading
import time
from collections.abc import Iterator

import pytest

from rig_capture.recorder.worker import WriterThread
from test.parts import wait_until

LIMIT = 3_000_000


class Writer:
    """A thread whose file is a list."""

    def __init__(self, tick_s: float = 3600.0) -> None:
        self.written: list[str] = []
        self.ticks: list[float] = []
        self.closed = 0
        self.failures: list[BaseException] = []
        self.writing, self.may_write = threading.Event(), threading.Event()
        self.may_write.set()
        self.thread: WriterThread[str] = WriterThread(
            "file",
            write=self._write,
            tick=lambda: self.ticks.append(time.monotonic()),
            close=self._close,
            on_failure=self.failures.append,
            limit_bytes=LIMIT,
            tick_s=tick_s,
        )

    def _write(self, item: str) -> None:
        self.writing.set()
        assert self.may_write.wait(20)
        if item == "bad":
            raise OSError("the disk is gone")
        self.written.append(item)

    def _close(self) -> None:
        self.closed += 1

    def end(self) -> None:
        self.may_write.set()
        self.thread.end()
        self.thread.join()


@pytest.fixture
def writer() -> Iterator[Writer]:
    made = Writer()
    made.thread.start()
    yield made
    made.end()


def test_an_item_that_comes_after_a_silence_is_written_without_waiting_for_a_tick(writer: Writer) -> None:
    for number, item in enumerate(("first", "second"), 1):
        wait_until(lambda: writer.thread._asleep, "the silence")
        assert writer.thread.put(item, 1)
        wait_until(lambda number=number: len(writer.written) == number, item)  # type: ignore[misc]
    assert (writer.written, writer.ticks) == (["first", "second"], [])


def test_what_waits_at_the_end_is_written_in_order_before_the_file_is_closed(writer: Writer) -> None:
    items = [str(number) for number in range(1000)]
    assert writer.thread.put_all([(item, 1) for item in items]) == 0
    writer.end()
    assert (writer.written, writer.closed) == (items, 1)
    assert writer.thread.put_all([("late", 1), ("later", 1)]) == 2


def test_what_the_queue_has_no_room_for_is_dropped_and_counted(writer: Writer) -> None:
    writer.may_write.clear()
    assert writer.thread.put("held", LIMIT)
    wait_until(writer.writing.is_set, "the file that hangs")
    # One item is always taken, however large.
    assert writer.thread.put_all([("next", LIMIT), ("no room", 1), ("none either", 1)]) == 2
    writer.may_write.set()
    wait_until(lambda: writer.thread.put("again", 1), "room again")
    writer.end()
    assert writer.written == ["held", "next", "again"]


def test_ticks_come_while_nothing_else_does() -> None:
    writer = Writer(tick_s=0.05)
    writer.thread.start()
    wait_until(lambda: len(writer.ticks) >= 3, "ticks")
    writer.end()
    assert writer.closed == 1


def test_a_failure_is_told_once_and_what_comes_after_is_dropped(writer: Writer) -> None:
    writer.thread.put_all([("good", 1), ("bad", 1), ("never", 1)])
    wait_until(lambda: bool(writer.failures), "the failure")
    assert writer.thread.put("late", 1) is False
    writer.end()
    assert (writer.written, len(writer.failures), writer.closed) == (["good"], 1, 1)
