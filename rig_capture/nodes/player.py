"""Executable `player`: a session republished on its topics with its timing, pictures and sound included, and `/clock`."""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from rig_capture.nodes.common.base import RigNode, data_qos, run_node, time_message
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.nodes.common.memory import keep_large_buffers
from rig_capture.nodes.common.parameters import SettingsError
from rig_capture.nodes.playing.keys import HELP, Keys
from rig_capture.nodes.playing.messages import (
    AUDIO_CHUNK,
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    IMAGE,
    VIDEO_PACKET,
    audio_chunk,
    compressed_video,
    jpeg,
    played_qos,
    video_packet,
)
from rig_capture.nodes.playing.pictures import Outlets, PictureWorker
from rig_capture.nodes.playing.playing import Playing
from rig_capture.nodes.recording.intake import UnknownMessageType, message_class
from rig_capture.playback.items import Block, Item, Packet
from rig_capture.playback.session import PlayedSession, Source
from rig_capture.profiles.settings.player import PlayerSettings
from rig_capture.session.errors import SessionError

_SWITCH_S = 0.0005
"""A thread that has to publish does not wait longer for one that reads (Python's own 5 ms would be all that may be added)."""
_PICTURE_DEPTH = 30
_LISTENERS_S = 2.0
"""Longest wait at the end for listeners that have not got everything yet."""

Publish = Callable[[Item], None]


