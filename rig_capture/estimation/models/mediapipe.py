"""The kind `mediapipe`: MediaPipe's pose landmarker, out of a task file. 33 joints in 2D, and in 3D about the middle of the hips."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.models.model import Detections, Rgb
from rig_capture.estimation.models.tracks import BoxTracks
from rig_capture.estimation.predictions import ModelIdentity, Skeleton, what_is_wrong
from rig_capture.session.hashing import sha256_file

# The order of google/mediapipe, `mediapipe/tasks/python/vision/pose_landmarker.py` (PoseLandmark).
_SIDES = ("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index")
SKELETON = Skeleton(
    names=(
        *("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer"),
        *("left_ear", "right_ear", "mouth_left", "mouth_right"),
        *(f"{side}_{joint}" for joint in _SIDES for side in ("left", "right")),
    ),
    edges=(
        *((0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (11, 12), (11, 13), (13, 15), (15, 17), (15, 19)),
        *((15, 21), (17, 19), (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20), (11, 23), (12, 24), (23, 24), (23, 25)),
        *((24, 26), (25, 27), (26, 28), (27, 29), (28, 30), (29, 31), (30, 32), (27, 31), (28, 32)),
    ),
)


class MediapipeSettings(BaseModel):
    """What the landmarker looks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    persons: int = Field(default=1, ge=1)
    """At most so many in one picture."""
    detection: float = Field(default=0.5, ge=0, le=1)
    """Least score of a person that is found anew."""
    presence: float = Field(default=0.5, ge=0, le=1)
    """Least score of a person that was found."""
    tracking: float = Field(default=0.5, ge=0, le=1)
    """Least score by which a person is followed into the next picture."""


class MediapipeModel:
    """A pose landmarker in its video mode."""

    skeleton = SKELETON

    def __init__(self, file: Path, settings: MediapipeSettings | None = None) -> None:
        """Loads a task file. Raises ModelError."""
        import mediapipe

        self._settings = settings or MediapipeSettings()
        self._mediapipe = mediapipe
        self._file = file
        self._landmarker: Any = None
        self._open()
        self.identity = ModelIdentity(
            name=file.stem,
            version=mediapipe.__version__,
            # The origin of poses3d is not the camera, which a landmarker knows nothing of.
            settings={"kind": "mediapipe", "sha256": sha256_file(file), "poses3d_origin": "hips", **self._settings.model_dump()},
        )

    @property
    def input_size(self) -> tuple[int, int] | None:
        return None

    def begin(self, rate_hz: float) -> None:
        # Its video mode wants times that rise, so each video has a landmarker of its own.
        self._open()
        self._step_ms = max(1, round(1000 / rate_hz))
        self._time_ms = 0
        self._tracks = BoxTracks(overlap=0.2, patience=max(1, round(rate_hz)))

    def predict(self, batch: Sequence[Rgb]) -> Detections:
        return Detections.joined([self._look(picture) for picture in batch])

    def _open(self) -> None:
        vision, base = self._mediapipe.tasks.vision, self._mediapipe.tasks.BaseOptions
        told = self._settings
        if self._landmarker is not None:
            self._landmarker.close()
        try:
            self._landmarker = vision.PoseLandmarker.create_from_options(
                vision.PoseLandmarkerOptions(
                    base_options=base(model_asset_path=str(self._file)),
                    running_mode=vision.RunningMode.VIDEO,
                    num_poses=told.persons,
                    min_pose_detection_confidence=told.detection,
                    min_pose_presence_confidence=told.presence,
                    min_tracking_confidence=told.tracking,
                )
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"{self._file}: is no task file of a pose landmarker: {error}") from error

    def _look(self, picture: Rgb) -> Detections:
        image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        try:
            found = self._landmarker.detect_for_video(image, self._time_ms)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{self._file}: MediaPipe failed: {error}") from error
        self._time_ms += self._step_ms
        detections = landmarks_to_detections(found.pose_landmarks, found.pose_world_landmarks, (picture.shape[1], picture.shape[0]))
        track = self._tracks.follow(detections.boxes[:, :4])
        return Detections(detections.picture, detections.boxes, track, detections.poses2d, detections.poses3d, detections.scores)


def landmarks_to_detections(persons: Sequence[Any], worlds: Sequence[Any], size: tuple[int, int]) -> Detections:
    """Landmarks of one picture of a size (width, height) in px: shares of it, and metres about the hips in the camera's directions."""
    shares = np.array([[(mark.x, mark.y) for mark in marks] for marks in persons], dtype=np.float64).reshape(-1, len(SKELETON.names), 2)
    scores = np.array([[mark.visibility or 0.0 for mark in marks] for marks in persons]).reshape(-1, len(SKELETON.names))
    metres = np.array([[(mark.x, mark.y, mark.z) for mark in marks] for marks in worlds]).reshape(-1, len(SKELETON.names), 3)
    scores = np.clip(scores, 0, 1)
    corners = np.clip([shares.min(axis=1), shares.max(axis=1)], 0, 1) * np.array(size) if len(shares) else np.empty((2, 0, 2))
    boxes: Column = np.column_stack([corners[0], corners[1] - corners[0], scores.mean(axis=1)])
    return Detections(np.zeros(len(boxes), np.int64), boxes, None, shares * np.array(size) - 0.5, metres * 1000, scores)


def load(source: Path, settings: Mapping[str, Any]) -> MediapipeModel:
    """The landmarker of a task file. Raises ModelError."""
    try:
        return MediapipeModel(source, MediapipeSettings.model_validate(settings))
    except ValidationError as error:
        raise ModelError(f"mediapipe: {what_is_wrong(error)}") from error
