"""What every model is, and what it answers with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from rig_capture.estimation.columns import Column
from rig_capture.estimation.predictions import ModelIdentity, Skeleton

Rgb = npt.NDArray[np.uint8]
"""(height, width, 3), red first."""


@dataclass(frozen=True, slots=True)
class Detections:
    """What a model found in a batch of B pictures: N detections with J joints. Units as in `VideoPredictions`."""

    picture: Column
    """(N,) which picture of the batch each is in, never falling."""
    boxes: Column
    """(N, 5) x, y, width, height in px, score."""
    track: Column | None = None
    """(N,) who it is, where the model follows persons from picture to picture."""
    poses2d: Column | None = None
    """(N, J, 2) px."""
    poses3d: Column | None = None
    """(N, J, 3) mm."""
    scores: Column | None = None
    """(N, J)"""
    motion: Column | None = None
    """(B,) motion energy of each picture, 0 to 1."""

    @classmethod
    def joined(cls, of_pictures: Sequence[Self]) -> "Detections":
        """Those of single pictures (each a batch of one), as of one batch; at least one picture."""
        counts = [len(each.boxes) for each in of_pictures]

        def all_of(name: str) -> Column | None:
            columns = [getattr(each, name) for each in of_pictures]
            return None if columns[0] is None else np.concatenate(columns)

        boxes = all_of("boxes")
        assert boxes is not None
        names = ("track", "poses2d", "poses3d", "scores", "motion")
        return Detections(np.repeat(np.arange(len(counts)), counts), boxes, **{name: all_of(name) for name in names})


class Model(Protocol):
    """A model that was loaded. Used from one thread; pictures of one video come in order."""

    @property
    def identity(self) -> ModelIdentity:
        """Name, version, and the settings that results depend on."""

    @property
    def skeleton(self) -> Skeleton | None:
        """The joints of its poses; None of a model without poses."""

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height that pictures are brought to, px; None where it takes them as they are."""

    def begin(self, rate_hz: float) -> None:
        """Forgets former pictures: another video begins, with about so many pictures a second."""

    def predict(self, batch: Sequence[Rgb]) -> Detections:
        """What is in the next pictures, at least one, all of the same size. Raises ModelError."""
