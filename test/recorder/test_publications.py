"""What counts as lost, by sequence numbers and by DDS's word."""

import pytest

from rig_capture.recorder.publications import Publications
from rig_capture.recorder.sinks import StreamSink, WriterJobs
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.recorder.worker import WriterThread

A, B = b"a" * 16, b"b" * 16


class Stream:
    """A stream that hears publishers, and is told by DDS."""

    def __init__(self) -> None:
        def nothing(*_: object) -> None:
            """Writes nothing."""

        thread: WriterJobs = WriterThread("none", write=nothing, tick=nothing, close=nothing, on_failure=nothing, limit_bytes=1, tick_s=1)
        self.counter = StreamCounter(StreamSpec("topic", "t", "std_msgs/msg/String"))
        self._publications = Publications(StreamSink(self.counter, thread, nothing))

    def hear(self, publisher: bytes, *numbers: int) -> "Stream":
        for number in numbers:
            self.counter.lost_publications += self._publications.see(publisher, number)
        return self

    def told(self, *counts: int) -> "Stream":
        """Each time DDS is asked; 0: it has nothing to tell."""
        for count in counts:
            if count:
                self._publications.lost(count)
            self._publications.asked()
        return self

    @property
    def lost(self) -> int:
        return self.counter.loss.total


def test_each_publisher_has_its_own_sequence() -> None:
    assert Stream().hear(A, 1, 2).hear(B, 40, 41).hear(A, 3).hear(B, 42).lost == 0
    assert Stream().hear(A, 1, 2).hear(B, 40).hear(A, 5).hear(B, 42).lost == 2 + 1


def test_a_sequence_that_begins_anew_has_no_gap() -> None:
    assert Stream().hear(A, 7, 8, 1, 2).lost == 0


def test_a_loss_that_dds_tells_and_the_numbers_show_counts_once() -> None:
    assert Stream().hear(A, 1).told(0, 3).hear(A, 5).lost == 3
    assert Stream().hear(A, 1, 5).told(3).lost == 3


def test_a_loss_that_only_dds_tells_counts() -> None:
    assert Stream().hear(A, 1, 2, 3).told(0, 2).lost == 2
    assert Stream().told(2).lost == 2


@pytest.mark.parametrize("before", [True, False])
def test_what_was_lost_while_a_publisher_joined_is_no_loss(before: bool) -> None:
    stream = Stream().hear(A, 1, 2).told(0)
    assert (stream.told(1).hear(B, 9) if before else stream.hear(B, 9).told(1)).hear(A, 3).hear(B, 10).lost == 0


def test_a_loss_of_one_counts_though_another_joins() -> None:
    assert Stream().hear(A, 1, 2).told(0, 4).hear(B, 1).hear(A, 7).lost == 4


def test_a_loss_after_a_publisher_joined_counts() -> None:
    assert Stream().hear(A, 1).told(0).hear(A, 2).told(1).lost == 1
