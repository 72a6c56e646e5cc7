"""Image topics of other people's nodes: what their first message is decides where the stream goes."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.images.compressed_video import compressed_video_reader
from rig_capture.recorder.images.reading import COMPRESSED_IMAGE, COMPRESSED_VIDEO, IMAGE, Unencodable, jpeg_reader, picture_reader
from rig_capture.recorder.images.writer import ImageWriter
from rig_capture.recorder.sinks import Received, StreamSink, Write, sample_writer
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.recorder.tracks.matroska import MatroskaStream
from rig_capture.recorder.tracks.samples import SampleReader, audio_reader, video_reader

log = logging.getLogger(__name__)

_READERS: dict[str, Callable[[Definitions], Callable[[bytes], object]]] = {
    IMAGE: picture_reader,
    COMPRESSED_IMAGE: jpeg_reader,
    COMPRESSED_VIDEO: compressed_video_reader,
}


@dataclass(frozen=True)
class TrackWork:
    """What a Matroska stream's thread does."""

    write: Write
    tick: Callable[[], None]
    close: Callable[[], None]


def track_work(
    spec: StreamSpec, track: MatroskaStream, counter: StreamCounter, definitions: Definitions, settings: RecorderSettings
) -> TrackWork:
    """What is to be done with the messages of a video or audio stream, by its type. Raises UnknownType."""
    if spec.type == IMAGE:
        writer = ImageWriter(track, picture_reader(definitions), counter, settings)
        return TrackWork(writer.write, writer.tick, writer.close)
    if spec.type == COMPRESSED_IMAGE:
        return TrackWork(_copying(track, jpeg_reader(definitions), counter), track.tick, track.close)
    if spec.type == COMPRESSED_VIDEO:
        return TrackWork(_copying(track, compressed_video_reader(definitions), counter), track.tick, track.close)
    read = (video_reader if spec.kind == "video" else audio_reader)(definitions)
    return TrackWork(sample_writer(track, read, counter), track.tick, track.close)


class UndecidedSink(StreamSink):
    """A stream that becomes video or goes into the bag, as its first message tells: not every picture can be kept as video."""

    def __init__(self, spec: StreamSpec, definitions: Definitions, make: Callable[[StreamSpec, StreamCounter], StreamSink]) -> None:
        """Decides nothing yet.

        Args:
            spec: of kind video.
            definitions: of the session.
            make: makes the sink of the kind that was decided on.

        Raises:
            UnknownType: the type's definition is not installed.
        """
        definitions.need(spec.type)
        # A topic until something else is known: without a message there is no file of it.
        self.counter = StreamCounter(dataclasses.replace(spec, kind="topic"))
        self._spec, self._definitions, self._make = spec, definitions, make
        self._sink: StreamSink | None = None

    def take_all(self, messages: Sequence[Received]) -> None:
        if self._sink is None:
            try:
                _READERS[self._spec.type](self._definitions)(messages[0][0])
                self.counter.spec = self._spec
            except Unencodable as reason:
                log.info("%s: recorded into the bag: %s", self._spec.topic, reason)
            self._sink = self._make(self.counter.spec, self.counter)
        self._sink.take_all(messages)


def _copying(track: MatroskaStream, read: SampleReader, counter: StreamCounter) -> Write:
    """Copies packets; what is of another kind than the first message is counted as lost."""

    def write(data: bytes, received_ns: int) -> None:  # the capture time is in the message
        try:
            sample = read(data)
        except Unencodable:
            counter.dropped_encoder += 1
            return
        if track.write(sample):
            counter.written(sample.stamp_ns, len(sample.data))

    return write
