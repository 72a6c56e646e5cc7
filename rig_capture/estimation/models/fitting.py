"""Pictures brought to the size that a model takes, and the way back for what it found in them.

Points are at pixel centres ((0, 0) is the middle of the upper left pixel), boxes are counted by edges, as OpenCV's resize has it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from rig_capture.estimation.columns import Column
from rig_capture.estimation.models.model import Rgb

Fit = Literal["letterbox", "stretch"]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How pictures of one size get into a model's input."""

    picture: tuple[int, int]
    """Width and height of the picture, px."""
    inner: tuple[int, int]
    """Width and height of the picture in the input, px."""
    offset: tuple[int, int]
    """Where its upper left corner is in the input, px."""
    outer: tuple[int, int]
    """Width and height of the input, px."""

    @classmethod
    def of(cls, picture: tuple[int, int], outer: tuple[int, int], fit: Fit) -> "Fitting":
        """Stretched to the input, or as large as fits with equal margins on both sides."""
        if fit == "stretch":
            return cls(picture, outer, (0, 0), outer)
        scale = min(outer[0] / picture[0], outer[1] / picture[1])
        inner = max(1, round(picture[0] * scale)), max(1, round(picture[1] * scale))
        return cls(picture, inner, ((outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2), outer)

    def into(self, picture: Rgb, margin: int) -> Rgb:
        """The picture in the input, with margins of one grey level."""
        smaller = self.inner[0] < self.picture[0]
        scaled: npt.NDArray[Any] = cv2.resize(picture, self.inner, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        if self.inner == self.outer:
            return scaled
        (left, top), (width, height) = self.offset, self.inner
        filled = np.full((self.outer[1], self.outer[0], 3), margin, np.uint8)
        filled[top : top + height, left : left + width] = scaled
        return filled

    def points_back(self, points: Column) -> Column:
        """Points (..., 2) of the input in pixels of the picture."""
        back: Column = (points - np.array(self.offset) + 0.5) * self._scale - 0.5
        return back

    def boxes_back(self, boxes: Column) -> Column:
        """Boxes (..., 4), each x, y, width, height, of the input in pixels of the picture, cut at its edges."""
        begin = (boxes[..., :2] - np.array(self.offset)) * self._scale
        end = begin + boxes[..., 2:] * self._scale
        begin, end = (np.clip(corner, 0, np.array(self.picture)) for corner in (begin, end))
        return np.concatenate([begin, np.maximum(end - begin, 0)], axis=-1)

    @property
    def _scale(self) -> Column:
        scale: Column = np.array(self.picture) / np.array(self.inner)
        return scale


def part_around(box: Column, picture: Rgb, around: float) -> tuple[slice, slice]:
    """Rows and columns of a picture around a box (x, y, width, height), so many times as large, cut at the picture's edges."""
    spans = []
    for begin, size, end in ((box[1], box[3], picture.shape[0]), (box[0], box[2], picture.shape[1])):
        middle, reach = begin + size / 2, size * around / 2
        first = int(np.clip(np.floor(middle - reach), 0, end - 1))
        spans.append(slice(first, int(np.clip(np.ceil(middle + reach), first + 1, end))))
    return spans[0], spans[1]
