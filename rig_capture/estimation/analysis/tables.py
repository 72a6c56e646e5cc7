"""Tables as files."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.extra import load
from rig_capture.session.atomic import write_atomic

Columns = Mapping[str, Sequence[str] | npt.NDArray[np.generic]]


def write_table(path: Path, columns: Columns) -> None:
    """Writes columns of one length atomically, as `.csv` (what is missing is empty) or `.parquet` (NaN).

    Raises:
        AnalysisError: the name ends otherwise, or the file can't be written.
        ExtraMissing: Parquet needs packages that are not installed.
    """
    encode = {".csv": _csv, ".parquet": _parquet}.get(path.suffix)
    if encode is None:
        raise AnalysisError(f"{path}: tables are .csv or .parquet files; give it such a name")
    try:
        write_atomic(path, encode(columns))
    except OSError as error:
        raise AnalysisError(f"{path}: can't be written: {error}") from error


def _csv(columns: Columns) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    values = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()]
    writer.writerows(map(_cell, row) for row in zip(*values, strict=True))
    return out.getvalue().encode()


def _cell(value: object) -> object:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.9g}"


def _parquet(columns: Columns) -> bytes:
    pa, parquet = load("pyarrow"), load("pyarrow.parquet")
    out = io.BytesIO()
    parquet.write_table(pa.table({name: pa.array(column) for name, column in columns.items()}), out)
    return out.getvalue()
