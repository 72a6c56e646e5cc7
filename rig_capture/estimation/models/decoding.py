"""What the outputs of a pose model say, by its card: places in the model's input, and scores. Pure functions of arrays.

B pictures, P persons in each at most, J joints.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.models.card import Candidates, CardOutput, Heatmaps, Keypoints, ModelCard, Simcc

_COORDINATES = 5
"""Numbers before the joints in a row of candidates."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Persons in the pictures of a batch, in pixels of the model's input; `least_person` is not yet applied."""

    points: Column
    """(B, P, J, 2)"""
    scores: Column
    """(B, P, J)"""
    boxes: Column | None
    """(B, P, 4) x, y, width, height; None where the model gives none."""
    persons: Column
    """(B, P) scores of the persons."""
    poses3d: Column | None
    """(B, P, J, 3) mm."""

    def of_picture(self, index: int) -> "Decoded":
        """Of one picture alone, as a batch of one."""
        part = slice(index, index + 1)
        boxes, poses3d = (None if each is None else each[part] for each in (self.boxes, self.poses3d))
        return Decoded(self.points[part], self.scores[part], boxes, self.persons[part], poses3d)


def decode(card: ModelCard, outputs: Mapping[str, Column]) -> Decoded:
    """Reads a model's outputs, by name. Raises ModelError where they are not as the card says."""
    joints = len(card.skeleton.names)
    output = card.output
    match output.poses:
        case Heatmaps() as kind:
            points, scores = heatmap_peaks(_maps(kind, outputs, joints), card.input.size)
        case Simcc() as kind:
            points, scores = simcc_peaks(_named(outputs, kind.x, (joints, -1)), _named(outputs, kind.y, (joints, -1)), kind.split)
        case Keypoints() as kind:
            points, scores = _keypoints(kind, _named(outputs, kind.name, (joints, len(kind.columns))), card.input.size)
        case Candidates() as kind:
            return _candidates(kind, _rows(kind, outputs, joints), output)
    scores = _bounded(scores, output)
    boxes, persons = _boxes(card, outputs, scores)
    return Decoded(points, scores, boxes, persons, _poses3d(output, outputs, joints))


def heatmap_peaks(maps: Column, size: tuple[int, int]) -> tuple[Column, Column]:
    """Where maps (B, 1, J, H, W) are highest, in pixels of an input of `size`, and how high.

    A cell is where its index times the input's size over the map's is; the place is moved a quarter of a cell towards the higher
    neighbour (Newell, Yang, Deng: Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016, section 3.3).
    """
    height, width = maps.shape[-2:]
    flat = maps.reshape(*maps.shape[:-2], height * width)
    best = flat.argmax(axis=-1)
    y, x = np.divmod(best, width)
    padded = np.pad(maps, [(0, 0)] * (maps.ndim - 2) + [(1, 1), (1, 1)], mode="edge")

    def at(rows: Column, columns: Column) -> Column:
        places = (rows + 1) * (width + 2) + columns + 1
        values: Column = np.take_along_axis(padded.reshape(*maps.shape[:-2], -1), places[..., None], axis=-1)[..., 0]
        return values

    inside_x, inside_y = (x > 0) & (x < width - 1), (y > 0) & (y < height - 1)
    right = np.sign(at(y, x + 1) - at(y, x - 1)) * inside_x
    down = np.sign(at(y + 1, x) - at(y - 1, x)) * inside_y
    cells = np.stack([x + 0.25 * right, y + 0.25 * down], axis=-1)
    return cells * (np.array(size) / (width, height)), flat.max(axis=-1)


def simcc_peaks(x: Column, y: Column, split: float) -> tuple[Column, Column]:
    """Where the rows over x (B, 1, J, X) and y (B, 1, J, Y) are highest, px, and the lower of both maxima.

    After Li et al.: SimCC, a Simple Coordinate Classification Perspective for Human Pose Estimation, ECCV 2022.
    """
    points = np.stack([x.argmax(axis=-1), y.argmax(axis=-1)], axis=-1) / split
    return points, np.minimum(x.max(axis=-1), y.max(axis=-1))


def best_candidates(boxes: Column, scores: Column, overlap: float) -> Column:
    """Indices of the boxes (P, 4), each x, y, width, height, that no better one overlaps by so much; the best first."""
    kept = cv2.dnn.NMSBoxes(boxes.astype(np.float64).tolist(), scores.astype(np.float64).tolist(), 0.0, overlap)
    return np.array(kept, dtype=np.int64).reshape(-1)


