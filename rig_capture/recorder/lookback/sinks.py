"""Between the subscriptions of a rig and its recordings: messages go into the look-back buffer, or, while one runs, into it."""

import threading
from collections.abc import Callable, Mapping, Sequence

from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.lookback.buffer import Kept, LookBack
from rig_capture.recorder.sinks import Received, StreamSink
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.recorder.tracks.samples import VIDEO_PACKET, video_reader


class LookBackSink(StreamSink):
    """One stream's switch between buffer and recording."""

    def __init__(self, spec: StreamSpec, name: str, buffer: LookBack, lock: threading.Lock, is_keyframe: Callable[[bytes], bool]) -> None:
        """Leads into the buffer; `lock` guards all switches together."""
        self._spec, self._name = spec, name
        self._buffer, self._lock, self._is_keyframe = buffer, lock, is_keyframe
        self._target: StreamSink | None = None
        self.counter = StreamCounter(spec)
        """Of the recording; between recordings one that only collects what was lost before the next message."""

    def take_all(self, messages: Sequence[Received]) -> None:
        with self._lock:
            if self._target is not None:
                self._target.take_all(messages)
                return
            for data, received_ns in messages:
                message = Kept(data, received_ns, self.counter.lost_publications, self.counter.lost_dds)
                self.counter = StreamCounter(self._spec)
                self._buffer.put(self._name, message, keyframe=self._is_keyframe(data))

    def switch(self, target: StreamSink | None) -> None:
        """Leads into a recording, or with None into the buffer again; under the lock."""
        self._target = target
        self.counter = StreamCounter(self._spec) if target is None else target.counter


class LookBackSinks:
    """All switches of a rig, and the buffer behind them. Safe from any thread."""

    def __init__(self, keep_s: float, limit_bytes: int) -> None:
        self._buffer = LookBack(keep_s, limit_bytes)
        self._lock = threading.Lock()
        self._sinks: dict[str, LookBackSink] = {}
        self._targets: Mapping[str, StreamSink] = {}
        self._definitions = Definitions()

    @property
    def seconds(self) -> float:
        """That the buffer holds."""
        return self._buffer.seconds

    @property
    def held_bytes(self) -> int:
        """That the buffer holds."""
        return self._buffer.bytes

    def add(self, spec: StreamSpec, *, latched: bool) -> LookBackSink:
        """A switch for a stream; it leads into the recording that runs, or into the buffer. Raises UnknownType."""
        is_keyframe = self._keyframes() if spec.type == VIDEO_PACKET else _always
        with self._lock:
            self._buffer.add_stream(spec.name, grouped=spec.type == VIDEO_PACKET, latched=latched)
            sink = LookBackSink(spec, spec.name, self._buffer, self._lock, is_keyframe)
            self._sinks[spec.name] = sink
            sink.switch(self._targets.get(spec.name))
        return sink

    def hold(self, since_ns: int | None) -> None:
        """Keeps what was received since a time until it is taken; None: no more than usual."""
        with self._lock:
            self._buffer.hold(since_ns)

    def oldest_ns(self, since_ns: int) -> int | None:
        """When the first message was received of those since a time, with what its picture needs; None where there is none."""
        with self._lock:
            return self._buffer.oldest_ns(since_ns)

    def divert(self, targets: Mapping[str, StreamSink], since_ns: int) -> None:
        """Leads all streams into a recording, with what was received since a time; nothing is lost in between.

        Args:
            targets: the recording's sinks, by stream name.
            since_ns: received then, ns.
        """
        with self._lock:
            begun: set[str] = set()
            for name, message in self._buffer.take(since_ns):
                target = targets.get(name)
                if target is None:
                    continue
                if name in begun:
                    target.counter.lost_publications += message.lost_publications
                    target.counter.lost_dds += message.lost_dds
                begun.add(name)
                target.take_kept(message.data, message.received_ns)
            self._targets = targets
            for name, sink in self._sinks.items():
                sink.switch(targets.get(name))

    def release(self) -> None:
        """Leads all streams into the buffer again."""
        with self._lock:
            self._buffer.clear()
            self._targets = {}
            for sink in self._sinks.values():
                sink.switch(None)

    def _keyframes(self) -> Callable[[bytes], bool]:
        read = video_reader(self._definitions)
        return lambda data: read(data).keyframe


def _always(data: bytes) -> bool:
    return True
