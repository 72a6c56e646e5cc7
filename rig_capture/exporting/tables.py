"""Tables as files, written row by row."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from rig_capture.exporting.fields import Column
from rig_capture.reading.errors import ExtraMissing

_BATCH = 8192
"""Rows that are held before they are written."""


class Table(Protocol):
    """A file that takes rows; a context manager, which finishes it."""

    rows: int
    """So many were written."""

    def write(self, row: Sequence[Any]) -> None:
        """A value per column; None where there is none. Raises OSError."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class CsvTable:
    """Comma-separated values with a line of names: UTF-8, no value where there is none, 0 and 1 for false and true."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self.rows = 0
        self._file = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._bools = [index for index, column in enumerate(columns) if column.kind == "bool"]
        self._writer.writerow([column.name for column in columns])

    def write(self, row: Sequence[Any]) -> None:
        values = list(row)
        for index in self._bools:
            values[index] = None if values[index] is None else int(values[index])
        self._writer.writerow(values)
        self.rows += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


class ParquetTable:
    """Apache Parquet with Zstandard; null where there is no value."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        """Makes the file. Raises ExtraMissing, OSError."""
        self._pa, pq = pyarrow_modules()
        self.rows = 0
        types = [self._pa.type_for_alias(column.kind) for column in columns]
        self._schema = self._pa.schema([self._pa.field(column.name, kind) for column, kind in zip(columns, types, strict=True)])
        self._batch: list[Sequence[Any]] = []
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, row: Sequence[Any]) -> None:
        self._batch.append(row)
        self.rows += 1
        if len(self._batch) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._batch, strict=True) if self._batch else [[] for _ in self._schema]
        arrays = [self._pa.array(list(values), type=field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._batch = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()


def pyarrow_modules() -> tuple[Any, Any]:
    """``pyarrow`` and ``pyarrow.parquet``. Raises ExtraMissing."""
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError as error:
        raise ExtraMissing("Parquet", "analysis", error) from error
    return pa, pq
