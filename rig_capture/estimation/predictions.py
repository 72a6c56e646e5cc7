"""What a model made of a video, as columns over all frames and all detections, and its files.

A file is read and written whole; both ways it is validated. JSON (`.json`) is one object with the fields of `VideoPredictions`, rows
one after the other in flat lists, NaN as null, rounded to hundredths of a pixel and tenths of a millimetre. Parquet (`.parquet`) has
one row per frame with a list of persons, single precision as it is, and everything else as JSON in the schema's metadata.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, overload

import numpy as np
import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from rig_capture.estimation.columns import Column, column, same
from rig_capture.estimation.errors import PredictionsError, UnsupportedPredictionsVersion
from rig_capture.estimation.number_text import number_text, take_columns
from rig_capture.estimation.parquet import from_parquet, to_parquet
from rig_capture.session.atomic import write_atomic

SCHEMA_VERSION = 1

_JSON_DIGITS = {"motion": 5, "boxes": 2, "poses2d": 2, "poses3d": 1, "scores": 3}
"""Digits after the point that are kept in JSON."""


def _numbers(kind: str, *row: int) -> BeforeValidator:
    return BeforeValidator(lambda values: None if values is None else column(values, kind, row))


def _of_joints(*each: int) -> BeforeValidator:
    def shaped(values: object, info: ValidationInfo) -> Column | None:
        if values is None:
            return None
        skeleton = info.data.get("skeleton")
        if skeleton is None:
            raise ValueError("needs a skeleton that names the joints")
        return column(values, "float32", (len(skeleton.names), *each))

    return BeforeValidator(shaped)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


class Skeleton(_Record):
    """The joints of a pose and which of them are joined."""

    names: tuple[str, ...] = Field(min_length=1)
    edges: tuple[tuple[int, int], ...] = ()
    """Pairs of indices into the names."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(set(self.names)) < len(self.names):
            raise ValueError("names a joint twice")
        if any(not 0 <= end < len(self.names) for edge in self.edges for end in edge):
            raise ValueError(f"has an edge to a joint beyond the {len(self.names)} it names")
        return self


class VideoMetadata(_Record):
    """The video that was looked at."""

    file: str
    """Its name; of a stream of a session the folder's."""
    width: int = Field(gt=0)
    """Of the pictures, px."""
    height: int = Field(gt=0)
    codec: str
    frames: int = Field(ge=1)
    """How many were looked at."""
    duration_s: float = Field(ge=0)
    """From the first stamp to the last."""
    rate_hz: float | None = Field(default=None, gt=0)
    """Mean over all frames; None of a single one."""
    stream: str = ""
    """Name of the stream of a session; empty outside one."""
    recording_id: str = ""
    """Of the session; empty outside one."""


class ModelIdentity(_Record):
    """The model that looked."""

    name: str = Field(min_length=1)
    version: str
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class PersonPrediction:
    """One detection in one frame; the arrays are read-only views of one row of `VideoPredictions`."""

    track: int
    box: Column
    """(5,) x, y, width, height in px, score."""
    pose2d: Column | None
    """(J, 2) px."""
    pose3d: Column | None
    """(J, 3) mm."""
    scores: Column | None
    """(J,)"""


@dataclass(frozen=True, slots=True)
class FramePrediction:
    """What was seen in one frame."""

    index: int
    stamp_ns: int
    motion: float | None
    persons: tuple[PersonPrediction, ...]


