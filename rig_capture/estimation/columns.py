"""Columns of numbers as validated fields of a model: NumPy arrays that can't be written to."""

from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]


def column(values: object, kind: str, row: tuple[int, ...] = ()) -> Column:
    """A read-only copy of numbers.

    Args:
        values: an array or a list, which may be flat: rows one after the other; None in a list is NaN.
        kind: the dtype of the copy, ``float32`` or an integer.
        row: the shape of one row, where they may be flat.

    Raises:
        ValueError: they are no such numbers.
    """
    wanted = np.dtype(kind)
    if isinstance(values, list) and wanted.kind == "f" and set(map(type, values)) <= {float, int, type(None)}:
        given = np.array(values, dtype=np.float64)  # None becomes NaN; quicker than to find out what they are
    else:
        given = values if isinstance(values, np.ndarray) else np.array(values)
    if given.size and given.dtype.kind not in ("iu" if wanted.kind == "i" else "iuf"):
        raise ValueError(f"holds {given.dtype} instead of {wanted}")
    with np.errstate(over="ignore"):
        copy = given.astype(wanted)
    if wanted.kind == "i" and not np.array_equal(copy, given):
        raise ValueError(f"holds numbers that are too large for {wanted}")
    if np.isinf(copy).any():
        raise ValueError("holds numbers that are not finite")
    if row and copy.ndim == 1:
        if copy.size % int(np.prod(row)):
            raise ValueError(f"holds {copy.size} numbers, which are no rows of {int(np.prod(row))}")
        copy = copy.reshape(-1, *row)
    copy.setflags(write=False)
    return copy


def same(one: object, other: object) -> bool:
    """Whether two fields are equal, NaN in the same places."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and one == other
