"""Topics as tables: each by itself, or all on one common time base."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rig_capture.exporting.errors import WrongWish
from rig_capture.exporting.fields import Column, Fields, fields_of
from rig_capture.exporting.following import Resampled, common_times, reach_ns
from rig_capture.exporting.tables import CsvTable, ParquetTable, Table
from rig_capture.exporting.wish import Work, file_stem
from rig_capture.reading.topic import TopicStream

_STAMP = Column("stamp_ns", "int64")
_RECEIVED = Column("received_ns", "int64")


def export_tables(work: Work) -> None:
    """Topics into CSV or Parquet.

    Raises:
        WrongWish: there is no topic.
        ExtraMissing: pyarrow is not installed.
        OSError: a file can't be written.
    """
    streams = [stream for stream in work.wish.streams_of(work.session, ("topic",)) if isinstance(stream, TopicStream)]
    if not streams:
        raise WrongWish(f"{work.session.path}: has no topics, which is what {work.wish.format} is made of")
    if work.wish.rate_hz is not None:
        _on_one_time_base(work, streams, work.wish.rate_hz)
        return
    for stream in streams:
        fields = fields_of(work, stream)
        path = work.folder / f"{file_stem(stream.name)}.{work.wish.format}"
        with _table(path, [_STAMP, _RECEIVED, *fields.columns]) as table:
            for each in work.items(stream, stream.messages()):
                table.write([each.stamp_ns, each.received_ns, *fields.row(each.message)])
        work.add(path, stream.name, rows=table.rows)


def _on_one_time_base(work: Work, streams: Sequence[TopicStream], rate_hz: float) -> None:
    """One table of all; each stream is gone along as the time goes on, so that little is held."""
    step_ns = 1e9 / rate_hz
    columns, resampled = [_STAMP], []
    for stream in streams:
        fields = fields_of(work, stream)
        numbers = [index for index, column in enumerate(fields.columns) if column.kind != "string"]
        own = [fields.columns[index] for index in numbers]
        if not own:
            work.exported.left_out.append(f"{stream.name}: has no numbers")
            continue
        rows = work.items(stream, rows_of(stream, fields, numbers))
        resampled.append((stream.name, Resampled(rows, own, stream.entry.gaps, work.wish.method, reach_ns(stream.entry.rate_hz, step_ns))))
        linear = work.wish.method == "linear"
        columns += [Column(f"{stream.name}.{each.name}", "double" if linear and each.is_number else each.kind) for each in own]
    if all(each.first_ns is None for _, each in resampled):
        raise WrongWish(f"{work.session.path}: no topic has a number in it; nothing can be put on a common time base")

    def on_hole(time_ns: int, hole_ns: float) -> None:
        work.exported.left_out.append(f"rows of {hole_ns / 3.6e12:.1f} hours from {time_ns} ns on, in which nothing was recorded")

    path = work.folder / f"table.{work.wish.format}"
    with _table(path, columns) as table:
        for time_ns in common_times([each for _, each in resampled], step_ns, on_hole):
            table.write([time_ns, *(value for _, each in resampled for value in each.at(time_ns))])
    for name, each in resampled:
        if each.passed_over:
            work.exported.left_out.append(f"{name}: {each.passed_over} messages whose stamps go back")
    work.add(path, "", rows=table.rows)


def rows_of(stream: TopicStream, fields: Fields, chosen: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
    """Stamps, and values of some columns."""
    for each in stream:
        row = fields.row(each.message)
        yield each.stamp_ns, [row[index] for index in chosen]


def _table(path: Path, columns: Sequence[Column]) -> Table:
    return CsvTable(path, columns) if path.suffix == ".csv" else ParquetTable(path, columns)
