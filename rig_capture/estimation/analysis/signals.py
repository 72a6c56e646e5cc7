"""One number per frame, by its name: an angle, a coordinate, a speed, a distance."""

from dataclasses import dataclass

import numpy as np

from rig_capture.estimation.analysis.angles import angles_of, joint_angles
from rig_capture.estimation.analysis.errors import UnknownName
from rig_capture.estimation.analysis.features import speed
from rig_capture.estimation.analysis.gaps import Floats
from rig_capture.estimation.analysis.series import PoseSeries


@dataclass(frozen=True, eq=False)
class Signal:
    """One number per frame."""

    name: str
    unit: str
    values: Floats
    """(T,), NaN where missing."""


def signal_of(series: PoseSeries, name: str) -> Signal:
    """A signal of a movement.

    Args:
        series: the movement.
        name: ``JOINT.x``, ``JOINT.y``, ``JOINT.z`` (px, mm), ``JOINT.speed`` (per s), ``JOINT-JOINT`` (distance), or an angle (degrees):
            its whole name, or that of the joint where it has only one.

    Raises:
        UnknownName: there is no such joint or angle.
        AnalysisError: a speed of fewer than three frames.
    """
    joint, dot, what = name.rpartition(".")
    if dot and what in "xyz"[: series.poses.shape[2]]:
        return Signal(name, series.unit, series.poses[:, series.index(joint), "xyz".index(what)])
    if dot and what == "speed":
        at = series.index(joint)
        return Signal(name, f"{series.unit}/s", speed(series.poses[:, [at]], series.stamps_ns)[:, 0])
    pair = _pair(series.names, name)
    if pair:
        apart = series.poses[:, pair[0]] - series.poses[:, pair[1]]
        return Signal(name, series.unit, np.linalg.norm(apart, axis=1))
    angles = angles_of(len(series.names), series.edges)
    named = {angle.name(series.names): angle for angle in angles}
    at_joint = [angle for angle in angles if series.names[angle.joint] == name]
    single = [series.names[one.joint] for one in angles if sum(one.joint == other.joint for other in angles) == 1]
    angle = named.get(name) or (at_joint[0] if len(at_joint) == 1 else None)
    if angle is None:
        raise UnknownName("the signal", name, [*named, *single, *(f"{each}.y" for each in series.names)])
    return Signal(angle.name(series.names), "°", joint_angles(series.poses, [angle])[:, 0])


def pair_of(series: PoseSeries, name: str) -> tuple[int, int]:
    """The two joints of ``JOINT-JOINT``. Raises UnknownName."""
    pair = _pair(series.names, name)
    if pair is None:
        raise UnknownName("the pair of joints", name, [f"{one}-{other}" for one in series.names for other in series.names if one != other])
    return pair


def _pair(names: tuple[str, ...], text: str) -> tuple[int, int] | None:
    """A joint's name may itself hold a hyphen."""
    splits = (text[:at] for at, sign in enumerate(text) if sign == "-")
    return next(
        ((names.index(one), names.index(text[len(one) + 1 :])) for one in splits if one in names and text[len(one) + 1 :] in names), None
    )
