"""Saved classifiers: plain numbers in JSON, so that loading one can run nobody's code."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rig_capture.estimation.analysis.errors import AnalysisError, ModelFileError
from rig_capture.session.atomic import write_atomic

SCHEMA_VERSION = 1

Row = tuple[float, ...]


class Kind(StrEnum):
    """Which classifier of scikit-learn."""

    LOGISTIC = "logistic"
    """LogisticRegression: few examples, probabilities, which features speak for which label."""
    NEIGHBORS = "neighbors"
    """KNeighborsClassifier: labels that are several kinds of movement each."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LogisticParameters(_Record):
    """A fitted LogisticRegression of K features."""

    kind: Literal[Kind.LOGISTIC] = Kind.LOGISTIC
    coefficients: tuple[Row, ...]
    """One row of K per label; of two labels one row, that of the second."""
    intercepts: Row


class NeighborsParameters(_Record):
    """A fitted KNeighborsClassifier, which is its examples."""

    kind: Literal[Kind.NEIGHBORS] = Kind.NEIGHBORS
    neighbors: int = Field(ge=1)
    rows: tuple[Row, ...]
    """(N, K) standardised."""
    row_labels: tuple[int, ...]
    """(N,) indices into the labels."""


class CrossValidation(_Record):
    """How well examples were told that had no part in the training."""

    folds: int
    grouped: bool
    """Whether examples of one group (such as a person) never stood on both sides."""
    accuracy: float
    accuracy_sd: float
    """Over the folds."""
    balanced_accuracy: float
    """The mean over the labels of the share that was told; 1 / labels is chance."""
    confusion: tuple[tuple[int, ...], ...]
    """Row: the true label, column: the told one."""


class MovementModel(_Record):
    """A trained classifier of movements."""

    format: Literal["rig_capture.movement_model"] = "rig_capture.movement_model"
    schema_version: Literal[1] = 1
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    libraries: dict[str, str]
    """Versions it was trained with."""
    space: str
    """Of the poses, `2d` or `3d`."""
    labels: tuple[str, ...] = Field(min_length=2)
    examples: dict[str, int]
    """How many of each label it was trained on."""
    features: tuple[str, ...] = Field(min_length=1)
    """K names, in the order of all rows."""
    means: Row
    """(K,) over the examples; what a movement lacks is taken to be this."""
    scales: Row
    """(K,) standard deviations, 1 where a feature was the same in all examples."""
    parameters: Annotated[LogisticParameters | NeighborsParameters, Field(discriminator="kind")]
    cross_validation: CrossValidation

    @model_validator(mode="after")
    def _whole(self) -> Self:
        width, labels = len(self.features), len(self.labels)
        if len(self.means) != width or len(self.scales) != width or not all(scale > 0 for scale in self.scales):
            raise ValueError(f"means and scales must be {width} numbers, the scales above 0")
        if len(set(self.features)) < width or len(set(self.labels)) < labels:
            raise ValueError("names a feature or a label twice")
        fitted = self.parameters
        if isinstance(fitted, LogisticParameters):
            rows, wanted = fitted.coefficients, 1 if labels == 2 else labels
            if len(rows) != wanted or len(fitted.intercepts) != wanted:
                raise ValueError(f"{labels} labels need {wanted} rows of coefficients and as many intercepts")
        else:
            rows = fitted.rows
            if len(rows) != len(fitted.row_labels) or len(rows) < fitted.neighbors or set(fitted.row_labels) != set(range(labels)):
                raise ValueError("rows and their labels do not fit")
        if any(len(row) != width for row in rows):
            raise ValueError(f"each row must have {width} numbers")
        return self


def save_model(path: Path, model: MovementModel) -> None:
    """Writes a model atomically.

    Raises:
        AnalysisError: the file can't be written.
    """
    try:
        write_atomic(path, model.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise AnalysisError(f"{path}: can't be written: {error}") from error


def load_model(path: Path) -> MovementModel:
    """Reads a model; nothing in the file is ever run.

    Raises:
        ModelFileError: the file is missing, of another version, or not what it should be.
    """
    try:
        return MovementModel.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelFileError(f"{path}: can't be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if where == "schema_version":
            raise ModelFileError(f"{path}: a model of schema version {first['input']!r}, this software reads {SCHEMA_VERSION}") from error
        raise ModelFileError(
            f"{path}: not a model of `rig analyze classify train`: {f'{where}: ' if where else ''}{first['msg']}"
        ) from error
