"""MediaPipe's landmarks as detections; with the real package where it is installed, for its task files can't be made here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.models.mediapipe import SKELETON, landmarks_to_detections
from rig_capture.estimation.models.registry import load_model


@dataclass
class Landmark:
    """As MediaPipe's NormalizedLandmark and Landmark."""

    x: float
    y: float
    z: float = 0.0
    visibility: float | None = None


def person(left: float) -> list[Landmark]:
    return [Landmark(left + index / 100, 0.2 + index / 100, visibility=0.5) for index in range(33)]


def test_landmarks_become_pixels_and_millimetres() -> None:
    worlds = [[Landmark(0.1, -0.2, 0.3)] * 33] * 2
    found = landmarks_to_detections([person(0.1), person(0.5)], worlds, (200, 100))
    assert found.poses2d is not None
    assert found.poses2d[1, 10].tolist() == pytest.approx([0.6 * 200 - 0.5, 0.3 * 100 - 0.5])
    assert found.poses3d is not None
    assert found.poses3d[0, 0].tolist() == pytest.approx([100, -200, 300])
    assert found.boxes[0].tolist() == pytest.approx([20, 20, 64, 32, 0.5])


def test_a_picture_without_anybody_has_empty_columns() -> None:
    found = landmarks_to_detections([], [], (200, 100))
    assert found.boxes.shape == (0, 5)
    assert found.poses2d is not None
    assert found.poses2d.shape == (0, 33, 2)


def test_the_skeleton_is_that_of_the_package() -> None:
    vision = pytest.importorskip("mediapipe", reason="mediapipe is not installed; run: ./rig extra mediapipe").tasks.vision
    assert [each.name.lower() for each in vision.PoseLandmark] == list(SKELETON.names)
    edges = {tuple(sorted((each.start, each.end))) for each in vision.PoseLandmarksConnections.POSE_LANDMARKS}
    assert {tuple(sorted(edge)) for edge in SKELETON.edges} == edges
    marks = pytest.importorskip("mediapipe.tasks.python.components.containers.landmark")
    real = [marks.NormalizedLandmark(x=0.5, y=0.5, z=0, visibility=0.9)] * 33
    assert np.allclose(landmarks_to_detections([real], [], (10, 10)).scores, 0.9)  # type: ignore[arg-type]


def test_what_is_no_task_file_is_told(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason="mediapipe is not installed; run: ./rig extra mediapipe")
    path = tmp_path / "walker.task"
    path.write_bytes(b"rubbish")
    with pytest.raises(ModelError, match=r"walker\.task: is no task file"):
        load_model(f"mediapipe:{path}")