def _named(outputs: Mapping[str, Column], name: str, tail: tuple[int, ...]) -> Column:
    """An output as (B, P, *tail), with P = 1 where it has no persons; -1 stands for any length."""
    if name not in outputs:
        raise ModelError(f"the model has no output {name!r}; it has {', '.join(outputs)}")
    values = np.asarray(outputs[name], dtype=np.float32)
    if values.ndim == len(tail) + 1:
        values = values[:, None]
    if values.ndim != len(tail) + 2 or any(want not in (-1, have) for want, have in zip(tail, values.shape[2:], strict=True)):
        wanted = ", ".join("any" if length == -1 else str(length) for length in tail)
        raise ModelError(f"the output {name!r} has the shape {outputs[name].shape}, the card says (pictures, [persons,] {wanted})")
    return values


def _maps(kind: Heatmaps, outputs: Mapping[str, Column], joints: int) -> Column:
    if kind.layout == "JHW":
        return _named(outputs, kind.name, (joints, -1, -1))
    return np.moveaxis(_named(outputs, kind.name, (-1, -1, joints)), -1, 2)


def _keypoints(kind: Keypoints, values: Column, size: tuple[int, int]) -> tuple[Column, Column]:
    points = np.stack([values[..., kind.columns.index("x")], values[..., kind.columns.index("y")]], axis=-1)
    if kind.units == "shares":
        points = points * np.array(size) - 0.5
    scores = values[..., kind.columns.index("score")] if "score" in kind.columns else np.ones(values.shape[:-1])
    return points, scores


def _rows(kind: Candidates, outputs: Mapping[str, Column], joints: int) -> Column:
    width = _COORDINATES + 3 * joints
    values = outputs.get(kind.name)
    if values is not None and values.ndim == 3 and values.shape[1] == width != values.shape[2]:
        values = np.swapaxes(values, 1, 2)
    if values is None or values.ndim != 3 or values.shape[2] != width:
        there = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
        raise ModelError(f"the model has no output {kind.name!r} with rows of {width} numbers, as {joints} joints need; it has {there}")
    return np.asarray(values, dtype=np.float32)


def _candidates(kind: Candidates, rows: Column, output: CardOutput) -> Decoded:
    """The rows that are left, filled up with rows of score 0 to the same number for every picture."""
    boxes = np.concatenate([rows[..., :2] - rows[..., 2:4] / 2, rows[..., 2:4]], axis=-1)
    persons = _logistic(rows[..., 4]) if output.sigmoid else rows[..., 4]
    kept = []
    for of_picture, scores in zip(boxes, persons, strict=True):
        likely = np.flatnonzero(scores >= max(output.least_person, 1e-6))
        kept.append(likely[best_candidates(of_picture[likely], scores[likely], kind.overlap)])
    most = max(1, *(len(each) for each in kept))
    chosen = np.zeros((len(rows), most), np.int64)
    there = np.zeros((len(rows), most), bool)
    for index, each in enumerate(kept):
        chosen[index, : len(each)] = each
        there[index, : len(each)] = True
    rows, boxes = (np.take_along_axis(values, chosen[..., None], axis=1) for values in (rows, boxes))
    joints = rows[..., _COORDINATES:].reshape(len(rows), most, -1, 3)
    scores = np.take_along_axis(persons, chosen, axis=1) * there
    return Decoded(joints[..., :2], _bounded(joints[..., 2], output), boxes, np.clip(scores, 0, 1), None)


def _boxes(card: ModelCard, outputs: Mapping[str, Column], scores: Column) -> tuple[Column | None, Column]:
    """Boxes in pixels of the input, and the persons' scores."""
    told = card.output.boxes
    if told is None:
        return None, scores.mean(axis=-1)
    values = _named(outputs, told.name, (-1,))
    if values.shape[-1] not in (4, 5) or values.shape[:2] != scores.shape[:2]:
        raise ModelError(f"the output {told.name!r} has the shape {outputs[told.name].shape}, which are no boxes of the persons")
    first, second = values[..., :2], values[..., 2:4]
    if told.units == "shares":
        first, second = first * np.array(card.input.size), second * np.array(card.input.size)
    if told.corners == "xyxy":
        second = second - first
    elif told.corners == "cxcywh":
        first = first - second / 2
    boxes = np.concatenate([first, np.maximum(second, 0)], axis=-1)
    return boxes, _bounded(values[..., 4], card.output) if values.shape[-1] == 5 else scores.mean(axis=-1)


def _poses3d(output: CardOutput, outputs: Mapping[str, Column], joints: int) -> Column | None:
    if output.poses3d is None:
        return None
    return _named(outputs, output.poses3d.name, (joints, 3)) * (1000 if output.poses3d.unit == "m" else 1)


def _bounded(scores: Column, output: CardOutput) -> Column:
    bounded: Column = np.clip(_logistic(scores) if output.sigmoid else scores, 0, 1)
    return bounded


def _logistic(values: Column) -> Column:
    shares: Column = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
    return shares
