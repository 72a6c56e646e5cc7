"""Topics as channels of Foxglove: subscribed to only while somebody looks at them."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

import foxglove
import numpy as np
from foxglove.channels import CompressedVideoChannel, RawAudioChannel
from foxglove.messages import CompressedVideo, RawAudio, Timestamp
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription
from rig_capture_msgs.msg import AudioChunk, VideoPacket
from std_msgs.msg import Header

from rig_capture.nodes.common.qos import fitting_qos, publishers_of
from rig_capture.nodes.recording.intake import message_class
from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK, VIDEO_PACKET
from rig_capture.sensing.audio.levels import samples_of

log = logging.getLogger(__name__)

_FORMATS = {"h264": "h264", "hevc": "h265", "av1": "av1"}
"""Codecs that Foxglove shows, with its names for them (foxglove.CompressedVideo)."""


class _Outlet(Protocol):
    """What turns messages of a topic into those of a channel."""

    raw: bool
    """Whether it takes them serialized."""
    channel: "foxglove.Channel | CompressedVideoChannel | RawAudioChannel"

    def send(self, message: bytes | VideoPacket | AudioChunk, time_ns: int) -> int:
        """Hands one on, and returns its bytes."""


class _Plain:
    """Messages as they come, with their definition."""

    raw = True

    def __init__(self, topic: str, type_name: str, definitions: Definitions, context: foxglove.Context) -> None:
        schema = foxglove.Schema(name=type_name, encoding="ros2msg", data=definitions.text(type_name).encode())
        self.channel = foxglove.Channel(topic, schema=schema, message_encoding="cdr", context=context)

    def send(self, message: bytes, time_ns: int) -> int:
        self.channel.log(message, log_time=time_ns)
        return len(message)


class _Video:
    """Packets of our cameras as Foxglove's own type, whose pictures it shows."""

    raw = False

    def __init__(self, topic: str, context: foxglove.Context) -> None:
        self.channel = CompressedVideoChannel(topic, context=context)
        self._topic = topic
        self._told = ""

    def send(self, message: VideoPacket, time_ns: int) -> int:
        form = _FORMATS.get(message.codec)
        if form is None:
            if self._told != message.codec:
                self._told = message.codec
                log.warning("%s: Foxglove shows no %s; %s/image_raw/compressed has previews", self._topic, message.codec, self._topic[:-6])
            return 0
        data = bytes(message.data)
        video = CompressedVideo(timestamp=_timestamp(message.header), frame_id=message.header.frame_id, data=data, format=form)
        self.channel.log(video, log_time=time_ns)
        return len(data)


class _Sound:
    """Blocks of our microphones as Foxglove's own type, which it shows and plays: 16 bit, whatever is recorded."""

    raw = False

    def __init__(self, topic: str, context: foxglove.Context) -> None:
        self.channel = RawAudioChannel(topic, context=context)

    def send(self, message: AudioChunk, time_ns: int) -> int:
        data = bytes(message.data)
        if message.format != "S16LE":
            samples = samples_of(data, message.format, message.channels)
            data = np.clip(samples * 2**15, -(2**15), 2**15 - 1).astype("<i2").tobytes()
        sound = RawAudio(
            timestamp=_timestamp(message.header),
            data=data,
            format="pcm-s16",
            sample_rate=message.sample_rate,
            number_of_channels=message.channels,
        )
        self.channel.log(sound, log_time=time_ns)
        return len(data)


def _timestamp(header: Header) -> Timestamp:
    return Timestamp(header.stamp.sec, header.stamp.nanosec)


def _outlet(topic: str, type_name: str, definitions: Definitions, context: foxglove.Context) -> _Outlet:
    if type_name == VIDEO_PACKET:
        return _Video(topic, context)
    return _Sound(topic, context) if type_name == AUDIO_CHUNK else _Plain(topic, type_name, definitions, context)


class TopicChannel:
    """One topic: a channel all the time, a subscription while `attend` is told of viewers. Used from the executor's thread."""

    def __init__(self, node: Node, topic: str, type_name: str, definitions: Definitions, context: foxglove.Context) -> None:
        """Offers the channel.

        Args:
            node: subscribes.
            topic: absolute.
            type_name: such as ``sensor_msgs/msg/Imu``.
            definitions: of messages.
            context: of the server.

        Raises:
            UnknownMessageType, UnknownType: the type is not installed.
        """
        self.type = type_name
        self._node, self._topic = node, topic
        self._class = message_class(type_name)
        self._outlet = _outlet(topic, type_name, definitions, context)
        self._subscription: Subscription | None = None
        self._qos: QoSProfile | None = None
        self.messages = 0
        self.bytes = 0

    @property
    def is_subscribed(self) -> bool:
        """Whether messages are taken."""
        return self._subscription is not None

    def attend(self, *, wanted: bool, newcomer: bool, depth: int) -> None:
        """Subscribes, or lets go.

        Args:
            wanted: somebody looks.
            newcomer: somebody has just begun to; what publishers keep for late ones is then fetched again, for all who look.
            depth: history of the subscription.
        """
        if not wanted:
            self._unsubscribe()
            return
        qos = fitting_qos(publishers_of(self._node, self._topic), depth)
        fits = self._qos is not None and (qos.reliability, qos.durability) == (self._qos.reliability, self._qos.durability)
        if fits and not (newcomer and qos.durability == DurabilityPolicy.TRANSIENT_LOCAL):
            return
        self._unsubscribe()
        self._qos = qos
        self._subscription = self._node.create_subscription(self._class, self._topic, self._take, qos, raw=self._outlet.raw)

    def close(self) -> None:
        """Takes the channel back."""
        self._unsubscribe()
        self._outlet.channel.close()

    def _take(self, message: bytes | VideoPacket | AudioChunk) -> None:
        self.messages += 1
        self.bytes += self._outlet.send(message, self._node.get_clock().now().nanoseconds)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._qos = None


class Viewers:
    """Who looks at what, as the server's threads tell it; `changed` is called in them."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._clients: dict[str, set[int]] = {}
        self._newcomers: set[str] = set()

    def subscribed(self, client: int, topic: str) -> None:
        """A client looks at a topic."""
        with self._lock:
            self._clients.setdefault(topic, set()).add(client)
            self._newcomers.add(topic)
        self._changed()

    def unsubscribed(self, client: int, topic: str) -> None:
        """It does no longer, or is gone."""
        with self._lock:
            self._clients.get(topic, set()).discard(client)
        self._changed()

    def look_at(self, topic: str) -> bool:
        """Whether anybody looks at a topic."""
        return bool(self._clients.get(topic))

    def newcomers(self) -> set[str]:
        """Topics that somebody has begun to look at since the last call."""
        with self._lock:
            new, self._newcomers = self._newcomers, set()
        return new

    def __len__(self) -> int:
        """How many clients look at anything."""
        with self._lock:
            return len(set().union(*self._clients.values()))
