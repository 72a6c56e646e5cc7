"""Dynamic time warping: how far two movements are apart when both may run faster and slower."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.extra import load
from rig_capture.estimation.analysis.gaps import Floats, seen

_MOST_CELLS = 250_000_000
"""Of the table that the path is searched in, 8 bytes each."""


class Relation(StrEnum):
    """What of two joints is compared."""

    DISTANCE = "distance"
    """How far they are apart."""
    VECTOR = "vector"
    """Where the second is, seen from the first."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """The best match of two movements, frame by frame."""

    distance: float
    """Root of the sum of squared distances of all matched joints along the path, in the unit of the poses."""
    rms: float
    """Root mean square distance of a matched joint, in the unit of the poses: `distance` / sqrt(P J). Comparable over lengths."""
    path: npt.NDArray[np.int64]
    """(P, 2) matched frames of the two movements; both columns never fall."""
    left_out: tuple[int, int]
    """Frames of each movement that lack a joint, and so have no part in it."""


def align(a: Floats, b: Floats, *, window: int | None = None) -> Alignment:
    """The path through two movements with the least sum of squared Euclidean distances.

    Exact, by dtaidistance. Each frame is matched; steps go one frame on in one movement or in both (Sakoe, Chiba: Dynamic programming
    algorithm optimization for spoken word recognition. IEEE Transactions on Acoustics, Speech, and Signal Processing 26(1), 1978).

    Args:
        a: (T, J, D), NaN where missing.
        b: (S, J, D).
        window: how many frames a match may lie off the diagonals (Sakoe-Chiba band), 0 or more. With movements of different length the
            band is that between the diagonals from both corners, widened by the window. None: any number.

    Raises:
        AnalysisError: the shapes do not fit, one has no frame with all joints, or they are too long for the memory.
    """
    _check_shapes(a, b)
    rows_a, rows_b = (np.flatnonzero(seen(poses).all(axis=1)) for poses in (a, b))
    for which, rows in (("first", rows_a), ("second", rows_b)):
        if len(rows) == 0:
            raise AnalysisError(
                f"no frame of the {which} movement has all joints; choose joints that were seen (--joint), or fill longer gaps"
            )
    width = len(rows_b) if window is None else min(len(rows_b), 2 * window + 1 + abs(len(rows_a) - len(rows_b)))
    if len(rows_a) * width > _MOST_CELLS:
        gigabytes = len(rows_a) * width * 8 / 1e9
        raise AnalysisError(
            f"{len(rows_a)} and {len(rows_b)} frames need {gigabytes:.0f} GB to be compared; "
            "take a window (--window), a lower rate (--rate) or a shorter time (--from, --to)"
        )
    flat_a, flat_b = (
        np.ascontiguousarray(poses[rows].reshape(len(rows), -1), dtype=np.float64) for poses, rows in ((a, rows_a), (b, rows_b))
    )
    path, distance = _warp(flat_a, flat_b, window)
    matched = np.array(path, dtype=np.int64).reshape(-1, 2)
    rms = distance / np.sqrt(len(matched) * a.shape[1])
    frames = np.column_stack((rows_a[matched[:, 0]], rows_b[matched[:, 1]]))
    return Alignment(distance, float(rms), frames, (len(a) - len(rows_a), len(b) - len(rows_b)))


def _check_shapes(a: Floats, b: Floats) -> None:
    if a.shape[1:] != b.shape[1:]:
        raise AnalysisError(f"poses of {a.shape[1]} joints in {a.shape[2]}D and of {b.shape[1]} in {b.shape[2]}D can't be compared")


def _warp(a: Floats, b: Floats, window: int | None) -> tuple[list[tuple[int, int]], float]:
    """Path and distance of (T, K) and (S, K)."""
    # The library counts the diagonal as part of the window.
    band = None if window is None else window + 1
    if a.shape[1] == 1:
        found = load("dtaidistance.dtw").warping_path(a[:, 0], b[:, 0], include_distance=True, window=band, use_c=True)
    else:
        found = load("dtaidistance.dtw_ndim").warping_path(a, b, include_distance=True, window=band, use_c=True)
    path, distance = found
    return path, float(distance)


def align_joints(a: Floats, b: Floats, *, window: int | None = None) -> list[Alignment | None]:
    """Each joint's own match (J of them), as `align` finds it; None of a joint that one of the two movements never has.

    Raises:
        AnalysisError: the shapes do not fit, or they are too long for the memory.
    """
    _check_shapes(a, b)
    both = set(np.flatnonzero(seen(a).any(axis=0) & seen(b).any(axis=0)).tolist())
    return [align(a[:, [joint]], b[:, [joint]], window=window) if joint in both else None for joint in range(a.shape[1])]


def relation(poses: Floats, joint: int, other: int, kind: Relation) -> Floats:
    """What two joints are to each other, as a movement of one "joint": (T, 1, 1) or (T, 1, D), in the unit of the poses."""
    vector = poses[:, [other]] - poses[:, [joint]]
    return np.linalg.norm(vector, axis=2, keepdims=True) if kind is Relation.DISTANCE else vector


def matched_distances(a: Floats, b: Floats, path: Sequence[Sequence[int]] | npt.NDArray[np.int64]) -> Floats:
    """(P,) root mean square distance of the joints of each two matched frames, in the unit of the poses."""
    pairs = np.asarray(path)
    apart: Floats = np.sqrt(np.mean(np.sum((a[pairs[:, 0]] - b[pairs[:, 1]]) ** 2, axis=2), axis=1))
    return apart