class PlayerNode(RigNode[PlayerSettings]):
    """Plays one session and ends with it."""

    settings_type = PlayerSettings
    task = "Player"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        settings = self.settings
        if not settings.session:
            raise SettingsError("parameter session: the folder of a session belongs here")
        try:
            self._session = PlayedSession(Path(settings.session), settings.topics)
        except SessionError as error:
            raise SettingsError(f"parameter session: {error}") from error
        self._left_out: dict[str, str] = {}
        self._pictures: dict[str, PictureWorker] = {}
        # A participant of their own: large pictures would fill the shared memory that all others go through, and those then come only
        # when DDS repeats them, seconds later.
        self._picture_context = Context()
        rclpy.init(context=self._picture_context, args=[])
        self._picture_node = Node(
            f"{name}_pictures",
            context=self._picture_context,
            namespace=self.get_namespace(),
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._outlets = {source.name: publish for source in self._session.sources if (publish := self._outlet(source)) is not None}
        self._playing = Playing(self._session, settings, self._publish, self._moved, self._end)
        self._time = self.create_publisher(Clock, "/clock", data_qos(1)) if settings.clock_hz else None
        if self._time is not None:
            self.create_timer(1 / settings.clock_hz, self._publish_clock)
        self.create_service(SetBool, "~/pause", self._pause)
        self._keys = Keys(self._key)

    def start(self) -> None:
        sys.setswitchinterval(_SWITCH_S)
        # What is there stays there: looking through it for garbage would stop everything for a twentieth of a second, again and again.
        gc.collect()
        gc.freeze()
        for topic, reason in self._left_out.items():
            self.get_logger().warning(f"{topic} is left out: {reason}")
        self.get_logger().info(f"playing {self._session.recording_id}, {self._session.duration_s:.1f} s, {len(self._outlets)} streams")
        for worker in self._pictures.values():
            worker.start()
        self._playing.start()
        if self.settings.keys:
            self._keys.start()
            if self._keys.there:
                self.get_logger().info(HELP)

    def stop(self) -> None:
        with ExitStack() as ends:
            ends.callback(self._session.close)
            ends.callback(self._picture_context.try_shutdown)
            ends.callback(self._picture_node.destroy_node)
            ends.callback(self._wait_for_listeners)
            for worker in self._pictures.values():
                ends.callback(worker.stop)
            ends.callback(self._playing.stop)
            if self.settings.keys:
                ends.callback(self._keys.stop)

    def _wait_for_listeners(self) -> None:
        """What was published last is lost to listeners that have not got it when its publisher goes."""
        deadline = time.monotonic() + _LISTENERS_S
        for publisher in (*self.publishers, *self._picture_node.publishers):
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic())))

    def check(self) -> None:
        self._playing.check()
        self._keys.check()
        for worker in self._pictures.values():
            worker.check()

    def settings_changed(self, before: PlayerSettings) -> None:
        self._playing.change(self.settings)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        values: dict[str, object] = {
            "recording_id": self._session.recording_id,
            "position_s": f"{self._playing.position_s:.1f}",
            "duration_s": f"{self._session.duration_s:.1f}",
            "published": self._playing.played,
            "pictures_left_out": sum(worker.left_out for worker in self._pictures.values()),
        }
        if self._left_out:
            return WARN, f"{len(self._left_out)} topics are left out: {'; '.join(self._left_out.values())}", values
        return OK, "paused" if self.settings.paused else "playing", values

    def _outlet(self, source: Source) -> Publish | None:
        """What publishes the items of a stream; None where its type is not installed here."""
        try:
            kind = message_class(source.type)
        except UnknownMessageType as error:
            self._left_out[source.topic] = str(error)
            return None
        if source.type == IMAGE and source.kind == "video":
            publisher = self._picture_publisher(kind, source.topic)
        else:
            publisher = self.create_publisher(kind, source.topic, played_qos(source.qos, self.settings.depth))
        if source.kind == "topic":
            return lambda item: publisher.publish(item.content)
        if source.type == AUDIO_CHUNK:
            return lambda item: _publish_block(publisher, item, source.frame_id)
        return self._video_outlet(source, kind, publisher)

    def _video_outlet(self, source: Source, kind: type, publisher: Publisher) -> Publish | None:
        makers: dict[str, Callable[[Packet], object]] = {
            VIDEO_PACKET: lambda packet: video_packet(packet, source.frame_id),
            COMPRESSED_IMAGE: lambda packet: jpeg(packet, source.frame_id),
            COMPRESSED_VIDEO: lambda packet: compressed_video(kind, packet, source.frame_id),
        }
        make = makers.get(source.type)
        worker = self._picture_worker(source, publisher)
        if make is None and worker is None:
            self._left_out[source.topic] = f"video of type {source.type} can't be given back"
            return None

        def publish(item: Item) -> None:
            packet = item.content
            assert isinstance(packet, Packet)
            if make is not None:
                publisher.publish(make(packet))
            if worker is not None:
                worker.offer(packet)

        return publish

    def _picture_worker(self, source: Source, publisher: Publisher) -> PictureWorker | None:
        """What decodes a stream, where that is anybody's: pictures that were encoded while recording, and cameras of rigs."""
        if source.type == IMAGE:
            outlets = Outlets(publisher, None)
        elif source.type == VIDEO_PACKET:
            base = f"{source.topic.removesuffix('/video')}/image_raw"
            recorded = {each.topic for each in self._session.sources}
            raw, preview = base, f"{base}/compressed"
            outlets = Outlets(
                self._picture_publisher(Image, raw) if self.settings.raw and raw not in recorded else None,
                self._picture_publisher(CompressedImage, preview) if preview not in recorded else None,
            )
        else:
            return None
        encoding = str(source.settings.get("encoding", "rgb8"))
        worker = PictureWorker(source.name, source.frame_id, encoding, outlets, lambda: self.settings)
        self._pictures[source.name] = worker
        return worker

    def _picture_publisher(self, kind: type, topic: str) -> Publisher:
        return self._picture_node.create_publisher(kind, self.resolve_topic_name(topic), data_qos(_PICTURE_DEPTH))

    def _publish(self, item: Item) -> None:
        outlet = self._outlets.get(item.stream)
        if outlet is not None:
            outlet(item)

    def _moved(self) -> None:
        for worker in self._pictures.values():
            worker.reset()

    def _publish_clock(self) -> None:
        assert self._time is not None
        self._time.publish(Clock(clock=time_message(self._playing.clock.position_ns)))

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._set(paused=request.data)
        response.success, response.message = True, f"{'paused' if request.data else 'playing'} at {self._playing.position_s:.1f} s"
        return response

    def _key(self, key: str) -> None:
        """Called in the keys' thread; parameters are the one place where the state is."""
        settings, here = self.settings, self._playing.position_s
        steps = {"back": -5.0, "on": 5.0, "far back": -60.0, "far on": 60.0}
        if key == "end":
            self._end()
        elif key == "pause":
            self._set(paused=not settings.paused)
        elif key in ("faster", "slower"):
            self._set(rate=min(100.0, max(0.01, settings.rate * (1.25 if key == "faster" else 0.8))))
        else:
            self._playing.seek(0.0 if key == "home" else here + steps[key])

    def _set(self, **values: object) -> None:
        self.set_parameters([Parameter(name, value=value) for name, value in values.items()])

    def _end(self) -> None:
        """As Ctrl-C would."""
        os.kill(os.getpid(), signal.SIGINT)


def _publish_block(publisher: Publisher, item: Item, frame_id: str) -> None:
    assert isinstance(item.content, Block)
    publisher.publish(audio_chunk(item.content, frame_id))


def make_node(name: str) -> PlayerNode:
    """A node by its name."""
    return PlayerNode(name)


def main() -> NoReturn:
    """Entry point."""
    keep_large_buffers()
    run_node(lambda: make_node("player"))


if __name__ == "__main__":
    main()
