"""What of one topic is missing, by its publishers' sequence numbers and by what DDS says."""

from rig_capture.recorder.sinks import StreamSink
from rig_capture.recorder.streams import SequenceCounter


class Publications:
    """Follows all publishers of one stream. For one thread.

    What DDS says it lost counts (`StreamCounter.lost_dds`), with one exception: what was lost before a publisher's first message, and
    is missing in nobody's sequence, was said before that one was heard. It has just joined, and its stream begins with its first message.
    """

    def __init__(self, sink: StreamSink) -> None:
        self._sink = sink
        self._sequences: dict[bytes, SequenceCounter] = {}
        self._unexplained = 0
        """Lost by DDS's word, and not missing in any sequence so far."""
        self._has_joined = False
        """A publisher was heard for the first time since DDS was asked."""

    def see(self, publisher: bytes, number: int) -> int:
        """Takes the number of a message that has come; returns how many are missing before it, which the caller puts on record."""
        sequence = self._sequences.get(publisher)
        if sequence is None:
            sequence = self._sequences[publisher] = SequenceCounter()
            self._has_joined = True
            self._forgive()
        missing = sequence.see(number)
        if missing:
            self._unexplained = max(0, self._unexplained - missing)
        return missing

    def lost(self, count: int) -> None:
        """DDS, being asked, says that it lost so many since it was asked before."""
        self._unexplained += count
        self._sink.counter.lost_dds += count
        if self._has_joined:
            self._forgive()

    def asked(self) -> None:
        """DDS was asked, and has said all."""
        self._has_joined = False

    def _forgive(self) -> None:
        counter = self._sink.counter
        counter.lost_dds -= min(self._unexplained, counter.lost_dds)
        self._unexplained = 0
