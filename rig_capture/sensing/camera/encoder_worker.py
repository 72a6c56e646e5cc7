"""The thread that encodes, so that a device's thread never waits for an encoder."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from av import VideoFrame

from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera.encoder import Encoder, EncoderError, Packet
from rig_capture.sensing.camera.frame import EncodedFrame

log = logging.getLogger(__name__)

_MOST_FRAMES, _MOST_BYTES = 30, 64_000_000
"""What may wait for the encoder: enough for a burst of frames and a keyframe that takes long, little enough in memory."""
_RETRY_S = 5.0
"""Wait after no encoder could be opened, before they are tried again."""


@dataclass(frozen=True)
class EncoderJob:
    """A frame for the encoder; `header` lacks only what the encoder gives."""

    picture: VideoFrame
    header: EncodedFrame
    keyframe: bool


class EncoderWorker:
    """Owns the encoder and the thread it runs in."""

    def __init__(self, name: str, settings: CameraSettings, on_frame: Callable[[EncodedFrame], None]) -> None:
        """Nothing is opened before the first frame; `on_frame` is called in the worker's thread."""
        self.settings = settings
        self._on_frame = on_frame
        self._jobs: queue.Queue[EncoderJob | None] = queue.Queue()
        self._ending = threading.Event()
        self._idle = threading.Event()
        self._thread = OwnedThread(f"encoder-{name}", self._run, self._died)
        self._encoder: Encoder | None = None
        self._key: tuple[object, ...] | None = None
        self._headers: dict[int, EncodedFrame] = {}
        self._last_key_ns = 0
        self._retry_at = 0.0
        self.error = ""
        self.encoded = 0
        self.dropped = 0

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, joins it, and raises what it died of, if it did. Frames that wait are given up."""
        self._ending.set()
        self.pause()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    @property
    def encoder_name(self) -> str:
        """The encoder at work; empty where none is."""
        encoder = self._encoder
        return encoder.name if encoder is not None else ""

    @property
    def queued(self) -> int:
        """Frames that wait or are in work."""
        return self._jobs.unfinished_tasks

    def offer(self, job: EncoderJob) -> bool:
        """Gives a frame to the encoder; False where it was dropped, since too many wait."""
        self._idle.clear()
        picture_bytes = job.picture.width * job.picture.height * 3 // 2
        if self.queued >= max(4, min(_MOST_FRAMES, _MOST_BYTES // picture_bytes)):
            self.dropped += 1
            return False
        self._jobs.put(job)
        return True

    def pause(self) -> None:
        """Nobody listens: the encoder is let go of, and frames that wait with it."""
        self._idle.set()
        self._jobs.put(None)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                job = self._jobs.get()
                if job is None or self._idle.is_set():
                    self._close()
                else:
                    self._work(job)
                self._jobs.task_done()
        finally:
            self._close()

    def _died(self, failure: BaseException) -> None:
        self.error = f"encoder failed: {type(failure).__name__}: {failure}"

    def _work(self, job: EncoderJob) -> None:
        try:
            encoder = self._encoder_for(job.picture)
        except EncoderError as error:
            self._give_up(error)
            return
        stamp_ns = job.header.stamp_ns
        period_ns = 1e9 / (self.settings.fps or 30.0)
        due = stamp_ns - self._last_key_ns >= self.settings.keyframe_interval_s * 1e9 - period_ns / 2
        keyframe = job.keyframe or due
        if keyframe:
            self._last_key_ns = stamp_ns
        self._headers[encoder.frames] = job.header
        try:
            packets = encoder.encode(job.picture, keyframe=keyframe)
        except EncoderError as error:
            self._give_up(error)
            return
        self._deliver(encoder, packets)

    def _deliver(self, encoder: Encoder, packets: list[Packet]) -> None:
        for packet in packets:
            self.encoded += 1
            header = self._headers.pop(packet.pts)
            self._on_frame(header.filled(encoder.codec, (encoder.width, encoder.height), packet.data, keyframe=packet.keyframe))

    def _encoder_for(self, picture: VideoFrame) -> Encoder:
        settings = self.settings
        key = (picture.width, picture.height, settings.quality, settings.bitrate, settings.preset, settings.encoder_threads)
        if self._encoder is None or key != self._key:
            if time.monotonic() < self._retry_at:
                raise EncoderError(self.error)
            self._close()
            self._encoder = Encoder(self.settings, (picture.width, picture.height))
            self._key, self._last_key_ns, self.error = key, 0, ""
        return self._encoder

    def _give_up(self, error: EncoderError) -> None:
        self.dropped += 1
        if time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + _RETRY_S
        if str(error) != self.error:
            log.error("%s", error)
        self.error = str(error)
        self._encoder = None  # one that failed has nothing more to give
        self._headers.clear()

    def _close(self) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            self._deliver(encoder, encoder.finish())
        self._headers.clear()
