"""Calibration files: read, scaled, and refused with a reason."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rig_capture.sensing.camera.calibration import CalibrationError, read_calibration


def content(**changes: Any) -> dict[str, Any]:
    """What camera_calibration writes for a camera of 640x480."""
    return {
        "image_width": 640,
        "image_height": 480,
        "camera_name": "narrow_stereo",
        "camera_matrix": {"rows": 3, "cols": 3, "data": [600.0, 0, 320, 0, 610, 240, 0, 0, 1]},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, -0.2, 0, 0, 0]},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        "projection_matrix": {"rows": 3, "cols": 4, "data": [590.0, 0, 321, 0, 0, 605, 241, 0, 0, 0, 1, 0]},
        **changes,
    }


def write(folder: Path, **changes: Any) -> Path:
    """Such a file."""
    file = folder / "camera.yaml"
    file.write_text(yaml.safe_dump(content(**changes)))
    return file


def test_a_file_is_read_and_scaled_to_the_pictures(tmp_path: Path) -> None:
    half = read_calibration(write(tmp_path)).scaled(320, 240)
    assert half.k == (300, 0, 160, 0, 305, 120, 0, 0, 1)
    assert half.p == (295, 0, 160.5, 0, 0, 302.5, 120.5, 0, 0, 0, 1, 0)
    assert (half.image_width, half.image_height) == (320, 240)
    assert half.distortion_coefficients.data == (0.1, -0.2, 0, 0, 0)


def test_pictures_of_its_own_size_leave_it_as_it_is(tmp_path: Path) -> None:
    calibration = read_calibration(write(tmp_path))
    assert calibration.scaled(640, 480) is calibration


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_width": 0}, "image_width"),
        ({"camera_matrix": {"rows": 3, "cols": 3, "data": [1, 2]}}, "camera_matrix: holds 2 numbers, and 3 rows of 3 need 9"),
        ({"projection_matrix": {"rows": 3, "cols": 3, "data": [1.0] * 9}}, "projection_matrix is 3x3 and must be 3x4"),
        ({"distortion_model": "wavy"}, "distortion_model 'wavy' is unknown; it may be plumb_bob"),
        ({"distortion_coefficients": {"rows": 1, "cols": 4, "data": [0.0] * 4}}, "holds 4 numbers, and plumb_bob has 5"),
        ({"camera_matrix": {"rows": 3, "cols": 3, "data": [0.0] * 9}}, "no positive focal lengths"),
    ],
)
def test_a_malformed_file_is_refused_with_file_and_reason(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    file = write(tmp_path, **changes)
    with pytest.raises(CalibrationError) as caught:
        read_calibration(file)
    assert str(file) in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "No such file"), ("a: [", "not YAML"), ("- 1", "no camera calibration"), ("", "no camera")]
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "camera.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CalibrationError, match=reason):
        read_calibration(file)
