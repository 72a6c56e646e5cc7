"""The built-in model: it finds what moves, follows it, and is quiet where nothing does."""

import numpy as np

from rig_capture.estimation.models.motion import MotionModel, MotionSettings
from rig_capture.estimation.models.tracks import BoxTracks, overlap_of
from test.estimation.videos import walk


def test_somebody_who_walks_is_one_box_with_one_number() -> None:
    found = MotionModel().predict(list(walk(70)))
    last = found.boxes[found.picture == 69]
    left = -32 + 4 * (69 - 20)
    assert len(last) == 1
    assert np.abs(last[0, :4] - (left, 60, 32, 120)).max() <= 6
    assert found.track is not None
    assert set(found.track[found.picture >= 30].tolist()) == {found.track[-1]}
    assert (found.picture >= 20).all(), "nothing is seen before somebody comes"


def test_motion_energy_is_the_share_of_pixels_that_change() -> None:
    found = MotionModel().predict(list(walk(70)))
    assert found.motion is not None
    assert found.motion[0] == 0
    assert found.motion[:20].max() < 0.002, "noise is no motion"
    # Four columns of 120 pixels appear and four vanish in each step; smoothing widens them a little.
    share = 2 * 4 * 120 / (320 * 240)
    assert share * 0.7 < found.motion[40:].mean() < share * 2


def test_a_sudden_change_of_light_gives_no_boxes() -> None:
    pictures = list(walk(20))
    brighter = [np.clip(picture.astype(int) + 80, 0, 255).astype(np.uint8) for picture in pictures[:1]]
    found = MotionModel().predict(pictures + brighter)
    assert not len(found.boxes)
    assert found.motion is not None
    assert found.motion[-1] > 0.9


def test_boxes_are_in_pixels_of_large_pictures() -> None:
    found = MotionModel(MotionSettings(width=160)).predict(list(walk(60, (640, 480), at=lambda index: (4 * index, 120))))
    last = found.boxes[found.picture == 59][-1]
    assert np.abs(last[:4] - (236, 120, 64, 240)).max() <= 16


def test_a_new_video_begins_from_nothing() -> None:
    model = MotionModel()
    first = model.predict(list(walk(50)))
    model.begin(30.0)
    again = model.predict(list(walk(50)))
    assert np.array_equal(first.boxes, again.boxes)
    assert np.array_equal(first.track, again.track)  # type: ignore[arg-type]


def test_crossing_boxes_keep_their_numbers_and_lost_ones_are_new() -> None:
    tracks = BoxTracks(overlap=0.2, patience=1)
    one, two = [0.0, 0, 10, 10], [50.0, 0, 10, 10]
    assert tracks.follow(np.array([one, two])).tolist() == [0, 1]
    assert tracks.follow(np.array([two, one])).tolist() == [1, 0]
    assert tracks.follow(np.array([one])).tolist() == [0]
    assert tracks.follow(np.array([one, two])).tolist() == [0, 1], "missing for one picture"
    for _ in range(2):
        tracks.follow(np.empty((0, 4)))
    assert tracks.follow(np.array([two])).tolist() == [2]


def test_overlap_is_intersection_over_union() -> None:
    boxes = np.array([[0.0, 0, 2, 2]])
    others = np.array([[0.0, 0, 2, 2], [1, 0, 2, 2], [5, 5, 1, 1], [0, 0, 0, 0]])
    assert overlap_of(boxes, others)[0].tolist() == [1.0, 1 / 3, 0.0, 0.0]
