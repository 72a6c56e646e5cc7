"""One person's movement, taken out of predictions."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np

from rig_capture.estimation.analysis.errors import AnalysisError, UnknownName
from rig_capture.estimation.analysis.gaps import Floats, Stamps, fill_gaps, low_pass, rate_of, resample, seen
from rig_capture.estimation.predictions import VideoPredictions


class Space(StrEnum):
    """Which poses are meant."""

    PIXELS = "2d"
    MILLIMETRES = "3d"


@dataclass(frozen=True, eq=False)
class PoseSeries:
    """One person's movement: T frames of J joints."""

    poses: Floats
    """(T, J, D): D = 2 in px or 3 in mm; NaN where a joint was not seen."""
    stamps_ns: Stamps
    """(T,) ns, rising."""
    names: tuple[str, ...]
    """(J,)"""
    edges: tuple[tuple[int, int], ...]
    """Bones, as pairs of indices of joints."""
    notes: tuple[str, ...] = ()
    """What was done to it, one sentence each."""

    @property
    def space(self) -> Space:
        """Pixels or millimetres."""
        return Space.PIXELS if self.poses.shape[2] == 2 else Space.MILLIMETRES

    @property
    def unit(self) -> str:
        """Of length."""
        return "px" if self.space is Space.PIXELS else "mm"

    @property
    def rate_hz(self) -> float:
        """Frames per second, by the median interval. Raises AnalysisError where there are fewer than two."""
        return rate_of(self.stamps_ns)

    def index(self, joint: str) -> int:
        """Where a joint stands. Raises UnknownName."""
        if joint not in self.names:
            raise UnknownName("the joint", joint, self.names)
        return self.names.index(joint)

    def only(self, joints: list[str]) -> Self:
        """These joints, and the bones between them. Raises UnknownName."""
        kept = [self.index(joint) for joint in joints]
        edges = tuple((kept.index(a), kept.index(b)) for a, b in self.edges if a in kept and b in kept)
        return replace(self, poses=self.poses[:, kept], names=tuple(joints), edges=edges)

    def between(self, start_ns: int | None, end_ns: int | None) -> Self:
        """The frames from `start_ns` until before `end_ns`; None: from the beginning, or to the end. Raises AnalysisError of none."""
        kept = np.ones(len(self.stamps_ns), dtype=bool)
        if start_ns is not None:
            kept &= self.stamps_ns >= start_ns
        if end_ns is not None:
            kept &= self.stamps_ns < end_ns
        if not kept.any():
            raise AnalysisError(f"no frame lies between {start_ns} and {end_ns} ns; the video has {_span(self.stamps_ns)}")
        return replace(self, poses=self.poses[kept], stamps_ns=self.stamps_ns[kept])

    def prepared(self, *, max_gap_s: float, rate_hz: float | None = None, low_pass_hz: float | None = None) -> Self:
        """Short gaps filled, then a constant rate and a low pass where they are asked for; the notes tell how many frames were made up.

        Args:
            max_gap_s: gaps longer than this stay.
            rate_hz: of the result; None: the frames as they are, or at their own median rate where a low pass needs one.
            low_pass_hz: cut-off of the low pass, Hz; None: none.
        """
        filled = fill_gaps(self.poses, self.stamps_ns, max_gap_s=max_gap_s)
        poses, stamps, notes = filled.poses, self.stamps_ns, list(self.notes)
        made_up, missing = int(filled.filled.sum()), int(filled.missing.sum())
        if made_up or missing:
            all_ = poses.shape[0] * poses.shape[1]
            notes.append(f"{made_up} of {all_} joint positions interpolated over gaps up to {max_gap_s:g} s, {missing} still missing")
        if low_pass_hz is not None or rate_hz is not None:
            rate = rate_hz or self.rate_hz
            poses, stamps = resample(poses, stamps, rate)
            notes.append(f"resampled from {len(self.stamps_ns)} to {len(stamps)} frames at {rate:.6g} Hz")
            if low_pass_hz is not None:
                poses = low_pass(poses, rate, low_pass_hz)
                notes.append(f"low pass of {low_pass_hz:g} Hz")
        return replace(self, poses=poses, stamps_ns=stamps, notes=tuple(notes))


def series_of(
    predictions: VideoPredictions,
    *,
    space: Space | None = None,
    track: int | None = None,
    person: int | None = None,
    min_score: float = 0.0,
) -> PoseSeries:
    """One person's movement over all frames of a video.

    Args:
        predictions: of the video.
        space: None: millimetres where there are any, else pixels.
        track: who, where the model tracks; None: the one seen in most frames.
        person: who, where the model does not track: of each frame the n-th largest box, from 0; None: the largest.
        min_score: joints with a lower score are missing; ones without scores stay.

    Raises:
        AnalysisError: there are no such poses, or nobody.
        UnknownName: there is no such track.
    """
    skeleton = predictions.skeleton
    chosen = space or (Space.PIXELS if predictions.poses3d is None else Space.MILLIMETRES)
    joints = predictions.poses3d if chosen is Space.MILLIMETRES else predictions.poses2d
    if skeleton is None or joints is None:
        raise AnalysisError(f"the model {predictions.model.name} gave no {chosen} poses; estimate the video with one that does")
    rows, who = _rows_of(predictions, track, person)
    notes = [who]
    found = joints[rows].astype(np.float64)
    if predictions.scores is not None and min_score > 0:
        weak = (predictions.scores[rows] < min_score) & seen(found)
        found[weak] = np.nan
        if weak.any():
            notes.append(f"{int(weak.sum())} of {weak.size} joint positions left out with scores below {min_score:g}")
    poses = np.full((len(predictions.stamps_ns), *found.shape[1:]), np.nan)
    poses[predictions.person_frame[rows]] = found
    return PoseSeries(poses, predictions.stamps_ns, skeleton.names, skeleton.edges, tuple(notes))


def _rows_of(predictions: VideoPredictions, track: int | None, person: int | None) -> tuple[np.ndarray, str]:
    """At most one detection of each frame, and in words whose."""
    frames, tracks = predictions.person_frame, predictions.person_track
    if not len(frames):
        raise AnalysisError(f"nobody was found in {predictions.video.file}; there is nothing to analyse")
    tracked = tracks[tracks >= 0]
    if person is None and (track is not None or len(tracked)):
        if track is None:
            numbers, counts = np.unique(tracked, return_counts=True)
            track = int(numbers[np.argmax(counts)])
        rows = np.flatnonzero(tracks == track)
        if not len(rows):
            raise UnknownName("the track", str(track), map(str, np.unique(tracked).tolist()))
        what = f"track {track} of {len(np.unique(tracked))}"
    else:
        wanted = person or 0
        size = predictions.boxes[:, 2] * predictions.boxes[:, 3]
        order = np.lexsort((-size, frames))
        place = np.arange(len(frames)) - predictions.person_rows[frames[order]]
        rows = np.sort(order[place == wanted])
        what = "the largest person of each frame" if wanted == 0 else f"the person with the box number {wanted} by size of each frame"
        if not len(rows):
            raise UnknownName("the person", str(wanted), map(str, range(int(place.max()) + 1)))
    rows = rows[np.unique(frames[rows], return_index=True)[1]]
    return rows, f"{what}, seen in {len(rows)} of {len(predictions.stamps_ns)} frames"


def _span(stamps_ns: Stamps) -> str:
    return f"stamps from {stamps_ns[0]} to {stamps_ns[-1]} ns" if len(stamps_ns) else "no frames"
