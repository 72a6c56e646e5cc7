"""What viewers want to see and hear, subscribed to while they do: previews, levels, IMUs, sound."""

import logging
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Vector3
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rig_capture_msgs.msg import AudioChunk, AudioLevel
from sensor_msgs.msg import CompressedImage, Imu

from rig_capture.console.live import LiveHub
from rig_capture.console.rig import Interest
from rig_capture.nodes.common.outside import OutsideExecutor, never_called
from rig_capture.nodes.common.qos import data_qos
from rig_capture.nodes.common.sound import levels_of
from rig_capture.nodes.common.taking import MessageTaker
from rig_capture.owned_thread import OwnedThread
from rig_capture.sensing.audio.levels import samples_of

log = logging.getLogger(__name__)

Tell = Callable[[Callable[[LiveHub], None]], None]

_LOOK_S = 0.02
"""Time between looks at what came; small against the time between pictures, and it saves waking for each message."""
_IMU_EVERY_S = 0.1
_IMU_POINTS_S = 50.0
_MOST_TAKEN = 5000
_KINDS: dict[str, tuple[type, str, int]] = {
    "preview": (CompressedImage, "{}/image_raw/compressed", 5),
    "level": (AudioLevel, "{}/level", 20),
    "imu": (Imu, "{}/data_raw", 1000),
    "sound": (AudioChunk, "{}/audio", 50),
}
"""Message, topic, and depth of the history."""


@dataclass
class _Feed:
    """One subscription."""

    subscription: Subscription
    taker: MessageTaker
    kind: str
    name: str
    next_point_ns: int = 0
    rounds: int = 0

    def messages(self) -> list[bytes]:
        """What came since the last look, serialized."""
        return [data for data, *_ in self.taker.take(_MOST_TAKEN)]


