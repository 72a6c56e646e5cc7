"""The built-in model `motion`: what moves before a still background, with OpenCV alone, no weights.

It tells how much of the picture moves, and boxes around what moves, followed from picture to picture. It knows nothing of persons: a
door that opens is a box too, and somebody who stands still for long is none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.models.model import Detections, Rgb
from rig_capture.estimation.models.tracks import BoxTracks
from rig_capture.estimation.predictions import ModelIdentity, what_is_wrong

VERSION = "1"

_FOREGROUND = 255
"""In OpenCV's masks; shadows are 127."""


class MotionSettings(BaseModel):
    """What counts as motion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=320, ge=32)
    """Pictures are brought to this width, px; narrower ones are taken as they are."""
    difference: int = Field(default=12, ge=1, le=255)
    """Grey levels (of 255) by which a pixel must change from one picture to the next to count as motion energy."""
    background_s: float = Field(default=20, gt=0)
    """How long something must stand still to become background, s."""
    smallest: float = Field(default=0.002, gt=0, lt=1)
    """Boxes have at least so much moving, as a share of the picture."""
    largest: float = Field(default=0.7, gt=0, le=1)
    """Where more of the picture moves at once, light or camera have changed, and there are no boxes."""
    join: float = Field(default=0.03, ge=0, lt=0.5)
    """Moving parts that are no farther apart are one, as a share of the picture's width: head and hands are of one person."""
    overlap: float = Field(default=0.2, gt=0, le=1)
    """Boxes of two pictures are of the same thing where they overlap by so much (intersection over union)."""
    lost_s: float = Field(default=1, ge=0)
    """Something that is not seen for longer is somebody new when it moves again, s."""


class MotionModel:
    """Motion energy and boxes of what moves."""

    skeleton = None

    def __init__(self, settings: MotionSettings | None = None) -> None:
        """Loads nothing."""
        self._settings = settings or MotionSettings()
        self.identity = ModelIdentity(name="motion", version=VERSION, settings=self._settings.model_dump())
        self.begin(30.0)

    @property
    def input_size(self) -> tuple[int, int] | None:
        return None

    def begin(self, rate_hz: float) -> None:
        settings = self._settings
        history = max(2, round(settings.background_s * rate_hz))
        self._background: Any = cv2.createBackgroundSubtractorMOG2(history=history, detectShadows=True)
        self._tracks = BoxTracks(settings.overlap, max(1, round(settings.lost_s * rate_hz)))
        self._before: npt.NDArray[Any] | None = None

    def predict(self, batch: Sequence[Rgb]) -> Detections:
        return Detections.joined([self._look(picture) for picture in batch])

    def _look(self, picture: Rgb) -> Detections:
        height, width = picture.shape[:2]
        scale = min(1.0, self._settings.width / width)
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        # Smoothed, so that the noise of a dark picture is no motion.
        small = cv2.GaussianBlur(small, (5, 5), 0)
        first = self._before is None
        energy = self._energy(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        boxes = self._boxes(small, first=first)
        boxes[:, :4] *= np.tile([width / small.shape[1], height / small.shape[0]], 2)
        return Detections(np.zeros(len(boxes)), boxes, track=self._tracks.follow(boxes[:, :4]), motion=np.array([energy]))

    def _energy(self, grey: npt.NDArray[Any]) -> float:
        """The share of pixels that have changed."""
        before, self._before = self._before, grey
        return 0.0 if before is None else float(np.mean(cv2.absdiff(grey, before) >= self._settings.difference))

    def _boxes(self, small: npt.NDArray[Any], *, first: bool) -> Column:
        """(N, 5) boxes in pixels of the small picture, the largest first; the score is the share of the box that moves."""
        moving = (self._background.apply(small) == _FOREGROUND).astype(np.uint8)
        # Of the first picture everything is new.
        if first or not moving.any() or moving.mean() > self._settings.largest:
            return np.empty((0, 5))
        moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        reach = 2 * round(self._settings.join * small.shape[1] / 2) + 1
        joined = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
        count, labels, found, _ = cv2.connectedComponentsWithStats(joined)
        inside = np.bincount(labels[moving > 0], minlength=count)
        kept = [label for label in range(1, count) if inside[label] >= self._settings.smallest * moving.size]
        rows = [[*found[label, :4], inside[label] / (found[label, 2] * found[label, 3])] for label in kept]
        rows.sort(key=lambda row: -row[2] * row[3])
        return np.array(rows, dtype=np.float64).reshape(-1, 5)


def load(settings: Mapping[str, Any]) -> MotionModel:
    """The model with settings. Raises ModelError."""
    try:
        return MotionModel(MotionSettings.model_validate(settings))
    except ValidationError as error:
        raise ModelError(f"motion: {what_is_wrong(error)}") from error
