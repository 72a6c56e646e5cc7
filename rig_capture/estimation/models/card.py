"""The card of an ONNX model: a small YAML file beside it that says what goes in, what comes out, and what the joints are."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rig_capture.estimation.errors import ModelError, ModelMissing
from rig_capture.estimation.models.fitting import Fit
from rig_capture.estimation.predictions import Skeleton, what_is_wrong


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CardInput(_Part):
    """How pictures are given to the model."""

    name: str = ""
    """Of the model's input; empty: its only one."""
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    """Width and height, px."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colour: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0, 0, 0)
    """Taken off each channel (in the order of `colour`), in grey levels 0 to 255."""
    std: tuple[float, float, float] = (1, 1, 1)
    """What the channels are divided by then; 255 for a model that takes 0 to 1."""
    fit: Fit = "letterbox"
    margin: int = Field(default=0, ge=0, le=255)
    """Grey level around the picture, where it does not fill the input."""
    persons: Literal["picture", "motion"] = "picture"
    """What is looked at: the whole picture, or each of the boxes in which the model `motion` sees something move."""
    around: float = Field(default=1.25, ge=1, le=3)
    """How much larger than its box the part is that is looked at."""


class Heatmaps(_Part):
    """A map per joint, of one person: (N, J, H, W) or (N, H, W, J). The joint is where its map is highest."""

    kind: Literal["heatmaps"]
    name: str
    layout: Literal["JHW", "HWJ"] = "JHW"


class Simcc(_Part):
    """Two rows per joint, of one person, one over x and one over y: (N, J, X) and (N, J, Y), as SimCC and RTMPose have them."""

    kind: Literal["simcc"]
    x: str
    y: str
    split: float = Field(default=2, gt=0)
    """Places per pixel of the input."""


class Keypoints(_Part):
    """Coordinates: (N, J, C) of one person, or (N, P, J, C) of up to P."""

    kind: Literal["keypoints"]
    name: str
    columns: tuple[Literal["x", "y", "score", "-"], ...] = ("x", "y", "score")
    """What the C numbers are."""
    units: Literal["pixels", "shares"] = "pixels"
    """Pixels of the input, or shares (0 to 1) of its width and height."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not {"x", "y"} <= set(self.columns):
            raise ValueError("columns must name x and y")
        return self


class Candidates(_Part):
    """A row per candidate, (N, P, C) or (N, C, P): centre x, centre y, width, height, score, then x, y, score of each joint, px.

    As the pose models of the YOLO family have it. Candidates that overlap a better one are left out.
    """

    kind: Literal["candidates"]
    name: str
    overlap: float = Field(default=0.65, gt=0, le=1)
    """Intersection over union from which two are the same person."""


class CardBoxes(_Part):
    """Boxes of the persons: (N, 4), (N, 5), or with P before the last; a fifth number is the score."""

    name: str
    corners: Literal["xywh", "xyxy", "cxcywh"] = "xywh"
    """Corner and size, both corners, or centre and size."""
    units: Literal["pixels", "shares"] = "pixels"


class CardPoses3d(_Part):
    """Poses in the camera's frame: (N, J, 3) or (N, P, J, 3); x to the right, y down, z forward."""

    name: str
    unit: Literal["mm", "m"] = "mm"


class CardOutput(_Part):
    """What the model answers with."""

    poses: Annotated[Heatmaps | Simcc | Keypoints | Candidates, Field(discriminator="kind")]
    boxes: CardBoxes | None = None
    """None: around the joints that were found."""
    poses3d: CardPoses3d | None = None
    sigmoid: bool = False
    """Whether scores must still be brought to 0 to 1 by the logistic function."""
    least_joint: float = Field(default=0, ge=0, lt=1)
    """Joints with a score at or below it are not found."""
    least_person: float = Field(default=0.3, ge=0, lt=1)
    """Persons with a lower score (of the box, else the mean of the joints') are left out."""


class ModelCard(_Part):
    """An ONNX model, told so that it can be used."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    file: str = Field(min_length=1)
    """The .onnx file, relative to the card."""
    input: CardInput
    output: CardOutput
    skeleton: Skeleton


def read_card(path: Path) -> ModelCard:
    """Reads a card.

    Raises:
        ModelMissing: there is no such file.
        ModelError: it is no card.
    """
    try:
        values = yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelMissing(f"{path}: there is no such card; docs/estimation.md tells what belongs into one") from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: can't be read: {error}") from error
    try:
        return ModelCard.model_validate(values)
    except ValidationError as error:
        raise ModelError(f"{path}: no card of a model: {what_is_wrong(error)}; docs/estimation.md has an example") from error