class Feeds:
    """Owns a thread, from `start` to `stop`, that subscribes to what is wanted and passes on what comes."""

    def __init__(self, node: Node) -> None:
        """Subscribes to nothing yet."""
        self._node = node
        self._tell: Tell = _to_nobody
        self._group = OutsideExecutor()
        self._feeds: dict[tuple[str, str], _Feed] = {}
        self._wanted = Interest()
        self._wake = threading.Event()
        self._ending = False
        self._thread = OwnedThread("feeds", self._run)

    def want(self, interest: Interest) -> None:
        """What viewers want from now on; from any thread."""
        self._wanted = interest
        self._wake.set()

    def start(self, tell: Tell) -> None:
        """Begins; `tell` has something told to the viewers."""
        self._tell = tell
        self._thread.start()

    def stop(self) -> None:
        """Unsubscribes, joins, and raises what the thread died of."""
        self._ending = True
        self._wake.set()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def _run(self) -> None:
        try:
            while not self._ending:
                # While nobody looks, nothing is done at all.
                self._wake.wait(_LOOK_S if self._feeds else None)
                if self._wake.is_set():
                    self._wake.clear()
                    self._subscribe(self._wanted)
                for feed in self._feeds.values():
                    self._pass_on(feed)
        finally:
            self._subscribe(Interest())

    def _subscribe(self, interest: Interest) -> None:
        wanted = {("preview", name) for name in interest.previews} | {("level", name) for name in interest.levels}
        wanted |= {("imu", name) for name in interest.imus} | {("sound", name) for name in interest.sounds}
        for key in [key for key in self._feeds if key not in wanted]:
            self._node.destroy_subscription(self._feeds.pop(key).subscription)
        for kind, name in sorted(wanted - self._feeds.keys()):
            message, topic, depth = _KINDS[kind]
            subscription = self._node.create_subscription(
                message, topic.format(name), never_called, data_qos(depth), callback_group=self._group, raw=True
            )
            self._feeds[kind, name] = _Feed(subscription, MessageTaker(subscription.handle), kind, name)

    def _pass_on(self, feed: _Feed) -> None:
        if feed.kind == "imu":
            feed.rounds += 1
            if feed.rounds * _LOOK_S < _IMU_EVERY_S:
                return
            feed.rounds = 0
            self._motion(feed)
            return
        messages = feed.messages()
        if not messages:
            return
        if feed.kind == "preview":
            self._preview(feed.name, messages[-1])
        elif feed.kind == "level":
            self._level(feed.name, messages[-1])
        else:
            for message in messages:
                self._sound(feed.name, message)

    def _preview(self, name: str, message: bytes) -> None:
        stamp_ns, jpeg = picture_of(message)
        self._tell(lambda hub: hub.picture(name, stamp_ns, jpeg))

    def _level(self, name: str, message: bytes) -> None:
        levels = levels_of(deserialize_message(message, AudioLevel))
        columns = (levels.rms_dbfs, levels.peak_dbfs, levels.clipping, levels.flatline, levels.low_signal, levels.speech)
        keys = ("rms_dbfs", "peak_dbfs", "clipping", "flatline", "low", "speech")
        channels = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
        told = {"type": "levels", "microphone": name, "stamp_s": levels.stamp_ns / 1e9, "channels": channels}
        told["correlation"] = levels.correlation
        told["correlated"] = [list(pair) for pair in levels.correlated]
        self._tell(lambda hub: hub.levels(name, told))

    def _motion(self, feed: _Feed) -> None:
        """Not more points than a plot shows are taken apart at all."""
        stamps: list[float] = []
        accel: list[tuple[float, float, float]] = []
        gyro: list[tuple[float, float, float]] = []
        for message in feed.messages():
            stamp_ns = stamp_of(message)
            if 0 <= feed.next_point_ns - stamp_ns < 1_000_000_000:  # more: the clock was set back
                continue
            feed.next_point_ns = stamp_ns + round(1e9 / _IMU_POINTS_S)
            sample: Any = deserialize_message(message, Imu)
            stamps.append(stamp_ns / 1e9)
            accel.append(_vector(sample.linear_acceleration))
            gyro.append(_vector(sample.angular_velocity))
        if stamps:
            told = {"type": "imu", "imu": feed.name, "stamps_s": stamps, "accel": accel, "gyro": gyro}
            self._tell(lambda hub: hub.motion(feed.name, told))

    def _sound(self, name: str, message: bytes) -> None:
        chunk: Any = deserialize_message(message, AudioChunk)
        samples = samples_of(chunk.data.tobytes(), chunk.format, chunk.channels)
        whole = np.clip(samples * 32768.0, -32768, 32767).astype("<i2")
        rate = chunk.sample_rate

        def tell(hub: LiveHub) -> None:
            for channel in hub.wanted_channels(name):
                if channel < whole.shape[1]:
                    hub.sound(name, channel, rate, whole[:, channel].tobytes())

        self._tell(tell)


def _to_nobody(call: Callable[[LiveHub], None]) -> None:
    """Until it is said to whom."""


def _vector(vector: Vector3) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z


def stamp_of(message: bytes) -> int:
    """Stamp, ns since the epoch, of a serialized message that begins with a header."""
    seconds, nanoseconds = struct.unpack_from(f"{_order(message)}iI", message, 4)
    return int(seconds) * 10**9 + int(nanoseconds)


def picture_of(message: bytes) -> tuple[int, memoryview]:
    """Stamp, ns, and picture of a serialized sensor_msgs/CompressedImage; the picture is not copied.

    It is CDR: a header of four bytes, then stamp, frame_id, format, data, each length a number of four bytes at a multiple of four.
    """
    number = struct.Struct(f"{_order(message)}I")
    position = 12
    for _ in range(2):  # frame_id, format
        position += 4 + number.unpack_from(message, position)[0]
        position += -position % 4
    size = number.unpack_from(message, position)[0]
    return stamp_of(message), memoryview(message)[position + 4 : position + 4 + size]


def _order(message: bytes) -> str:
    return "<" if message[1] & 1 else ">"
