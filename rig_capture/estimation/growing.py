"""Columns whose length is known only at the end of a video."""

import numpy as np

from rig_capture.estimation.columns import Column

_FIRST_ROWS = 1024


class GrowingColumn:
    """Rows of numbers in one array that is made twice as long when it is full."""

    def __init__(self, kind: str, row: tuple[int, ...] = ()) -> None:
        """Empty; `kind` is the dtype, `row` the shape of a row."""
        self._rows = np.empty((_FIRST_ROWS, *row), kind)
        self._count = 0

    def extend(self, rows: Column) -> None:
        """Appends rows. Raises ValueError where they have another shape."""
        end = self._count + len(rows)
        if end > len(self._rows):
            grown = np.empty((max(end, 2 * len(self._rows)), *self._rows.shape[1:]), self._rows.dtype)
            grown[: self._count] = self._rows[: self._count]
            self._rows = grown
        if rows.shape[1:] != self._rows.shape[1:]:
            raise ValueError(f"rows of the shape {rows.shape[1:]} instead of {self._rows.shape[1:]}")
        self._rows[self._count : end] = rows
        self._count = end

    @property
    def rows(self) -> Column:
        """All so far, a view."""
        return self._rows[: self._count]