class VideoPredictions(_Record):
    """What a model made of a video with F frames, with N detections in all of them together and J joints.

    The arrays are read-only copies of what is given. Pixels count from the centre of the upper left one, x to the right, y down. A
    joint that was not found is NaN with score 0.
    """

    schema_version: Literal[1] = 1
    video: VideoMetadata
    model: ModelIdentity
    skeleton: Skeleton | None = None
    """None of a model without poses."""
    stamps_ns: Annotated[Column, _numbers("int64")]
    """(F,) int64: when each frame was captured, ns since the epoch, out of frames.csv; of a loose file its pts, ns."""
    motion: Annotated[Column | None, _numbers("float32")] = None
    """(F,) float32: motion energy of each frame, 0 to 1."""
    person_frame: Annotated[Column, _numbers("int32")]
    """(N,) int32: which frame each detection belongs to, never falling."""
    person_track: Annotated[Column, _numbers("int32")]
    """(N,) int32: who it is over the frames, from 0; -1 where the model does not tell."""
    boxes: Annotated[Column, _numbers("float32", 5)]
    """(N, 5) float32: x, y of the upper left corner, width, height in px, and score, 0 to 1."""
    poses2d: Annotated[Column | None, _of_joints(2)] = None
    """(N, J, 2) float32: px."""
    poses3d: Annotated[Column | None, _of_joints(3)] = None
    """(N, J, 3) float32: mm in the camera's optical frame (REP 103): x to the right, y down, z forward."""
    scores: Annotated[Column | None, _of_joints()] = None
    """(N, J) float32: of each joint, 0 to 1."""
    _person_rows: Column | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        frames, persons = len(self.stamps_ns), len(self.person_frame)
        joints = 0 if self.skeleton is None else len(self.skeleton.names)
        for name, shape in self._shapes(frames, persons, joints).items():
            column = getattr(self, name)
            if column is not None and column.shape != shape:
                raise ValueError(f"{name} has the shape {column.shape} instead of {shape}")
        if frames != self.video.frames:
            raise ValueError(f"stamps_ns has {frames} frames, the video {self.video.frames}")
        if persons and (self.person_frame[0] < 0 or self.person_frame[-1] >= frames or (np.diff(self.person_frame) < 0).any()):
            raise ValueError(f"person_frame must rise from 0 and stay below {frames}")
        if (self.person_track < -1).any():
            raise ValueError("person_track holds numbers below -1")
        if np.isnan(self.boxes).any() or (self.boxes[:, 2:4] < 0).any():
            raise ValueError("boxes holds no number, or a width or height below 0")
        for name, shares in (("motion", self.motion), ("boxes", self.boxes[:, 4]), ("scores", self.scores)):
            if shares is not None and shares.size and not (shares.min() >= 0 and shares.max() <= 1):
                raise ValueError(f"{name} holds a score that is not between 0 and 1")
        return self

    @staticmethod
    def _shapes(frames: int, persons: int, joints: int) -> dict[str, tuple[int, ...]]:
        return {
            "stamps_ns": (frames,),
            "motion": (frames,),
            "person_frame": (persons,),
            "person_track": (persons,),
            "boxes": (persons, 5),
            "poses2d": (persons, joints, 2),
            "poses3d": (persons, joints, 3),
            "scores": (persons, joints),
        }

    @property
    def person_rows(self) -> Column:
        """(F + 1,) int64: the detections of frame i are the rows ``person_rows[i]`` to ``person_rows[i + 1]``."""
        if self._person_rows is None:
            # Not a cached_property, which would be one more field of dict(predictions).
            self._person_rows = np.searchsorted(self.person_frame, np.arange(len(self.stamps_ns) + 1))
        return self._person_rows

    @property
    def frames(self) -> Sequence[FramePrediction]:
        """All frames, each made when it is asked for."""
        return _Frames(self)

    def __eq__(self, other: object) -> bool:
        """Whether all is the same, NaN in the same places."""
        if not isinstance(other, VideoPredictions):
            return NotImplemented
        return all(same(getattr(self, name), getattr(other, name)) for name in type(self).model_fields)

    __hash__ = None  # type: ignore[assignment] # arrays have none


class _Frames(Sequence[FramePrediction]):
    def __init__(self, predictions: VideoPredictions) -> None:
        self._of = predictions

    def __len__(self) -> int:
        return len(self._of.stamps_ns)

    @overload
    def __getitem__(self, index: int) -> FramePrediction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FramePrediction]: ...
    def __getitem__(self, index: int | slice) -> FramePrediction | Sequence[FramePrediction]:
        at = range(len(self))[index]
        return [self._frame(each) for each in at] if isinstance(at, range) else self._frame(at)

    def _frame(self, index: int) -> FramePrediction:
        of = self._of
        first, end = of.person_rows[index : index + 2].tolist()
        motion = None if of.motion is None else float(of.motion[index])
        return FramePrediction(index, int(of.stamps_ns[index]), motion, tuple(self._person(row) for row in range(first, end)))

    def _person(self, row: int) -> PersonPrediction:
        of = self._of
        pose2d, pose3d, scores = (None if column is None else column[row] for column in (of.poses2d, of.poses3d, of.scores))
        return PersonPrediction(int(of.person_track[row]), of.boxes[row], pose2d, pose3d, scores)


