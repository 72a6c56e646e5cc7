"""Raw pictures of one topic to Matroska: encoded, and where an encoder fails the next one goes on in a new chunk."""

import dataclasses
import logging
from collections import deque
from collections.abc import Callable, Iterator

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.images.encoding import KEYFRAME_FRAMES, Choice, Encoded, EncoderFailed, PictureEncoder, choices
from rig_capture.recorder.images.ffmpeg_encoder import FfmpegEncoder
from rig_capture.recorder.images.pyav_encoder import PyavEncoder
from rig_capture.recorder.images.reading import Picture, Unencodable
from rig_capture.recorder.streams import StreamCounter
from rig_capture.recorder.tracks.matroska import MatroskaStream
from rig_capture.recorder.tracks.samples import Sample, VideoFormat

log = logging.getLogger(__name__)


@dataclasses.dataclass
class _Given:
    """A picture that an encoder has and has not given back."""

    index: int
    seq: int
    picture_stamp_ns: int


class ImageWriter:
    """What one stream's writer thread does with raw pictures. Used from that thread only.

    A picture that no encoder gives back is counted in `counter.dropped_encoder`, and its number is missing from frames.csv.
    """

    def __init__(self, track: MatroskaStream, read: Callable[[bytes], Picture], counter: StreamCounter, settings: RecorderSettings) -> None:
        self._track, self._read, self._counter, self._settings = track, read, counter, settings
        self._encoder: PictureEncoder | None = None
        self._choices: Iterator[Choice] = iter(())
        self._choice: Choice | None = None
        self._like: tuple[int, int, str] | None = None
        self._format = VideoFormat("", 0, 0)
        self._given: deque[_Given] = deque()
        self._seq = 0
        self._index = 0
        self._first_ns: int | None = None
        self._refused = ""

    @property
    def encoder(self) -> PictureEncoder | None:
        """The encoder at work."""
        return self._encoder

    def write(self, data: bytes, received_ns: int) -> None:
        """Takes one serialized sensor_msgs/Image. Raises OSError where the file can't be written."""
        seq, self._seq = self._seq, self._seq + 1
        try:
            picture = self._read(data)
        except Unencodable as error:
            self._refuse(str(error))
            return
        if self._first_ns is None:
            self._first_ns = picture.stamp_ns
        if picture.size_and_format != self._like:
            self._end_run()
            self._like = picture.size_and_format
            self._choices = choices(self._settings, picture.pixel_format)
            self._counter.settings |= {"encoding": picture.encoding}
        self._encode(picture, seq)

    def tick(self) -> None:
        """Brings what is there to the disk. Raises OSError."""
        self._track.tick()

    def close(self) -> None:
        """Takes the rest out of the encoder and finishes the files. Raises OSError."""
        try:
            self._end_run()
        finally:
            self._track.close()

    def _encode(self, picture: Picture, seq: int) -> None:
        while True:
            if self._encoder is None:
                self._start_next(picture)
            encoder = self._encoder
            assert encoder is not None
            self._given.append(_Given(self._index, seq, picture.stamp_ns))
            keyframe = self._index % KEYFRAME_FRAMES == 0
            self._index += 1
            try:
                packets = encoder.encode(picture, keyframe=keyframe)
            except EncoderFailed as error:
                self._given.pop()
                self._failed(error)
                continue
            self._keep(packets)
            return

    def _start_next(self, picture: Picture) -> None:
        """Starts the next encoder that can be started. Raises EncoderFailed where there is none."""
        for choice in self._choices:
            try:
                kind = FfmpegEncoder if choice.program == "ffmpeg" else PyavEncoder
                self._encoder = kind(choice.encoder, self._settings, picture)
            except EncoderFailed as error:
                log.info("%s: %s can't be used here: %s", self._counter.spec.topic, choice, error)
                continue
            self._choice, self._index = choice, 0
            self._format = VideoFormat(choice.codec, picture.width, picture.height, self._format.segment + 1)
            self._counter.settings |= {"encoder": str(choice)}
            return
        what = f"{picture.pixel_format} of {picture.width} x {picture.height} pixels"
        raise EncoderFailed(f"{self._counter.spec.topic}: no encoder takes {what}")

    def _failed(self, error: EncoderFailed) -> None:
        """Gives up the encoder; one that never gave a picture back could not be used here, and nothing is lost by it."""
        choice = self._choice
        assert choice is not None
        log.warning("%s: %s failed: %s; another encoder takes over", self._counter.spec.topic, choice, error)
        self._end_run()
        if choice.program == "ffmpeg" and choice.encoder.startswith("lib"):
            self._choices = iter([other for other in self._choices if other.program != "ffmpeg"])

    def _end_run(self) -> None:
        if self._encoder is None:
            return
        encoder, self._encoder = self._encoder, None
        self._keep(encoder.finish())
        self._counter.dropped_encoder += len(self._given)
        if self._given:
            log.warning("%s: %s did not give back %d pictures", self._counter.spec.topic, self._choice, len(self._given))
        self._given.clear()

    def _keep(self, packets: list[Encoded]) -> None:
        for packet in packets:
            while self._given and self._given[0].index < packet.index:
                self._given.popleft()
                self._counter.dropped_encoder += 1
            if not self._given or self._given[0].index != packet.index:
                continue
            given = self._given.popleft()
            assert self._first_ns is not None
            pts_ns = given.picture_stamp_ns - self._first_ns
            sample = Sample(given.seq, given.picture_stamp_ns, pts_ns, packet.keyframe, self._format, packet.data)
            if self._track.write(sample):
                self._counter.written(sample.stamp_ns, len(packet.data))

    def _refuse(self, reason: str) -> None:
        self._counter.dropped_encoder += 1
        if reason != self._refused:
            log.warning("%s: pictures can't be encoded: %s", self._counter.spec.topic, reason)
            self._refused = reason
