"""What outputs of pose models say, as pure functions of arrays, against answers that were worked out by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.estimation.models.card import ModelCard
from rig_capture.estimation.models.decoding import best_candidates, decode, heatmap_peaks, simcc_peaks
from rig_capture.estimation.models.fitting import Fitting


def card(poses: dict[str, Any], joints: int = 1, **output: Any) -> ModelCard:
    return ModelCard.model_validate(
        {
            "name": "m",
            "version": "1",
            "file": "m.onnx",
            "input": {"size": [64, 48]},
            "output": {"poses": poses, **output},
            "skeleton": {"names": [f"j{n}" for n in range(joints)]},
        }
    )


def test_a_heatmaps_peak_leans_a_quarter_towards_its_higher_neighbour() -> None:
    maps = np.zeros((1, 1, 1, 6, 8))
    maps[0, 0, 0, 2, 3], maps[0, 0, 0, 2, 4], maps[0, 0, 0, 1, 3] = 0.9, 0.5, 0.2
    points, scores = heatmap_peaks(maps, (64, 48))
    assert points[0, 0, 0].tolist() == [(3 + 0.25) * 8, (2 - 0.25) * 8]
    assert scores[0, 0, 0] == 0.9


def test_a_heatmaps_peak_at_the_edge_stays_there() -> None:
    maps = np.zeros((1, 1, 1, 6, 8))
    maps[0, 0, 0, 0, 7] = 1
    assert heatmap_peaks(maps, (64, 48))[0][0, 0, 0].tolist() == [56, 0]


def test_simcc_takes_the_lower_of_both_maxima() -> None:
    x, y = np.zeros((1, 1, 1, 128)), np.zeros((1, 1, 1, 96))
    x[..., 31], y[..., 40] = 0.8, 0.6
    points, scores = simcc_peaks(x, y, 2)
    assert points[0, 0, 0].tolist() == [15.5, 20]
    assert scores[0, 0, 0] == 0.6


def test_candidates_that_overlap_a_better_one_are_left_out() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 10, 10], [30, 0, 10, 10], [30, 1, 10, 10]])
    assert best_candidates(boxes, np.array([0.7, 0.9, 0.6, 0.5]), 0.5).tolist() == [1, 2]
    assert best_candidates(np.empty((0, 4)), np.empty(0), 0.5).tolist() == []


@pytest.mark.parametrize("turned", [False, True])
def test_candidates_of_every_picture_are_told_apart(turned: bool) -> None:
    rows = np.zeros((2, 9, 8), np.float32)
    rows[0, 4] = [20, 10, 8, 6, 0.9, 21, 11, 0.7]
    rows[0, 5] = [20, 10, 8, 6, 0.8, 1, 1, 0.7]
    rows[0, 7] = [50, 40, 8, 6, 0.5, 51, 41, 0.6]
    decoded = decode(card({"kind": "candidates", "name": "out"}), {"out": np.swapaxes(rows, 1, 2) if turned else rows})
    assert decoded.persons.tolist() == [[pytest.approx(0.9), 0.5], [0, 0]]
    assert decoded.points[0, :, 0].tolist() == [[21, 11], [51, 41]]
    assert decoded.boxes is not None
    assert decoded.boxes[0].tolist() == [[16, 7, 8, 6], [46, 37, 8, 6]]


@pytest.mark.parametrize(
    ("corners", "units", "values"),
    [
        ("xywh", "pixels", [8, 12, 32, 24, 0.7]),
        ("xyxy", "pixels", [8, 12, 40, 36, 0.7]),
        ("cxcywh", "shares", [24 / 64, 24 / 48, 32 / 64, 24 / 48, 0.7]),
    ],
)
def test_boxes_of_every_kind_are_corner_and_size(corners: str, units: str, values: list[float]) -> None:
    told = card({"kind": "keypoints", "name": "k"}, boxes={"name": "b", "corners": corners, "units": units})
    decoded = decode(told, {"k": np.ones((1, 2, 1, 3)), "b": np.array([[values, values]])})
    assert decoded.boxes is not None
    assert decoded.boxes[0] == pytest.approx(np.array([[8, 12, 32, 24]] * 2), abs=1e-4)
    assert decoded.persons[0] == pytest.approx([0.7, 0.7])


def test_scores_go_through_the_logistic_function_where_told() -> None:
    decoded = decode(card({"kind": "keypoints", "name": "k"}, sigmoid=True), {"k": np.array([[[1.0, 2, 0]]])})
    assert decoded.scores.tolist() == [[[0.5]]]


sizes = st.tuples(st.integers(20, 2000), st.integers(20, 2000))


@given(picture=sizes, outer=sizes, fit=st.sampled_from(["letterbox", "stretch"]), share=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_points_that_go_into_the_input_come_back(
    picture: tuple[int, int], outer: tuple[int, int], fit: Any, share: tuple[float, float]
) -> None:
    fitting = Fitting.of(picture, outer, fit)
    inside = np.array(fitting.offset) + np.array(share) * np.array(fitting.inner) - 0.5
    assert fitting.points_back(inside) == pytest.approx(np.array(share) * picture - 0.5, abs=1e-6)
    assert (np.array(fitting.offset) + fitting.inner <= outer).all()
    whole = np.array([*fitting.offset, *fitting.inner])
    assert fitting.boxes_back(whole) == pytest.approx([0, 0, *picture], abs=1e-6)
