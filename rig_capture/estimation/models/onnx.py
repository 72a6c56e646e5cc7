"""The kind `onnx`: any pose model in ONNX with a card, through ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ExtraMissing, ModelError, ModelMissing
from rig_capture.estimation.models.card import ModelCard, read_card
from rig_capture.estimation.models.decoding import Decoded, decode
from rig_capture.estimation.models.fitting import Fitting, part_around
from rig_capture.estimation.models.model import Detections, Rgb
from rig_capture.estimation.models.motion import MotionModel
from rig_capture.estimation.predictions import ModelIdentity, Skeleton, what_is_wrong
from rig_capture.session.hashing import sha256_file

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8", "tensor(int32)": "int32"}


class OnnxSettings(BaseModel):
    """How the runtime works."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = "auto"
    """`auto` (CUDA where the installed runtime has it), `cpu` or `cuda`."""
    threads: int = Field(default=0, ge=0)
    """Of the processor; 0: all cores."""


class OnnxModel:
    """A pose model in ONNX."""

    def __init__(self, card_path: Path, settings: OnnxSettings | None = None) -> None:
        """Loads card and model.

        Raises:
            ExtraMissing: onnxruntime is not installed.
            ModelMissing: card or model is not there.
            ModelError: they can't be used, or do not fit each other.
        """
        settings = settings or OnnxSettings()
        self.card: ModelCard = read_card(card_path)
        file = card_path.parent / self.card.file
        if not file.is_file():
            raise ModelMissing(f"{file}: the card {card_path.name} names this model, and there is no such file; put it there")
        self._session = _session(file, settings)
        self._input, self._type, self._single = self._check(file)
        self._finder = MotionModel() if self.card.input.persons == "motion" else None
        self.identity = ModelIdentity(
            name=self.card.name,
            version=self.card.version,
            settings={"kind": "onnx", "sha256": sha256_file(file), "card": self.card.model_dump(mode="json", exclude={"name", "version"})},
        )

    @property
    def skeleton(self) -> Skeleton:
        return self.card.skeleton

    @property
    def input_size(self) -> tuple[int, int]:
        return self.card.input.size

    def begin(self, rate_hz: float) -> None:
        if self._finder is not None:
            self._finder.begin(rate_hz)

    def predict(self, batch: Sequence[Rgb]) -> Detections:
        if self._finder is not None:
            return self._look_at_boxes(batch, self._finder.predict(batch))
        fitting = self._fitting(batch[0])
        return _detections(self.card, self._decoded([fitting.into(picture, self.card.input.margin) for picture in batch]), fitting)

    def _look_at_boxes(self, batch: Sequence[Rgb], moving: Detections) -> Detections:
        """Poses of whoever moves: a part of the picture around each box, looked at by itself."""
        joints = len(self.card.skeleton.names)
        poses3d = None if self.card.output.poses3d is None else np.empty((0, joints, 3))
        empty = np.empty((0, joints, 2)), poses3d, np.empty((0, joints))
        found = [Detections(np.empty(0, np.int64), np.empty((0, 5)), np.empty(0, np.int32), *empty)]
        assert moving.track is not None
        places = [part_around(box[:4], batch[at], self.card.input.around) for at, box in zip(moving.picture, moving.boxes, strict=True)]
        parts = [batch[at][place] for at, place in zip(moving.picture, places, strict=True)]
        fittings = [self._fitting(part) for part in parts]
        decoded = self._decoded([f.into(part, self.card.input.margin) for f, part in zip(fittings, parts, strict=True)]) if parts else None
        for index, (fitting, place) in enumerate(zip(fittings, places, strict=True)):
            assert decoded is not None
            each = _detections(self.card, decoded.of_picture(index), fitting)
            found.append(_placed(each, place, int(moving.picture[index]), int(moving.track[index])))
        return replace(Detections.joined(found), picture=np.concatenate([each.picture for each in found]), motion=moving.motion)

    def _fitting(self, picture: Rgb) -> Fitting:
        return Fitting.of((picture.shape[1], picture.shape[0]), self.card.input.size, self.card.input.fit)

    def _decoded(self, inputs: Sequence[Rgb]) -> Decoded:
        """What the model says of pictures of the size of its input, at least one."""
        tensor = np.stack([self._tensor(each) for each in inputs])
        parts = [tensor[index : index + 1] for index in range(len(tensor))] if self._single else [tensor]
        answers = [self._run(part) for part in parts]
        return decode(self.card, {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]})

    def _tensor(self, picture: Rgb) -> Column:
        told = self.card.input
        values: Column = picture[..., ::-1] if told.colour == "BGR" else picture
        if told.mean != (0, 0, 0) or told.std != (1, 1, 1):
            values = (values.astype(np.float32) - np.array(told.mean, np.float32)) / np.array(told.std, np.float32)
        if told.layout == "NCHW":
            values = np.moveaxis(values, -1, 0)
        return values.astype(self._type)

    def _run(self, tensor: Column) -> dict[str, Column]:
        try:
            answers = self._session.run(None, {self._input: tensor})
        except Exception as error:
            raise ModelError(f"{self.card.name}: ONNX Runtime failed: {error}") from error
        return {output.name: np.asarray(answer) for output, answer in zip(self._session.get_outputs(), answers, strict=True)}

    def _check(self, file: Path) -> tuple[str, str, bool]:
        """Name and type of the input, and whether it takes one picture at a time. Raises ModelError."""
        told = self.card.input
        inputs = {each.name: each for each in self._session.get_inputs()}
        name = told.name or (next(iter(inputs)) if len(inputs) == 1 else "")
        if name not in inputs:
            raise ModelError(f"{file}: has the inputs {', '.join(inputs)}; the card must name one of them, and says {told.name!r}")
        found = inputs[name]
        if found.type not in _TYPES:
            raise ModelError(f"{file}: its input is {found.type}; only {', '.join(_TYPES)} can be given")
        width, height = told.size
        wanted = (3, height, width) if told.layout == "NCHW" else (height, width, 3)
        shape = tuple(found.shape)
        if len(shape) != 4 or any(isinstance(have, int) and have != want for have, want in zip(shape[1:], wanted, strict=True)):
            raise ModelError(f"{file}: its input has the shape {shape}, the card says (pictures, {', '.join(map(str, wanted))})")
        if isinstance(shape[0], int) and shape[0] != 1:
            raise ModelError(f"{file}: takes exactly {shape[0]} pictures at a time; export it for 1 or any number")
        return name, _TYPES[found.type], shape[0] == 1


