"""From a serialized message to a file: the sink that the intake hands messages to, and what the writer's thread does with them."""

import struct
from collections.abc import Callable, Sequence

from rig_capture.recorder.bag.bag import BagWriter
from rig_capture.recorder.streams import StreamCounter
from rig_capture.recorder.tracks.matroska import MatroskaStream
from rig_capture.recorder.tracks.samples import SampleReader
from rig_capture.recorder.worker import WriterThread

Write = Callable[[bytes, int], None]
"""Writes one serialized message, given with the ROS time of its reception, ns; called in the writer's thread."""

Received = tuple[bytes, int]
"""A serialized message (CDR), and the ROS time of its reception, ns."""

Job = tuple[Write, bytes, int]
WriterJobs = WriterThread[Job]


def do_job(job: Job) -> None:
    """What every writer's thread does with each of its items."""
    write, data, received_ns = job
    write(data, received_ns)


class StreamSink:
    """Where the intake puts one stream's messages. Used from the intake's thread only."""

    def __init__(self, counter: StreamCounter, thread: WriterJobs, write: Write) -> None:
        self.counter = counter
        self._thread = thread
        self._write = write

    def take_all(self, messages: Sequence[Received]) -> None:
        """Takes messages, at least one, in the order in which they came."""
        write = self._write
        self.counter.received(len(messages))
        self.counter.dropped_queue += self._thread.put_all([((write, data, received_ns), len(data)) for data, received_ns in messages])

    def take(self, data: bytes, received_ns: int) -> None:
        """Takes one message."""
        self.take_all([(data, received_ns)])

    def take_kept(self, data: bytes, received_ns: int) -> None:
        """Takes a message out of the look-back buffer, where it was counted already: it costs no room of the queue."""
        if not self._thread.put((self._write, data, received_ns), 0):
            self.counter.dropped_queue += 1


def topic_writer(bag: BagWriter, topic: str, counter: StreamCounter, *, has_header: bool) -> Write:
    """Writes messages of one topic to the bag; their stamp is that of the header where there is one."""

    def write(data: bytes, received_ns: int) -> None:
        bag.write(topic, data, received_ns)
        # A header without a stamp has zero.
        counter.written((has_header and header_stamp_ns(data)) or received_ns, len(data))

    return write


def sample_writer(matroska: MatroskaStream, read: SampleReader, counter: StreamCounter) -> Write:
    """Writes packets or chunks of one stream to its Matroska files."""

    def write(data: bytes, received_ns: int) -> None:
        sample = read(data)
        counter.samples.see(sample.seq)
        if matroska.write(sample):
            counter.written(sample.stamp_ns, len(sample.data), sample.pts_ns)

    return write


def header_stamp_ns(data: bytes | memoryview) -> int:
    """Stamp of the std_msgs/Header that a serialized message begins with, ns.

    CDR: 4 bytes of encapsulation, of which the second tells the byte order, then int32 sec, uint32 nanosec
    (OMG DDS-XTypes 1.3, 7.6.3.1.2).
    """
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 10**9 + int(nanoseconds)
