"""Intrinsics from the YAML files that ROS's camera_calibration writes."""

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_COEFFICIENTS = {"plumb_bob": (5,), "rational_polynomial": (8, 12, 14), "equidistant": (4,), "thin_prism_fisheye": (8,)}


class CalibrationError(Exception):
    """A calibration file that can't be used; the message names the file, what is wrong, and how to make a good one."""


class _Matrix(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(gt=0)
    cols: int = Field(gt=0)
    data: tuple[float, ...]

    @model_validator(mode="after")
    def _is_full(self) -> Self:
        if len(self.data) != self.rows * self.cols:
            raise ValueError(f"holds {len(self.data)} numbers, and {self.rows} rows of {self.cols} need {self.rows * self.cols}")
        return self


class Calibration(BaseModel):
    """Intrinsics for pictures of one size; see sensor_msgs/CameraInfo for the meaning of the matrices (row-major)."""

    model_config = ConfigDict(frozen=True)

    image_width: int = Field(gt=0)
    image_height: int = Field(gt=0)
    camera_name: str = ""
    camera_matrix: _Matrix
    distortion_model: str
    distortion_coefficients: _Matrix
    rectification_matrix: _Matrix
    projection_matrix: _Matrix

    @model_validator(mode="after")
    def _shapes(self) -> Self:
        for name, shape in (("camera_matrix", (3, 3)), ("rectification_matrix", (3, 3)), ("projection_matrix", (3, 4))):
            matrix: _Matrix = getattr(self, name)
            if (matrix.rows, matrix.cols) != shape:
                raise ValueError(f"{name} is {matrix.rows}x{matrix.cols} and must be {shape[0]}x{shape[1]}")
        if self.distortion_model not in _COEFFICIENTS:
            raise ValueError(f"distortion_model {self.distortion_model!r} is unknown; it may be {', '.join(_COEFFICIENTS)}")
        allowed, count = _COEFFICIENTS[self.distortion_model], len(self.distortion_coefficients.data)
        if count not in allowed:
            raise ValueError(
                f"distortion_coefficients holds {count} numbers, and {self.distortion_model} has {' or '.join(map(str, allowed))}"
            )
        if self.camera_matrix.data[0] <= 0 or self.camera_matrix.data[4] <= 0:
            raise ValueError("camera_matrix has no positive focal lengths")
        return self

    @property
    def k(self) -> tuple[float, ...]:
        """Camera matrix, 9 numbers, pixels."""
        return self.camera_matrix.data

    @property
    def p(self) -> tuple[float, ...]:
        """Projection matrix, 12 numbers, pixels."""
        return self.projection_matrix.data

    def scaled(self, width: int, height: int) -> "Calibration":
        """The same camera with pictures scaled (not cropped) to another size in pixels."""
        x, y = width / self.image_width, height / self.image_height
        if (x, y) == (1.0, 1.0):
            return self
        matrices = {
            "camera_matrix": self.camera_matrix.model_copy(update={"data": _scaled(self.k, 3, x, y)}),
            "projection_matrix": self.projection_matrix.model_copy(update={"data": _scaled(self.p, 4, x, y)}),
        }
        return self.model_copy(update={"image_width": width, "image_height": height, **matrices})


def read_calibration(path: Path) -> Calibration:
    """Reads a file.

    Raises:
        CalibrationError: it is missing, no YAML, or lacks something.
    """
    advice = "make one with `ros2 run camera_calibration cameracalibrator`"
    try:
        return Calibration.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}; {advice}") from error
    except yaml.YAMLError as error:
        raise CalibrationError(f"{path}: not YAML: {error}; {advice}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'file'}: {p['msg'].removeprefix('Value error, ')}" for p in error.errors())
        raise CalibrationError(f"{path}: no camera calibration: {problems}; {advice}") from error


def _scaled(data: tuple[float, ...], columns: int, x: float, y: float) -> tuple[float, ...]:
    return (*(value * x for value in data[:columns]), *(value * y for value in data[columns : 2 * columns]), *data[2 * columns :])