def what_is_wrong(error: ValidationError) -> str:
    """The first things that are wrong with fields of a model, in one line."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, p["loc"])), p["msg"]))) for p in error.errors()[:5])


def write_predictions(path: Path, predictions: VideoPredictions) -> None:
    """Writes predictions atomically, as `.json` or `.parquet`.

    Raises:
        PredictionsError: the name ends otherwise, they are not what they should be, or the file can't be written.
        ExtraMissing: Parquet needs packages that are not installed.
    """
    encode = {".json": _to_json, ".parquet": _to_parquet}[_suffix(path)]
    data = encode(_validated(path, dict(predictions)))
    try:
        write_atomic(path, data)
    except OSError as error:
        raise PredictionsError(f"{path}: can't be written: {error}") from error


def read_predictions(path: Path) -> VideoPredictions:
    """Reads predictions from `.json` or `.parquet`.

    Raises:
        UnsupportedPredictionsVersion: another schema version.
        PredictionsError: the file is missing, or not what it should be.
        ExtraMissing: Parquet needs packages that are not installed.
    """
    decode = {".json": _from_json, ".parquet": _from_parquet}[_suffix(path)]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PredictionsError(f"{path}: can't be read: {error}") from error
    values = decode(path, data)
    version = values.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise UnsupportedPredictionsVersion(path, version, SCHEMA_VERSION)
    return _validated(path, values)


def _suffix(path: Path) -> str:
    if path.suffix not in (".json", ".parquet"):
        raise PredictionsError(f"{path}: predictions are .json or .parquet files; give it such a name")
    return path.suffix


def _validated(path: Path, values: dict[str, Any]) -> VideoPredictions:
    try:
        return VideoPredictions.model_validate(values)
    except ValidationError as error:
        raise PredictionsError(f"{path}: no predictions: {what_is_wrong(error)}") from error


def _to_json(predictions: VideoPredictions) -> bytes:
    lines = [f'"{name}":'.encode() + _json_text(name, value) for name, value in predictions]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def _json_text(name: str, value: object) -> bytes:
    if not isinstance(value, np.ndarray):
        return pydantic_core.to_json(value)
    digits = _JSON_DIGITS.get(name)
    if digits is None:
        return pydantic_core.to_json(value.tolist())
    quick = number_text(value.ravel(), digits)
    return quick or pydantic_core.to_json(np.round(value.astype(np.float64), digits).ravel().tolist(), inf_nan_mode="null")


def _from_json(path: Path, data: bytes) -> dict[str, Any]:
    head, columns = take_columns(data, _JSON_DIGITS)
    values = _json_object(path, head)
    if any(values.get(name) != [] for name in columns):
        return _json_object(path, data)  # they were fields of something else
    return values | columns


def _json_object(path: Path, data: bytes) -> dict[str, Any]:
    try:
        values = pydantic_core.from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise PredictionsError(f"{path}: not JSON: {error}; estimate the video again") from error
    if not isinstance(values, dict):
        raise PredictionsError(f"{path}: not a JSON object; estimate the video again")
    return values


def _to_parquet(predictions: VideoPredictions) -> bytes:
    head = predictions.model_dump_json(include={"schema_version", "video", "model", "skeleton"}).encode()
    columns = {name: value for name, value in predictions if isinstance(value, np.ndarray) and name != "person_frame"}
    return to_parquet(head, columns, predictions.person_rows)


def _from_parquet(path: Path, data: bytes) -> dict[str, Any]:
    try:
        head, columns = from_parquet(data)
    except ValueError as error:
        raise PredictionsError(f"{path}: no predictions in Parquet: {error}; estimate the video again") from error
    return _json_object(path, head) | columns
