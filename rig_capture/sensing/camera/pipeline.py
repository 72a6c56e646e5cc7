"""From captures to what a camera publishes: packets of encoded video, JPEG previews, raw pictures. Each only while wanted.

Captures come in the device's thread, which must not wait for an encoder: encoding has a thread of its own and a bounded
queue. What comes beyond is dropped before the encoder, counted, and seen downstream as a gap in `seq`.
"""

import time
from dataclasses import dataclass
from typing import Protocol

from av import VideoFrame
from av.video.reformatter import VideoReformatter

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera.encoder_worker import EncoderJob, EncoderWorker
from rig_capture.sensing.camera.frame import Capture, EncodedFrame, SourcePacket
from rig_capture.sensing.camera.pace import MAX_LATE_NS
from rig_capture.sensing.camera.preview import PreviewError, PreviewMaker, rgb

_SEEN_BEFORE_NS = 2_000_000_000
"""A capture that is older than the one before it by less than this was seen before: live sources send their last frames
again to who connects anew. One that is older by more shows that the clock was set back."""


class Outlet(Protocol):
    """Where results go. Called in the device's thread, `video` also in the encoder's."""

    def video(self, frame: EncodedFrame) -> None:
        """A packet of the video topic."""

    def preview(self, stamp_ns: int, jpeg: bytes, size: tuple[int, int]) -> None:
        """A preview, and the width and height of the video in pixels."""

    def raw(self, stamp_ns: int, picture: bytes, size: tuple[int, int]) -> None:
        """A picture as rgb8, and its width and height in pixels."""


@dataclass(frozen=True)
class Wanted:
    """What somebody is listening to."""

    video: bool = False
    join: bool = False
    """Somebody new listens to the video, who needs a keyframe."""
    preview: bool = False
    raw: bool = False


@dataclass(frozen=True)
class PipelineReport:
    """Counts and state for diagnostics."""

    captured: int
    missed: int
    """Lost before the driver had them."""
    dropped: int
    """Given up before the encoder, because it or the machine was too slow, or no encoder worked."""
    undecoded: int
    """Frames of the source that could not be decoded."""
    encoded: int
    queued: int
    """Frames on their way to or in the encoder."""
    encoder: str
    """Name of the encoder at work, ``copy``, or empty."""
    error: str
    """Why no video or preview can be made; empty where they can."""


