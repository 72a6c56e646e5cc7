"""Statistics of a dataset, as LeRobot keeps them per feature: min, max, mean, std, count and five quantiles."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Statistics = dict[str, npt.NDArray[Any]]

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
_SIDE = 150
"""Pixels to which pictures are thinned out along their longer side, about."""


class PictureStatistics:
    """Counts the values of pictures; nothing else of them is kept."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)
        self._pictures = 0

    def add(self, image: npt.NDArray[np.uint8]) -> None:
        """One more picture, (height, width, 3) uint8."""
        step = max(1, max(image.shape[:2]) // _SIDE)
        for channel in range(3):
            self._counts[channel] += np.bincount(image[::step, ::step, channel].ravel(), minlength=256)
        self._pictures += 1

    def result(self) -> Statistics:
        """Per channel, (3, 1, 1), full scale 1."""
        values, total, running = np.arange(256) / 255, self._counts.sum(axis=1), self._counts.cumsum(axis=1)
        mean = self._counts @ values / total
        found = {
            "min": [values[np.flatnonzero(row)[0]] for row in self._counts],
            "max": [values[np.flatnonzero(row)[-1]] for row in self._counts],
            "mean": mean,
            "std": np.sqrt(np.maximum(self._counts @ values**2 / total - mean**2, 0)),
        }
        for name, share in QUANTILES.items():
            found[name] = [values[np.searchsorted(row, share * row[-1])] for row in running]
        shaped = {name: np.array(each, np.float64).reshape(3, 1, 1) for name, each in found.items()}
        return shaped | {"count": np.array([self._pictures])}


def vector_statistics(values: npt.NDArray[Any]) -> Statistics:
    """Of (N, n) values, per column (n,); what is missing (NaN) does not count, of a column without any all are NaN."""
    columns = [column[~np.isnan(column)] for column in values.astype(np.float64).T]
    measures: dict[str, Callable[[npt.NDArray[Any]], Any]] = {"min": np.min, "max": np.max, "mean": np.mean, "std": np.std}
    found = {name: [float(measure(each)) if len(each) else np.nan for each in columns] for name, measure in measures.items()}
    for name, share in QUANTILES.items():
        found[name] = [float(np.quantile(each, share)) if len(each) else np.nan for each in columns]
    return {name: np.array(each) for name, each in found.items()} | {"count": np.array([len(values)])}


def together(episodes: Sequence[Statistics]) -> Statistics:
    """Of all episodes: exact, but for quantiles, which are bounds (the lowest of those up to the median, the highest of others)."""
    counts = np.stack([each["count"] for each in episodes]).astype(np.float64)
    weights = counts.reshape(len(episodes), *(1 for _ in episodes[0]["mean"].shape)) / counts.sum()
    means = np.stack([each["mean"] for each in episodes])
    mean = (means * weights).sum(axis=0)
    variance = ((np.stack([each["std"] for each in episodes]) ** 2 + (means - mean) ** 2) * weights).sum(axis=0)
    lowest = {name: np.min(np.stack([each[name] for each in episodes]), axis=0) for name in ("min", "q01", "q10", "q50")}
    highest = {name: np.max(np.stack([each[name] for each in episodes]), axis=0) for name in ("max", "q90", "q99")}
    count = np.array([int(counts.sum())])
    return lowest | highest | {"mean": mean, "std": np.sqrt(variance), "count": count}
