"""One person's movement out of predictions, and signals of it."""

import numpy as np
import pytest

from rig_capture.estimation.analysis.errors import AnalysisError, UnknownName
from rig_capture.estimation.analysis.series import Space, series_of
from rig_capture.estimation.analysis.signals import pair_of, signal_of
from rig_capture.estimation.predictions import VideoPredictions
from test.estimation.analysis.movements import EDGES, NAMES, START_NS, arm, curls, predictions, series, stamps


def crowd(*, tracked: bool) -> VideoPredictions:
    """Two persons in 5 frames; the second, with the larger box, is away in frames 0 and 3. x of all joints: 100 per person + frame."""
    seen = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 0), (3, 0), (4, 0), (4, 1)]
    one = predictions(arm(curls(1, 1.0))[:5])
    poses = np.array([np.full((len(NAMES), 3), who * 100.0 + frame) for frame, who in seen])
    boxes = np.array([[0, 0, 10 + who, 10, 0.5] for _, who in seen])
    tracks = [who + 3 for _, who in seen] if tracked else [-1] * len(seen)
    parts = {"person_frame": [frame for frame, _ in seen], "person_track": tracks, "boxes": boxes, "poses3d": poses}
    return VideoPredictions(**(dict(one) | {name: np.array(part) for name, part in parts.items()}))


def test_who_is_seen_longest_is_taken_or_whom_one_names() -> None:
    found = series_of(crowd(tracked=True))
    assert found.poses[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert found.notes == ("track 3 of 2, seen in 5 of 5 frames",)
    other = series_of(crowd(tracked=True), track=4).poses[:, 0, 0]
    assert other == pytest.approx([np.nan, 101, 102, np.nan, 104], nan_ok=True)
    with pytest.raises(UnknownName, match=r"the track '9'.*there are 3, 4"):
        series_of(crowd(tracked=True), track=9)


def test_without_tracks_the_largest_is_taken() -> None:
    assert series_of(crowd(tracked=False)).poses[:, 0, 0].tolist() == [0, 101, 102, 3, 104]
    second = series_of(crowd(tracked=False), person=1)
    assert second.poses[:, 0, 0] == pytest.approx([np.nan, 1, 2, np.nan, 4], nan_ok=True)
    assert "seen in 3 of 5 frames" in second.notes[0]
    with pytest.raises(UnknownName, match="the person '2'"):
        series_of(crowd(tracked=False), person=2)


def test_weak_joints_are_missing_and_told() -> None:
    poses = arm(curls(1, 1.0))
    scores = np.full(poses.shape[:2], 0.9)
    scores[10:13, 5] = 0.1
    found = series_of(predictions(poses, scores=scores), min_score=0.3)
    assert np.isnan(found.poses).any(axis=2).sum() == 3
    assert "3 of 306 joint positions left out with scores below 0.3" in found.notes
    ready = found.prepared(max_gap_s=0.2, low_pass_hz=6)
    assert not np.isnan(ready.poses).any()
    assert ready.notes[2:] == (
        "3 of 306 joint positions interpolated over gaps up to 0.2 s, 0 still missing",
        "resampled from 51 to 51 frames at 50 Hz",
        "low pass of 6 Hz",
    )


def test_a_part_of_the_time_and_of_the_joints() -> None:
    found = series(arm(curls(1, 1.0))).only(["wrist", "elbow", "neck"])
    assert found.edges == ((1, 0),)
    part = found.between(START_NS + 100_000_000, START_NS + 200_000_000)
    assert len(part.poses) == 5
    assert part.stamps_ns[0] == START_NS + 100_000_000
    with pytest.raises(AnalysisError, match="no frame lies between"):
        found.between(0, 5)
    with pytest.raises(UnknownName, match="'wirst' is not in the predictions; did you mean wrist"):
        found.only(["wirst"])


def test_what_there_is_not_is_told() -> None:
    flat = predictions(arm(curls(1, 1.0)), space="2d")
    assert series_of(flat).space is Space.PIXELS
    assert series_of(flat).unit == "px"
    with pytest.raises(AnalysisError, match="made_up gave no 3d poses"):
        series_of(flat, space=Space.MILLIMETRES)
    nobody = VideoPredictions(
        **(dict(flat) | {name: getattr(flat, name)[:0] for name in ("person_frame", "person_track", "boxes", "poses2d")})
    )
    with pytest.raises(AnalysisError, match=r"nobody was found in curls\.mkv"):
        series_of(nobody)


def test_signals_have_names_and_units() -> None:
    bend = curls(1, 1.0)
    movement = series(arm(bend))
    assert signal_of(movement, "wrist.y").values == pytest.approx(movement.poses[:, 5, 1])
    assert signal_of(movement, "shoulder-elbow").values == pytest.approx(300)
    assert signal_of(movement, "wrist.speed").unit == "mm/s"
    elbow = signal_of(movement, "elbow")
    assert (elbow.name, elbow.unit) == ("elbow(shoulder,wrist)", "°")
    assert elbow.values == pytest.approx(bend)
    assert pair_of(movement, "neck-wrist") == (2, 5)
    for wrong in ("elbow.w", "knee", "neck", "wrist-knee"):
        with pytest.raises(UnknownName):
            signal_of(movement, wrong)
    with pytest.raises(UnknownName):
        pair_of(movement, "wrist")
    hyphenated = movement.__class__(movement.poses, stamps(51), tuple(name.replace("_", "-") for name in NAMES), EDGES)
    assert pair_of(hyphenated, "hip-left-hip-right") == (0, 1)