class CameraPipeline:
    """Numbers captures and makes of them what is wanted."""

    def __init__(self, name: str, settings: CameraSettings, outlet: Outlet) -> None:
        """Nothing starts before `start`; `name` is the camera's, for thread names."""
        self._settings = settings
        self._outlet = outlet
        self._worker = EncoderWorker(name, settings, outlet.video)
        self._previews = PreviewMaker()
        self._reformatter = VideoReformatter()
        self._first_stamp_ns: int | None = None
        self._last_pts_ns = -1
        self._last_stamp_ns = 0
        self._next_preview_ns = 0
        self._preview_error = ""
        self._streaming = False
        self._need_keyframe = False
        self._passing = False
        self._missed = self._dropped = self._undecoded = self._passed = 0
        self.next_seq = 0
        """Number of the next frame captured."""

    def start(self) -> None:
        """Starts the encoder's thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ends and joins the encoder's thread; raises what it died of, if it did."""
        self._worker.stop()

    def check(self) -> None:
        """Raises what the encoder's thread died of."""
        self._worker.check()

    def update(self, settings: CameraSettings) -> None:
        """Takes settings changed while running."""
        self._settings = self._worker.settings = settings

    def source_lost(self) -> None:
        """The source is gone; when it is back, its packets can't be decoded before the first keyframe, and are not passed on."""
        if self._passing:
            self._streaming = False

    def report(self) -> PipelineReport:
        """Counts so far."""
        worker = self._worker
        encoder = ("copy" if self._streaming else "") if self._passing else worker.encoder_name
        dropped, encoded = self._dropped + worker.dropped, self._passed + worker.encoded
        return PipelineReport(
            self.next_seq, self._missed, dropped, self._undecoded, encoded, worker.queued, encoder, worker.error or self._preview_error
        )

    def process(self, capture: Capture, wanted: Wanted) -> None:
        """Makes of a capture what is wanted."""
        if 0 <= self._last_stamp_ns - capture.stamp_ns < _SEEN_BEFORE_NS:
            return
        header = self._numbered(capture)
        if self._streaming and not wanted.video:
            self._streaming = False
            self._worker.pause()
        self._need_keyframe |= wanted.join
        self._passing = capture.packet is not None and self._settings.codec in ("copy", capture.packet.codec)
        if wanted.video and self._passing and capture.packet is not None:
            self._pass_on(capture.packet, header)
        encode = wanted.video and not self._passing
        preview = wanted.preview and self._preview_is_due(capture.stamp_ns)
        if not (encode or preview or wanted.raw):
            return
        if self._is_late(capture, MAX_LATE_NS):
            self._dropped += encode and self._streaming
            return
        picture = capture.picture()
        if picture is None:
            self._undecoded += 1
            return
        self._show(picture, header, preview=preview, raw=wanted.raw)
        if encode:
            self._encode(picture, header, capture)

    def _numbered(self, capture: Capture) -> EncodedFrame:
        if self._first_stamp_ns is None:
            self._first_stamp_ns = capture.stamp_ns
        self._missed += capture.missed
        seq = self.next_seq + capture.missed
        self.next_seq = seq + 1
        self._last_stamp_ns = capture.stamp_ns
        # Growing also where the system clock was set back.
        self._last_pts_ns = max(self._last_pts_ns + 1, capture.stamp_ns - self._first_stamp_ns)
        return EncodedFrame(capture.stamp_ns, self._last_pts_ns, seq, "", 0, 0, keyframe=False, data=b"")

    def _pass_on(self, packet: SourcePacket, header: EncodedFrame) -> None:
        # A keyframe can't be asked of the source: who comes first begins at the next one, who comes later waits for it.
        self._streaming = self._streaming or packet.keyframe
        self._need_keyframe = False
        if self._streaming:
            self._passed += 1
            self._outlet.video(header.filled(packet.codec, (packet.width, packet.height), packet.data, keyframe=packet.keyframe))

    def _encode(self, picture: VideoFrame, header: EncodedFrame, capture: Capture) -> None:
        if not self._streaming and self._is_late(capture, MAX_LATE_NS // 2):
            return  # decoding up to here took long; the stream begins once it has caught up
        keyframe = self._need_keyframe or not self._streaming
        self._streaming = True
        if self._worker.offer(EncoderJob(picture, header, keyframe)):
            self._need_keyframe = False
        else:
            self._need_keyframe = keyframe

    def _show(self, picture: VideoFrame, header: EncodedFrame, *, preview: bool, raw: bool) -> None:
        settings = self._settings
        size = (picture.width, picture.height)
        if preview:
            try:
                jpeg = self._previews.jpeg(picture, settings.preview_width, settings.preview_quality)
            except PreviewError as error:  # told in the diagnostics; the video goes on
                self._preview_error = str(error)
            else:
                self._preview_error = ""
                self._outlet.preview(header.stamp_ns, jpeg, size)
        if raw:
            self._outlet.raw(header.stamp_ns, rgb(picture, self._reformatter), size)

    def _preview_is_due(self, stamp_ns: int) -> bool:
        if self._settings.preview_fps <= 0:
            return False
        interval_ns = round(1e9 / self._settings.preview_fps)
        early_ns = self._next_preview_ns - stamp_ns
        if interval_ns // 8 < early_ns <= 2 * interval_ns:
            return False
        # Kept on a fixed beat, save after a pause.
        self._next_preview_ns = (self._next_preview_ns if abs(early_ns) < interval_ns else stamp_ns) + interval_ns
        return True

    @staticmethod
    def _is_late(capture: Capture, limit_ns: int) -> bool:
        return time.time_ns() - capture.stamp_ns > limit_ns
