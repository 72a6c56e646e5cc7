"""How far apart the stamps of the same events are in different streams."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import combinations, product
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from rig_capture import __version__
from rig_capture.reading.audio import AudioStream
from rig_capture.reading.session import ClockChoice, Session
from rig_capture.reading.video import VideoStream
from rig_capture.reporting.sync.beeps import find_beeps
from rig_capture.reporting.sync.errors import NothingFound
from rig_capture.reporting.sync.flashes import Onsets, find_flashes

_LEAST_EVENTS = 3
_LEAST_FOR_DRIFT, _LEAST_SPAN_S = 5, 5.0
_REACH = 0.45
"""Of the time between two events: the farthest that the same one may be apart in two streams."""


Kind = Literal["audio_video", "camera_camera"]
T = TypeVar("T")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Apart(_Record):
    """How far apart two streams are, ms: what the second has later than the first by their stamps is positive."""

    median: float
    p95: float
    """95 % of the distances from 0 are not larger."""
    spread: float
    """From the 5th to the 95th percentile."""
    drift_ppm: float | None
    """How much they go apart over time: the median of the slopes between all events (Theil 1950, Sen 1968). None where these are few."""
    drift_known_to_ppm: float | None
    """One standard error of it, by how the events scatter."""


class Pair(_Record):
    """Two streams, and the events that both have."""

    kind: Kind
    first: str
    second: str
    apart_ms: Apart
    events: int
    at_s: tuple[float, ...] = Field(repr=False)
    """When each was, since the first event of all."""
    errors_ms: tuple[float, ...] = Field(repr=False)
    """The second's stamp minus the first's, of each."""


class SyncReport(_Record):
    """What a test of synchronisation found."""

    schema_version: Literal[1] = 1
    made_at: str
    """ISO 8601 UTC."""
    version: str
    """Of this software."""
    session: str
    """Recording id."""
    clock: ClockChoice
    """By which clock the stamps are: each host's own, or one for all."""
    notes: tuple[str, ...] = ()
    """What a reader should know, such as streams without an event."""
    audio_video_ms: Apart | None
    """Of the pair of a microphone and a camera that is farthest apart; None where there is none. Sound that comes late is positive."""
    camera_camera_ms: Apart | None
    """The same of two cameras."""
    events: int
    """Flashes, or beeps, of the stream that has most."""
    skipped: int
    """Flashes beside which a frame is missing."""
    pairs: tuple[Pair, ...]


def measure_sync(session: Session, beep_hz: float, clock: ClockChoice, notes: tuple[str, ...] = ()) -> SyncReport:
    """Finds flashes and beeps in all streams of a session, and how far apart they are.

    Args:
        session: opened by the clock that is meant.
        beep_hz: frequency of the beep.
        clock: by which clock it was opened, for the report.
        notes: for the report.

    Raises:
        NothingFound: there is no flash, or nothing to compare it with.
        Incomplete: files are damaged.
    """
    cameras = [stream for stream in session.streams.values() if isinstance(stream, VideoStream)]
    microphones = [stream for stream in session.streams.values() if isinstance(stream, AudioStream)]
    if not cameras or len(cameras) + len(microphones) < 2:
        raise NothingFound(f"{session.recording_id}: has {len(cameras)} video and {len(microphones)} sound streams; two are to be compared")
    lacking: list[str] = []
    flashes = [*_found(cameras, find_flashes, lacking)]
    beeps = [*_found(microphones, lambda stream: find_beeps(stream, beep_hz), lacking)]
    if not flashes or (microphones and not beeps):
        raise NothingFound("; ".join(lacking))
    zero_ns = min(int(onsets.stamps_ns[0]) for onsets in (*flashes, *beeps))
    pairs = [*_compared("camera_camera", combinations(flashes, 2), zero_ns, lacking)]
    pairs += _compared("audio_video", product(flashes, beeps), zero_ns, lacking)
    if not pairs:
        raise NothingFound("; ".join(lacking))
    return SyncReport(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        session=session.recording_id,
        clock=clock,
        notes=(*notes, *lacking),
        audio_video_ms=_farthest(pairs, "audio_video"),
        camera_camera_ms=_farthest(pairs, "camera_camera"),
        events=max(len(onsets.stamps_ns) for onsets in (*flashes, *beeps)),
        skipped=sum(onsets.skipped for onsets in flashes),
        pairs=tuple(pairs),
    )


