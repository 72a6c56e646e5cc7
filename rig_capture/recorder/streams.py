"""What is recorded: one spec per topic, and what was counted of it."""

import time
from collections import deque
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, cast

from rig_capture.recorder.errors import RecordingError
from rig_capture.session.manifest import Gap, Loss, StreamKind

_RATE_WINDOW_S = 5.0
_NO_DATA = "no data"
_SOURCE_LOST = "source lost"
_GAP_NS = 10**9
"""Silence that counts as a gap where a stream's own interval says nothing stricter."""
_GAP_INTERVALS = 5
"""A gap is also at least this many of the stream's mean intervals."""
_MOST_GAPS = 1000
"""Listed one by one; those after it are told of as one, or a source that flickers for days would fill memory and manifest."""
_LEAST_CHANGES_S = 1.0
"""Messages about changes that lie closer together tell of no rate."""
_MANY = "interrupted again and again"


@dataclass(frozen=True)
class StreamSpec:
    """One topic to record."""

    kind: StreamKind
    topic: str
    """Relative to the rig's namespace, or absolute."""
    type: str
    required: bool = False
    """The recording is refused while it delivers nothing."""
    timeout_s: float = 0.0
    """While recording, silence of so long is reported; 0: as the recorder's settings say."""

    @property
    def name(self) -> str:
        """Key in the manifest, and folder of video and audio: the device's name for the rig's own, else the topic."""
        text = self.topic.strip("/")
        if self.kind in ("video", "audio"):
            text = text.removesuffix("/video").removesuffix("/audio")
        return text.replace("/", ".") if self.kind != "topic" else text

    @classmethod
    def parse(cls, text: str) -> "StreamSpec":
        """From ``KIND TOPIC TYPE required|optional [TIMEOUT_S]``, as the recorder's parameter `streams` holds it.

        Raises:
            RecordingError: not of that form.
        """
        words = text.split()
        if len(words) not in (4, 5) or words[0] not in ("video", "audio", "topic") or words[3] not in ("required", "optional"):
            raise RecordingError(
                f"stream {text!r}: write it as 'KIND TOPIC TYPE required|optional [TIMEOUT_S]' with KIND video, audio or topic"
            )
        try:
            timeout_s = float(words[4]) if len(words) == 5 else 0.0
        except ValueError as error:
            raise RecordingError(f"stream {text!r}: its time-out {words[4]!r} is no number of seconds") from error
        return cls(cast("StreamKind", words[0]), words[1], words[2], words[3] == "required", timeout_s)


class SequenceCounter:
    """Counts numbers that are missing from a sequence that goes up by one."""

    def __init__(self) -> None:
        self.missing = 0
        self._last: int | None = None

    def see(self, number: int) -> int:
        """Takes the next number; returns how many are missing before it. A lower number is a sequence that began anew."""
        last, self._last = self._last, number
        if last is None or number <= last + 1:
            return 0
        gap = number - last - 1
        self.missing += gap
        return gap


@dataclass
class StreamCounter:
    """What was received, written and lost of one stream.

    The intake thread calls `received`, the writer's thread `written`; each field is written by one of the two.
    """

    spec: StreamSpec
    messages: int = 0
    bytes: int = 0
    lost_dds: int = 0
    lost_publications: int = 0
    """Missing in publication sequence numbers, as DDS hands them out."""
    dropped_queue: int = 0
    dropped_encoder: int = 0
    """Given to an encoder of ours and not given back, or refused by all."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the manifest says of the stream beside its format, such as the encoder."""
    host: str = ""
    """Whose clock its stamps are by; empty where that is not known, or several publish it."""
    tells_of_changes: bool = False
    """Silence of it is no gap: it comes when there is something new."""
    note: str = ""
    """For the manifest: why it is not recorded, for example."""
    first_stamp_ns: int | None = None
    last_stamp_ns: int | None = None
    gaps: list[Gap] = field(default_factory=list)
    last_pts_ns: int = -1
    """Time within the segment: it grows, until the source was lost and has begun anew."""
    samples: SequenceCounter = field(default_factory=SequenceCounter)
    """The `seq` that packets and chunks carry."""
    last_heard: float | None = None
    """Monotonic time of the last message received."""
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    def received(self, count: int = 1) -> None:
        """Messages came out of DDS."""
        self.last_heard = time.monotonic()
        self._recent.extend(repeat(self.last_heard, count))

    def written(self, stamp_ns: int, size: int, pts_ns: int | None = None) -> None:
        """A message is in a file.

        Args:
            stamp_ns: its stamp.
            size: bytes.
            pts_ns: of a packet or chunk: time within its segment.
        """
        anew = pts_ns is not None and pts_ns < self.last_pts_ns
        if pts_ns is not None:
            self.last_pts_ns = pts_ns
        if self.first_stamp_ns is None or self.last_stamp_ns is None:
            self.first_stamp_ns = stamp_ns
        elif anew and stamp_ns > self.last_stamp_ns:
            self._note_gap(self.last_stamp_ns, stamp_ns, _SOURCE_LOST)
        elif stamp_ns - self.last_stamp_ns > _GAP_NS:
            self._look_for_gap(self.last_stamp_ns, stamp_ns)
        self.last_stamp_ns = stamp_ns
        self.messages += 1
        self.bytes += size

    def _look_for_gap(self, last_ns: int, stamp_ns: int) -> None:
        assert self.first_stamp_ns is not None
        if self.messages < 2 or self.tells_of_changes:
            return
        interval_ns = (last_ns - self.first_stamp_ns) / (self.messages - 1)
        if stamp_ns - last_ns > _GAP_INTERVALS * interval_ns:
            self._note_gap(last_ns, stamp_ns, _NO_DATA)

    def _note_gap(self, from_ns: int, to_ns: int, reason: str) -> None:
        if len(self.gaps) < _MOST_GAPS:
            self.gaps.append(Gap(from_ns=from_ns, to_ns=to_ns, reason=reason))
        else:
            self.gaps[-1] = Gap(from_ns=self.gaps[-1].from_ns, to_ns=to_ns, reason=_MANY)

    @property
    def loss(self) -> Loss:
        """All losses. What DDS counted shows up in the sequence numbers too, and is counted once."""
        in_sequence = max(self.lost_publications, self.samples.missing)
        return Loss(dds=self.lost_dds, sequence=max(0, in_sequence - self.lost_dds), queue=self.dropped_queue, encoder=self.dropped_encoder)

    @property
    def rate_hz(self) -> float:
        """Messages per second over the last seconds."""
        now = time.monotonic()
        recent = [heard for heard in list(self._recent) if now - heard < _RATE_WINDOW_S]
        # Over a second at least, since what was kept for late subscribers comes all at once.
        return (len(recent) - 1) / max(now - recent[0], 1.0) if recent else 0.0

    @property
    def mean_rate_hz(self) -> float | None:
        """Messages per second over the whole recording, by their stamps; None where they don't tell one.

        That is so with fewer than two messages, and where all there is was kept for late subscribers by several publishers, whose
        stamps are microseconds apart and in no order.
        """
        if self.messages < 2 or self.first_stamp_ns is None or self.last_stamp_ns is None:
            return None
        duration_s = (self.last_stamp_ns - self.first_stamp_ns) / 1e9
        if duration_s <= 0 or (self.tells_of_changes and duration_s < _LEAST_CHANGES_S):
            return None
        return (self.messages - 1) / duration_s
