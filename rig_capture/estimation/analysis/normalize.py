"""Poses made comparable: without place, size and direction."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.gaps import Floats, seen


class Turn(StrEnum):
    """Which rotation is taken out."""

    NONE = "none"
    WHOLE = "whole"
    """One for the whole movement: of a camera that stood elsewhere, or a person that faced elsewhere."""
    FRAME = "frame"
    """One for each frame: all turning of the body is taken out, its shape stays."""


@dataclass(frozen=True)
class Normalisation:
    """What of two movements shall not count."""

    centred: bool = True
    """Where: each pose is moved so that its root lies in the origin."""
    roots: tuple[int, ...] = ()
    """The joints whose middle is the root, such as both hips; none: the middle of all joints of the frame."""
    scaled: bool = False
    """How large: each movement is divided by its `body_size`."""
    turn: Turn = Turn.NONE


def centred(poses: Floats, roots: tuple[int, ...] = ()) -> Floats:
    """(T, J, D) poses around their root; all NaN in frames without one.

    Args:
        poses: (T, J, D).
        roots: joints whose middle is the root; none: the middle of the joints that are seen in all frames that have any.
    """
    used = list(roots) or _always_seen(poses)
    around: Floats = poses - poses[:, used].mean(axis=1, keepdims=True)
    return around


def body_size(poses: Floats) -> float:
    """The median over the frames of the root mean square distance of the joints from their middle, in the unit of the poses.

    Only frames count that have all joints that are ever seen.

    Raises:
        AnalysisError: there is no such frame, or the joints all lie in one place.
    """
    found = seen(poses)
    whole = poses[:, found.any(axis=0)][found[:, found.any(axis=0)].all(axis=1)]
    if not whole.size:
        raise AnalysisError("no frame has all joints, so the size of the body is unknown; choose joints that are seen together (--joint)")
    spread = whole - whole.mean(axis=1, keepdims=True)
    size = float(np.median(np.sqrt(np.mean(np.sum(spread**2, axis=2), axis=1))))
    if size == 0:
        raise AnalysisError("all joints lie in one place, so the body has no size")
    return size


def mean_shape(poses: Floats) -> Floats:
    """(J, D) the mean of (T, J, D) centred poses; NaN of joints that were never seen."""
    found = seen(poses)[..., None]
    with np.errstate(invalid="ignore"):
        shape: Floats = np.sum(np.where(found, poses, 0), axis=0) / found.sum(axis=0)
    return shape


def rotations_onto(poses: Floats, reference: Floats) -> Floats:
    """The proper rotation of each pose that brings it nearest to a reference in the sense of least squares.

    Kabsch: A discussion of the solution for the best rotation to relate two sets of vectors. Acta Crystallographica A34, 1978.

    Args:
        poses: (T, J, D), centred.
        reference: (J, D), centred.

    Returns:
        (T, D, D), to be used as ``poses @ rotation``; joints that one of the two lacks do not count.
    """
    both = (seen(poses) & seen(reference[None]))[..., None]
    covariance = np.swapaxes(np.where(both, poses, 0), 1, 2) @ np.where(both, reference, 0)
    u, _, vt = np.linalg.svd(covariance)
    # A mirror image is no rotation: where one would fit best, the least important axis is turned round.
    u[:, :, -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    rotations: Floats = u @ vt
    return rotations


def normalised(a: Floats, b: Floats, how: Normalisation) -> tuple[Floats, Floats]:
    """Two movements of the same joints without what shall not count.

    Args:
        a: (T, J, D).
        b: (S, J, D).
        how: what is taken out. Rotations are onto the mean shape of `a`.

    Raises:
        AnalysisError: see `body_size`.
    """
    if how.scaled:
        a, b = a / body_size(a), b / body_size(b)
    if how.turn is Turn.NONE:
        return (centred(a, how.roots), centred(b, how.roots)) if how.centred else (a, b)
    a, b = centred(a, how.roots), centred(b, how.roots)
    reference = mean_shape(a)
    if how.turn is Turn.WHOLE:
        return a, b @ rotations_onto(mean_shape(b)[None], reference)[0]
    return a @ rotations_onto(a, reference), b @ rotations_onto(b, reference)


def _always_seen(poses: Floats) -> list[int]:
    """Joints that no frame lacks that has any joint; all where there is none, so that incomplete frames have no middle."""
    found = seen(poses)
    always = found[found.any(axis=1)].all(axis=0)
    return np.flatnonzero(always).tolist() or list(range(poses.shape[1]))