def _found(streams: Iterable[T], find: Callable[[T], Onsets], lacking: list[str]) -> Iterator[Onsets]:
    for stream in streams:
        try:
            yield find(stream)
        except NothingFound as error:
            lacking.append(str(error))


def _compared(kind: Kind, pairs: Iterable[tuple[Onsets, Onsets]], zero_ns: int, lacking: list[str]) -> Iterator[Pair]:
    for first, second in pairs:
        try:
            yield compare(kind, first, second, zero_ns)
        except NothingFound as error:
            lacking.append(str(error))


def compare(kind: Kind, first: Onsets, second: Onsets, zero_ns: int) -> Pair:
    """How far two streams are apart.

    Args:
        kind: of pair.
        first: events of one stream.
        second: of the other.
        zero_ns: stamp that times are counted from.

    Raises:
        NothingFound: they have too few events in common.
    """
    steps = np.diff(first.stamps_ns if len(first.stamps_ns) > 1 else second.stamps_ns)
    reach_ns = _REACH * float(np.median(steps)) if len(steps) else 0.0
    distances = second.stamps_ns[None, :] - first.stamps_ns[:, None]
    nearest = np.abs(distances).argmin(1)
    errors_ns = distances[np.arange(len(nearest)), nearest]
    is_near = np.abs(errors_ns) <= reach_ns
    if is_near.sum() < _LEAST_EVENTS:
        raise NothingFound(
            f"{first.stream} and {second.stream}: only {int(is_near.sum())} of {len(first.stamps_ns)} and {len(second.stamps_ns)} events "
            f"are within {reach_ns / 1e6:.0f} ms of each other; record longer, or look whether both see and hear the same"
        )
    at_s, errors_ms = (first.stamps_ns[is_near] - zero_ns) / 1e9, errors_ns[is_near] / 1e6
    return Pair(
        kind=kind,
        first=first.stream,
        second=second.stream,
        apart_ms=_apart(at_s, errors_ms),
        events=len(errors_ms),
        at_s=tuple(round(value, 3) for value in at_s.tolist()),
        errors_ms=tuple(round(value, 3) for value in errors_ms.tolist()),
    )


def _apart(at_s: npt.NDArray[np.float64], errors_ms: npt.NDArray[np.float64]) -> Apart:
    low, high = np.percentile(errors_ms, (5, 95))
    drift_ppm = known_to_ppm = None
    if len(at_s) >= _LEAST_FOR_DRIFT and at_s[-1] - at_s[0] >= _LEAST_SPAN_S:
        one, other = np.triu_indices(len(at_s), 1)
        slopes = (errors_ms[other] - errors_ms[one]) / (at_s[other] - at_s[one])
        slope = float(np.median(slopes))
        left = errors_ms - slope * at_s
        drift_ppm = round(slope * 1e3, 2)
        known_to_ppm = round(float(left.std() / (at_s.std() * np.sqrt(len(at_s)))) * 1e3, 2)
    return Apart(
        median=round(float(np.median(errors_ms)), 3),
        p95=round(float(np.percentile(np.abs(errors_ms), 95)), 3),
        spread=round(float(high - low), 3),
        drift_ppm=drift_ppm,
        drift_known_to_ppm=known_to_ppm,
    )


def _farthest(pairs: Iterable[Pair], kind: Kind) -> Apart | None:
    return max((pair.apart_ms for pair in pairs if pair.kind == kind), key=lambda apart: abs(apart.median), default=None)


def drift_told(apart: Apart) -> str:
    """``-3.1 ± 0.4 ppm``; empty where it is not known."""
    return "" if apart.drift_ppm is None else f"{apart.drift_ppm:+.1f} ± {apart.drift_known_to_ppm:.1f} ppm"
