"""The kind `metrabs`: MeTRAbs (Sarandi et al. 2021, arXiv:2007.07227), absolute 3D poses of several persons, as TensorFlow SavedModel.

Used is what the published models offer: `detect_poses_batched`, and the tables of joints by skeleton.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.models.model import Detections, Rgb
from rig_capture.estimation.predictions import ModelIdentity, Skeleton, what_is_wrong
from rig_capture.session.hashing import sha256_file


class MetrabsSettings(BaseModel):
    """What the model looks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    joints: str = "smpl+head_30"
    """Which of the model's skeletons; its names are told where there is no such one."""
    field_of_view_deg: float = Field(default=55, gt=0, lt=180)
    """Along the larger side of the picture; distances depend on it. Not used where `intrinsics` are given."""
    intrinsics: tuple[float, float, float, float] | None = None
    """fx, fy, cx, cy of the camera for pictures of this size, px."""
    detection: float = Field(default=0.3, ge=0, le=1)
    """Least score of a person."""
    persons: int = Field(default=-1, ge=-1)
    """At most so many in one picture; -1: all."""
    variants: int = Field(default=5, ge=1)
    """How many changed copies of each person are looked at and averaged; more are slower and steadier."""


class MetrabsModel:
    """A published MeTRAbs model."""

    def __init__(self, folder: Path, settings: MetrabsSettings | None = None) -> None:
        """Loads a SavedModel. Raises ModelError."""
        import tensorflow

        self._tensorflow = tensorflow
        self._settings = settings or MetrabsSettings()
        self._folder = folder
        try:
            self._model: Any = tensorflow.saved_model.load(str(folder))
        except (OSError, ValueError, tensorflow.errors.OpError) as error:
            raise ModelError(f"{folder}: is no SavedModel that TensorFlow can load: {error}") from error
        self.skeleton = self._skeleton()
        self.identity = ModelIdentity(
            name=folder.name,
            version=f"tensorflow {tensorflow.__version__}",
            settings={"kind": "metrabs", "sha256": sha256_file(folder / "saved_model.pb"), **self._settings.model_dump(mode="json")},
        )

    @property
    def input_size(self) -> tuple[int, int] | None:
        return None

    def begin(self, rate_hz: float) -> None:
        """Nothing is kept from picture to picture."""

    def predict(self, batch: Sequence[Rgb]) -> Detections:
        tf, told = self._tensorflow, self._settings
        given: dict[str, Any] = {"default_fov_degrees": told.field_of_view_deg}
        if told.intrinsics is not None:
            fx, fy, cx, cy = told.intrinsics
            given = {"intrinsic_matrix": tf.constant([[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]], tf.float32)}
        try:
            found = self._model.detect_poses_batched(
                tf.constant(np.stack(batch)),
                skeleton=told.joints,
                detector_threshold=told.detection,
                max_detections=told.persons,
                num_aug=told.variants,
                **given,
            )
            boxes, poses2d, poses3d = (found[name] for name in ("boxes", "poses2d", "poses3d"))
            counts = np.asarray(boxes.row_lengths())
            columns = [np.asarray(each.flat_values) for each in (boxes, poses2d, poses3d)]
        except (TypeError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
            raise ModelError(f"{self._folder}: detect_poses_batched failed: {error}") from error
        return self._detections(counts, *columns)

    def _detections(self, counts: Column, boxes: Column, poses2d: Column, poses3d: Column) -> Detections:
        joints = len(self.skeleton.names)
        boxes = boxes.reshape(-1, 5)
        scores = np.clip(boxes[:, 4], 0, 1)
        boxes = np.column_stack([boxes[:, :2], np.maximum(boxes[:, 2:4], 0), scores])
        return Detections(
            np.repeat(np.arange(len(counts)), counts),
            boxes,
            poses2d=poses2d.reshape(-1, joints, 2),
            poses3d=poses3d.reshape(-1, joints, 3),
            # The model scores persons, not joints.
            scores=np.repeat(scores[:, None], joints, axis=1),
        )

    def _skeleton(self) -> Skeleton:
        """The joints as the model tells them. Raises ModelError."""
        wanted = self._settings.joints
        try:
            names = {key: value.numpy() for key, value in self._model.per_skeleton_joint_names.items()}
            edges = {key: value.numpy() for key, value in self._model.per_skeleton_joint_edges.items()}
        except AttributeError as error:
            raise ModelError(f"{self._folder}: is no MeTRAbs model: {error}") from error
        if wanted not in names:
            raise ModelError(f"{self._folder}: has no skeleton {wanted!r}; set `joints` to one of {', '.join(sorted(names))}")
        pairs = tuple((int(one), int(other)) for one, other in edges[wanted])
        return Skeleton(names=tuple(name.decode() for name in names[wanted]), edges=pairs)


def load(source: Path, settings: Mapping[str, Any]) -> MetrabsModel:
    """The model in the folder of a saved_model.pb. Raises ModelError."""
    try:
        return MetrabsModel(source if source.is_dir() else source.parent, MetrabsSettings.model_validate(settings))
    except ValidationError as error:
        raise ModelError(f"metrabs: {what_is_wrong(error)}") from error
