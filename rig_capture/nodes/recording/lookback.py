"""The subscriptions behind the look-back buffer: open all the time, so that a recording begun by a trigger holds the past."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import DurabilityPolicy

from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.qos import fitting_qos, publishers_of
from rig_capture.nodes.recording.intake import Intake
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.lookback.sinks import LookBackSinks
from rig_capture.recorder.sinks import StreamSink
from rig_capture.recorder.streams import StreamSpec

_LOOK_S = 0.5
"""So often it looks for publishers of streams that had none yet."""


class LookBackIntake:
    """Takes all streams of the rig, into memory or into the recording that runs, from `start` to `stop`."""

    def __init__(self, node: RigNode[RecorderParameters], streams: Sequence[StreamSpec]) -> None:
        """Subscribes to nothing yet."""
        self._node = node
        settings = node.settings
        self._depth = settings.depth
        self.sinks = LookBackSinks(settings.lookback_s, settings.lookback_mb * 10**6)
        self._waiting = list(streams)
        self._lock = threading.Lock()
        self._intake = Intake(node, self._failed)
        self._on_failure: Callable[[BaseException], None] | None = None

    def start(self) -> None:
        """Begins to take messages; a stream is subscribed to when its first publisher comes, with the QoS that fits it."""
        self._intake.start()
        self._node.create_timer(_LOOK_S, self._look, callback_group=MutuallyExclusiveCallbackGroup())

    def stop(self) -> None:
        """Ends, and joins."""
        self._intake.stop()

    def check(self) -> None:
        """Raises what taking messages died of."""
        self._intake.check()

    def divert(self, targets: Mapping[str, StreamSink], since_ns: int | None, on_failure: Callable[[BaseException], None]) -> None:
        """Leads all streams into a recording.

        Args:
            targets: the recording's sinks, by stream name.
            since_ns: with what was received since then; None: since now, and of video the pictures that the next ones need.
            on_failure: told what taking messages died of, until `release`.
        """
        self._subscribe(also_without_publisher=True)
        self._on_failure = on_failure
        if self._intake.failure is not None:  # it has died before
            on_failure(self._intake.failure)
        self.sinks.divert(targets, time.time_ns() if since_ns is None else since_ns)

    def release(self) -> None:
        """Leads all streams into memory again."""
        self._on_failure = None
        self.sinks.release()

    def _look(self) -> None:
        if self._waiting:
            self._subscribe(also_without_publisher=False)

    def _subscribe(self, *, also_without_publisher: bool) -> None:
        with self._lock:
            for spec in list(self._waiting):
                topic = self._node.resolve_topic_name(spec.topic)
                publishers = publishers_of(self._node, topic)
                if not publishers and not also_without_publisher:
                    continue
                qos = fitting_qos(publishers, self._depth)
                sink = self.sinks.add(spec, latched=qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)
                self._intake.add(spec.type, topic, qos, sink)
                self._waiting.remove(spec)

    def _failed(self, failure: BaseException) -> None:
        if self._on_failure is not None:
            self._on_failure(failure)