def _session(file: Path, settings: OnnxSettings) -> "InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise ExtraMissing("an ONNX model", "onnx", error) from error
    there = onnxruntime.get_available_providers()
    wanted = {"cpu": [], "cuda": ["CUDAExecutionProvider"], "auto": ["CUDAExecutionProvider"]}.get(settings.device)
    if wanted is None or (settings.device == "cuda" and wanted[0] not in there):
        raise ModelError(f"device {settings.device!r} can't be had; the installed ONNX Runtime has {', '.join(there)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, [each for each in wanted if each in there] + ["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{file}: is no model that ONNX Runtime can use: {error}") from error


def _detections(card: ModelCard, decoded: Decoded, fitting: Fitting) -> Detections:
    """What is sure enough, in pixels of the picture."""
    picture, place = np.nonzero(decoded.persons >= max(card.output.least_person, 1e-6))
    points = fitting.points_back(decoded.points[picture, place])
    scores = decoded.scores[picture, place].copy()
    missing = (scores <= card.output.least_joint) | ~np.isfinite(points).all(axis=-1)
    points[missing], scores[missing] = np.nan, 0
    boxes = _around(points, fitting) if decoded.boxes is None else fitting.boxes_back(decoded.boxes[picture, place])
    poses3d = None
    if decoded.poses3d is not None:
        poses3d = decoded.poses3d[picture, place].copy()
        poses3d[missing] = np.nan
    return Detections(picture, np.column_stack([boxes, decoded.persons[picture, place]]), poses2d=points, poses3d=poses3d, scores=scores)


def _placed(found: Detections, place: tuple[slice, slice], picture: int, track: int) -> Detections:
    """What was found in a part (rows, columns) of a picture, in pixels of the picture, of somebody."""
    shift = np.array([place[1].start, place[0].start])
    boxes = found.boxes.copy()
    boxes[:, :2] += shift
    count = len(boxes)
    assert found.poses2d is not None
    return Detections(np.full(count, picture), boxes, np.full(count, track), found.poses2d + shift, found.poses3d, found.scores)


def _around(points: Column, fitting: Fitting) -> Column:
    """Boxes (N, 4) around the joints (N, J, 2) that were found, cut at the picture's edges; of none where there are none."""
    found = np.isfinite(points)
    begin = np.where(found, points, np.inf).min(axis=1) if len(points) else np.empty((0, 2))
    end = np.where(found, points, -np.inf).max(axis=1) + 1 if len(points) else np.empty((0, 2))
    begin, end = (np.clip(np.nan_to_num(corner), 0, fitting.picture) for corner in (begin, end))
    return np.concatenate([begin, np.maximum(end - begin, 0)], axis=1)


def load(source: Path, settings: Mapping[str, Any]) -> OnnxModel:
    """The model of a card. Raises ModelError, ModelMissing, ExtraMissing."""
    try:
        return OnnxModel(source, OnnxSettings.model_validate(settings))
    except ValidationError as error:
        raise ModelError(f"onnx: {what_is_wrong(error)}") from error
