"""Predictions as Parquet: a row per frame, with the list of its persons; what is not of frames is JSON in the schema's metadata."""

from io import BytesIO
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ExtraMissing

if TYPE_CHECKING:
    from pyarrow import Array

METADATA_KEY = b"rig_capture.predictions"

_OF_PERSONS = ("person_track", "boxes", "poses2d", "poses3d", "scores")


def to_parquet(head: bytes, columns: dict[str, Column], rows: Column) -> bytes:
    """A Parquet file with the columns `stamps_ns`, `motion` and `persons`, a list of structures.

    Args:
        head: JSON for the metadata.
        columns: by the names of `VideoPredictions`, without `person_frame`.
        rows: (F + 1,) where each frame's persons begin.

    Raises:
        ExtraMissing: pyarrow is not installed.
    """
    pa, pq = _pyarrow()
    fields, arrays = [], []
    for name in _OF_PERSONS:
        if name not in columns:
            continue
        values = columns[name]
        array = pa.array(values.ravel())
        if values.ndim > 1:
            array = pa.FixedSizeListArray.from_arrays(array, int(np.prod(values.shape[1:])))
        fields.append(pa.field(name, array.type))
        arrays.append(array)
    persons = pa.ListArray.from_arrays(pa.array(rows.astype(np.int32)), pa.StructArray.from_arrays(arrays, fields=fields))
    table = {name: pa.array(columns[name]) for name in ("stamps_ns", "motion") if name in columns} | {"persons": persons}
    out = BytesIO()
    pq.write_table(pa.table(table).replace_schema_metadata({METADATA_KEY: head}), out, compression="zstd")
    return out.getvalue()


def from_parquet(data: bytes) -> tuple[bytes, dict[str, Column]]:
    """Metadata and columns of a file that `to_parquet` made; `person_frame` among them.

    Raises:
        ValueError: it is no such file.
        ExtraMissing: pyarrow is not installed.
    """
    pa, pq = _pyarrow()
    try:
        table = pq.read_table(pa.BufferReader(data))
        head = (table.schema.metadata or {}).get(METADATA_KEY)
        if head is None:
            raise ValueError(f"its metadata has no {METADATA_KEY.decode()}")
        if "persons" not in table.column_names:
            raise ValueError("it has no column persons")
        persons = table.column("persons").combine_chunks()
        if not (pa.types.is_list(persons.type) and pa.types.is_struct(persons.type.value_type)):
            raise ValueError("its column persons is no list of structures")
        columns = {name: _numbers(pa, name, table.column(name).combine_chunks()) for name in table.column_names if name != "persons"}
        columns |= {field.name: _numbers(pa, field.name, persons.flatten().field(field.name)) for field in persons.type.value_type}
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error
    counts = np.diff(persons.offsets.to_numpy())
    columns["person_frame"] = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return bytes(head), columns


def _numbers(pa: ModuleType, name: str, array: "Array") -> Column:
    width = array.type.list_size if pa.types.is_fixed_size_list(array.type) else None
    flat = array if width is None else array.flatten()
    if array.null_count or flat.null_count:
        raise ValueError(f"its column {name} has empty places")
    numbers: Column = flat.to_numpy(zero_copy_only=False)
    return numbers if width is None or name != "boxes" else numbers.reshape(-1, width)


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError as error:
        raise ExtraMissing("Parquet", "analysis", error) from error
    return pa, pq
