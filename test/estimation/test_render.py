"""Predictions drawn over their pictures: they are where they belong, in a video that keeps its times, and on a contact sheet."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rig_capture.estimation.errors import PredictionsError
from rig_capture.estimation.estimator import Estimator
from rig_capture.estimation.predictions import VideoPredictions
from rig_capture.estimation.render import RenderError, draw, write_contact_sheet, write_overlay
from rig_capture.estimation.video import find_video
from test.estimation.results import make_predictions
from test.estimation.test_estimator import RedSpot
from test.estimation.videos import spot_picture, write_video

TIMES_MS = [0, 40, 80, 200, 210, *range(300, 860, 40)]


@pytest.fixture
def spots(tmp_path: Path) -> tuple[Path, VideoPredictions]:
    """A video of a red spot on its way, and where it is."""
    places = [(40 + 10 * index, 60 + 5 * index) for index in range(len(TIMES_MS))]
    path = write_video(tmp_path / "spot.mkv", (spot_picture(*place) for place in places), times_ms=TIMES_MS)
    return path, Estimator(RedSpot()).process_video(path)


def test_an_overlay_video_has_the_frames_and_times_of_the_original(tmp_path: Path, spots: tuple[Path, VideoPredictions]) -> None:
    path, predictions = spots
    told: list[int] = []
    for name in ("over.mp4", "over.mkv"):
        write_overlay(tmp_path / name, find_video(path), predictions, lambda done, total: told.append(done))
        with av.open(str(tmp_path / name)) as container:
            frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
        assert [time for time, _ in frames] == pytest.approx([time / 1000 for time in TIMES_MS], abs=0.0011)
        x, y = 40 + 10 * 9, 60 + 5 * 9
        assert frames[9][1][y, x].min() > 150, "the joint is a white dot in the middle of the red spot"
        red, green, blue = frames[9][1][y, x + 6].tolist()
        assert red > 2 * max(green, blue), "beside it the picture is as it was"
    assert told[-1] == len(TIMES_MS)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["over.mkv", "over.mp4", "spot.mkv"]


def test_a_contact_sheet_shows_pictures_from_all_over_the_video(tmp_path: Path, spots: tuple[Path, VideoPredictions]) -> None:
    path, predictions = spots
    write_contact_sheet(tmp_path / "sheet.png", find_video(path), predictions, 4)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape == (480, 640, 3)
    last = 40 + 10 * (len(TIMES_MS) - 1), 60 + 5 * (len(TIMES_MS) - 1)
    assert sheet[60, 40].min() > 150
    assert sheet[240 + last[1], 320 + last[0]].min() > 150
    write_contact_sheet(tmp_path / "all.jpg", find_video(path), predictions, 100)
    assert (tmp_path / "all.jpg").stat().st_size > 1000


def test_boxes_bones_and_joints_are_drawn_and_missing_joints_are_not() -> None:
    predictions = make_predictions(frames=2, joints=2)
    values = dict(predictions) | {
        "boxes": np.array([[20, 30, 100, 60, 0.9]]),
        "poses2d": np.array([[[40, 50], [80, 70]]]),
        "scores": np.array([[0.9, 0.9]]),
    }
    picture = np.zeros((200, 300, 3), np.uint8)
    whole = VideoPredictions(**values)
    drawn = draw(picture, whole.frames[1], whole.skeleton, 1.0)
    assert not picture.any(), "the picture itself is not touched"
    assert drawn[30, 100].any()
    assert drawn[90, 100].any()
    assert drawn[50, 40].tolist() == [255, 255, 255]
    assert drawn[60, 60].any(), "the bone"
    for change in ({"scores": np.array([[0.9, 0.1]])}, {"poses2d": np.array([[[40, 50], [np.nan, np.nan]]])}):
        part = VideoPredictions(**values | change)
        drawn = draw(picture, part.frames[1], part.skeleton, 1.0)
        assert not drawn[60, 60].any()
        assert drawn[50, 40].tolist() == [255, 255, 255]


def test_predictions_of_another_video_are_refused_and_leave_nothing(tmp_path: Path, spots: tuple[Path, VideoPredictions]) -> None:
    path, predictions = spots
    shorter = write_video(tmp_path / "short.mkv", (spot_picture(60, 60) for _ in range(5)), times_ms=TIMES_MS)
    longer = write_video(tmp_path / "long.mkv", (spot_picture(60, 60) for _ in range(30)), times_ms=[*TIMES_MS, *range(900, 1400, 40)])
    for other in (shorter, longer):
        with pytest.raises(PredictionsError, match=r"is not the video of these predictions, which are of spot\.mkv"):
            write_overlay(tmp_path / "over.mp4", find_video(other), predictions)
    assert not list(tmp_path.glob("*over*"))
    with pytest.raises(RenderError, match="can't be written"):
        write_overlay(tmp_path / "missing" / "over.mp4", find_video(path), predictions)
