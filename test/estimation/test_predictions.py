"""Predictions: what is written is read back, and what is not ours is refused with its reason."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rig_capture.estimation.errors import PredictionsError, UnsupportedPredictionsVersion
from rig_capture.estimation.predictions import Skeleton, VideoPredictions, read_predictions, write_predictions
from test.estimation.results import make_predictions

SUFFIXES = pytest.mark.parametrize("suffix", [".json", ".parquet"])


@SUFFIXES
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    predictions = make_predictions(frames=5, persons=2)
    assert predictions.frames[1].persons, "looking at frames does not change what is written"
    path = tmp_path / f"walk{suffix}"
    write_predictions(path, predictions)
    assert read_predictions(path) == predictions
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


@SUFFIXES
def test_a_video_without_persons_and_skeleton_is_read_back(tmp_path: Path, suffix: str) -> None:
    full = make_predictions(frames=3)
    nothing: dict[str, Any] = {"person_frame": [], "person_track": [], "boxes": [], "poses2d": None, "poses3d": None, "scores": None}
    predictions = VideoPredictions(**dict(full) | nothing | {"skeleton": None, "motion": None})
    path = tmp_path / f"empty{suffix}"
    write_predictions(path, predictions)
    assert read_predictions(path) == predictions
    assert [frame.persons for frame in predictions.frames] == [(), (), ()]


def test_frames_tell_who_was_seen_when() -> None:
    predictions = make_predictions(frames=3, persons=2)
    assert len(predictions.frames) == 3
    first, second = predictions.frames[0], predictions.frames[1]
    assert (first.index, first.persons) == (0, ())
    assert second.stamp_ns == predictions.stamps_ns[1]
    assert [person.track for person in second.persons] == [0, 1]
    assert predictions.poses2d is not None
    assert np.array_equal(second.persons[1].pose2d, predictions.poses2d[1])  # type: ignore[arg-type]
    assert [frame.index for frame in predictions.frames[-2:]] == [1, 2]
    with pytest.raises(IndexError):
        predictions.frames[3]


def test_predictions_can_not_be_changed() -> None:
    stamps = np.arange(4)
    predictions = VideoPredictions(**dict(make_predictions()) | {"stamps_ns": stamps})
    stamps[0] = 7
    assert predictions.stamps_ns[0] == 0, "it is a copy"
    with pytest.raises(ValueError, match="read-only"):
        predictions.boxes[0, 0] = 1
    with pytest.raises(ValidationError, match="frozen"):
        predictions.motion = None  # type: ignore[misc]


def test_json_is_plain_numbers_in_the_fields_of_the_model(tmp_path: Path) -> None:
    predictions = make_predictions()
    write_predictions(tmp_path / "a.json", predictions)
    values = json.loads((tmp_path / "a.json").read_bytes())
    assert set(values) == set(VideoPredictions.model_fields)
    assert values["poses2d"][:2] == [None, None], "NaN is null"
    assert predictions.poses2d is not None
    assert values["poses2d"][2] == round(float(predictions.poses2d[0, 1, 0]), 2)
    assert values["stamps_ns"] == predictions.stamps_ns.tolist()


def test_json_keeps_hundredths_of_a_pixel(tmp_path: Path) -> None:
    exact = make_predictions()
    thirds = np.full_like(exact.poses2d, 1919 + 1 / 3)
    write_predictions(tmp_path / "a.json", VideoPredictions(**dict(exact) | {"poses2d": thirds}))
    read = read_predictions(tmp_path / "a.json")
    assert read.poses2d is not None
    assert read.poses2d == pytest.approx(thirds, abs=0.0051)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frobnicate": 1}, "frobnicate: Extra inputs are not permitted"),
        ({"stamps_ns": None}, "stamps_ns"),
        ({"stamps_ns": [1, 2, 3]}, "motion has the shape"),
        ({"stamps_ns": [1, 2, 3], "motion": None}, "stamps_ns has 3 frames, the video 4"),
        ({"stamps_ns": [1, 2, 3, "4"]}, "stamps_ns: Value error, holds"),
        ({"stamps_ns": [1, 2, 3, 2**80]}, "stamps_ns"),
        ({"stamps_ns": [1, 2, 3, 4.5]}, "stamps_ns"),
        ({"motion": [0.1, 0.2, 0.3, 1.4]}, "motion holds a score that is not between 0 and 1"),
        ({"person_frame": [1, 3, 2]}, "person_frame must rise"),
        ({"person_frame": [1, 2, 4]}, "person_frame must rise from 0 and stay below 4"),
        ({"person_track": [0, 0, -2]}, "below -1"),
        ({"boxes": [1.0] * 14}, "no rows of 5"),
        ({"boxes": [1, 1, -1, 1, 1] * 3}, "below 0"),
        ({"poses2d": [1.0] * 17}, "no rows of 6"),
        ({"poses2d": [[1, 2], [3]]}, "poses2d"),
        ({"poses2d": {"a": 1}}, "poses2d"),
        ({"skeleton": None}, "needs a skeleton"),
        ({"skeleton": {"names": ["a", "a", "b"]}}, "names a joint twice"),
        ({"skeleton": {"names": ["a", "b", "c"], "edges": [[0, 3]]}}, "edge to a joint beyond"),
        ({"video": {}}, "video.file"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.json"
    write_predictions(path, make_predictions())
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    with pytest.raises(PredictionsError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("version", [0, 2, None, True, "1"])
def test_other_schema_versions_are_refused(tmp_path: Path, version: object) -> None:
    path = tmp_path / "a.json"
    write_predictions(path, make_predictions())
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"schema_version": version}))
    with pytest.raises(UnsupportedPredictionsVersion, match="update rig_capture" if version == 2 else "estimate the video again"):
        read_predictions(path)


@SUFFIXES
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_typed_errors_or_whole_predictions(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    path = tmp_path / f"damaged{suffix}"
    write_predictions(path, make_predictions())
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(PredictionsError):
        read_predictions(path)


@pytest.mark.parametrize("name", ["a.csv", "a", "missing/a.json", "missing/a.parquet"])
def test_files_that_can_not_be_are_refused(tmp_path: Path, name: str) -> None:
    for call in (lambda path: write_predictions(path, make_predictions()), read_predictions):
        with pytest.raises(PredictionsError, match=name):
            call(tmp_path / name)


def test_what_went_past_validation_is_not_written(tmp_path: Path) -> None:
    broken = make_predictions().model_copy(update={"person_track": np.array([1])})
    with pytest.raises(PredictionsError, match="person_track has the shape"):
        write_predictions(tmp_path / "a.json", broken)
    assert not list(tmp_path.iterdir())


def test_a_skeleton_needs_joints() -> None:
    with pytest.raises(ValidationError):
        Skeleton(names=())


@SUFFIXES
def test_an_hour_of_video_is_read_quickly(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"hour{suffix}"
    full = make_predictions(frames=108_000, joints=17)
    write_predictions(path, VideoPredictions(**dict(full) | {"poses3d": None}))
    begin = time.process_time()
    read_predictions(path)
    # Under a second on a machine that does nothing else; the tests' machine may be a slow one.
    assert time.process_time() - begin < 2
