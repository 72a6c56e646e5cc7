"""Raw pictures and previews out of packets of video, decoded only while somebody subscribes."""

import array
import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from rclpy.publisher import Publisher
from sensor_msgs.msg import CompressedImage, Image

from rig_capture.nodes.playing.messages import header
from rig_capture.owned_thread import OwnedThread
from rig_capture.playback.items import Packet
from rig_capture.profiles.settings.player import PlayerSettings
from rig_capture.sensing.camera.preview import PreviewError, PreviewMaker

log = logging.getLogger(__name__)

_MOST_PACKETS = 60
"""That wait to be decoded; where more come, all up to the next keyframe are left out."""
_FORMATS = {"mono8": ("gray", 1), "8UC1": ("gray", 1), "mono16": ("gray16le", 2), "16UC1": ("gray16le", 2), "bgr8": ("bgr24", 3)}
"""Encodings that are given back as they were, with FFmpeg's name and bytes a pixel; others become rgb8."""


@dataclass(frozen=True)
class Outlets:
    """Where pictures of a stream go; None: nowhere."""

    raw: Publisher | None
    preview: Publisher | None


class PictureWorker:
    """Decodes the video of one stream in a thread of its own, so that nothing else is late for it."""

    def __init__(self, name: str, frame_id: str, encoding: str, outlets: Outlets, settings: Callable[[], PlayerSettings]) -> None:
        """Starts with `start`.

        Args:
            name: of the stream.
            frame_id: of its pictures.
            encoding: of raw ones, as sensor_msgs names it.
            outlets: where they go.
            settings: of the player, as they are now.
        """
        self._name, self._frame_id, self._outlets, self._settings = name, frame_id, outlets, settings
        self._encoding = encoding if encoding in _FORMATS else "rgb8"
        self._packets: queue.SimpleQueue[Packet | None] = queue.SimpleQueue()
        self._thread = OwnedThread(f"pictures of {name}", self._run)
        self._joined = False
        self._decoder: VideoCodecContext | None = None
        self._previews, self._next_preview = PreviewMaker(), 0.0
        self.left_out = 0
        """Packets that were not decoded because too many waited."""

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread once what waits is shown, and raises what it died of."""
        self._packets.put(None)
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def offer(self, packet: Packet) -> None:
        """Gives a packet that was just published. Called from one thread; does not wait."""
        if not self._wanted():
            self._joined = False
            return
        full = self._packets.qsize() >= _MOST_PACKETS
        # A decoder can begin with a keyframe only.
        if full or not (self._joined or packet.keyframe):
            self.left_out += full
            self._joined = False
            return
        self._joined = True
        self._packets.put(packet)

    def reset(self) -> None:
        """Somewhere else in the session is played now."""
        self._joined = False

    def _wanted(self) -> bool:
        return any(each is not None and each.get_subscription_count() > 0 for each in (self._outlets.raw, self._outlets.preview))

    def _run(self) -> None:
        form = ("", 0, 0)
        while (packet := self._packets.get()) is not None:
            try:
                if self._decoder is None or form != (packet.codec, packet.width, packet.height):
                    form = (packet.codec, packet.width, packet.height)
                    self._decoder = decoder_of(*form)
                for frame in self._decoder.decode(_bare(packet)):
                    self._publish(frame, packet.stamp_ns)
            except (av.FFmpegError, OSError, ValueError) as error:
                log.warning("%s: a picture can't be decoded: %s", self._name, error)
                self._decoder = None

    def _publish(self, frame: av.VideoFrame, stamp_ns: int) -> None:
        stamp_ns = stamp_ns if frame.pts is None else frame.pts
        raw, preview = self._outlets.raw, self._outlets.preview
        if raw is not None and raw.get_subscription_count() > 0:
            raw.publish(self._image(frame, stamp_ns))
        settings = self._settings()
        now = time.monotonic()
        if preview is None or not settings.preview_fps or preview.get_subscription_count() == 0 or now < self._next_preview:
            return
        self._next_preview = max(self._next_preview + 1 / settings.preview_fps, now - 1 / settings.preview_fps)
        try:
            data = self._previews.jpeg(frame, settings.preview_width, settings.preview_quality)
        except PreviewError as error:
            log.warning("%s: %s", self._name, error)
            return
        preview.publish(CompressedImage(header=header(stamp_ns, self._frame_id), format="jpeg", data=array.array("B", data)))

    def _image(self, frame: av.VideoFrame, stamp_ns: int) -> Image:
        pixel_format, width = _FORMATS.get(self._encoding, ("rgb24", 3))
        picture = np.ascontiguousarray(frame.reformat(format=pixel_format).to_ndarray())
        image = Image(
            header=header(stamp_ns, self._frame_id),
            width=frame.width,
            height=frame.height,
            encoding=self._encoding,
            step=width * frame.width,
        )
        image.data = array.array("B", picture.tobytes())
        return image


def decoder_of(codec: str, width: int, height: int) -> VideoCodecContext:
    """A decoder of packets that gives each picture back at once. FFV1 does not hold its size itself."""
    decoder = VideoCodecContext.create("libdav1d" if codec == "av1" else codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.width, decoder.height, decoder.thread_count = width, height, 1
    return decoder


def _bare(packet: Packet) -> "av.Packet[Stream]":
    """The packet with its stamp as time, which the decoder hands on."""
    bare = av.Packet(packet.data)
    bare.pts = bare.dts = packet.stamp_ns
    return bare
