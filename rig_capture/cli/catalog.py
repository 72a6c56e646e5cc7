"""`rig catalog`: which recordings there are, of whom, and where their files lie."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import JsonOption, ProfileOption, load
from rig_capture.cli.summary import format_duration
from rig_capture.delivery.catalog import Catalog, slug_of
from rig_capture.delivery.catalog_filter import Filter
from rig_capture.delivery.credentials import load_credentials
from rig_capture.delivery.rebuild import NodeOutcome
from rig_capture.delivery.rebuild import rebuild as rebuild_catalog
from rig_capture.delivery.rows import RecordingRow
from rig_capture.delivery.store import open_store
from rig_capture.profiles.places import catalog_url
from rig_capture.profiles.units import format_bytes
from rig_capture.session.atomic import write_atomic

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List, show, export, rebuild the catalog of recordings.")

CatalogOption = Annotated[str | None, typer.Option("--catalog", help="Catalog instead of the profile's: an SQLite file or a database URL.")]
RigOption = Annotated[str | None, typer.Option("--rig", help="Of this rig.")]
LabelOption = Annotated[str | None, typer.Option("--label", help="With this in the label.")]
PersonOption = Annotated[str | None, typer.Option("--participant", help="Of this person.")]
TagOption = Annotated[str | None, typer.Option("--tag", help="With this tag.")]
_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
SinceOption = Annotated[datetime | None, typer.Option("--since", formats=_DATES, help="Started then (UTC) or later.")]
UntilOption = Annotated[datetime | None, typer.Option("--until", formats=_DATES, help="Started before (UTC).")]


class Format(StrEnum):
    """Of exported tables."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@app.command("list")
def list_(
    *,
    rig: RigOption = None,
    label: LabelOption = None,
    participant: PersonOption = None,
    tag: TagOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    catalog: CatalogOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List recordings, oldest first."""
    with _open(profile, catalog) as opened:
        rows = opened.recordings(_filter(rig, label, participant, tag, since, until))
    if as_json:
        typer.echo(json.dumps({"recordings": [row.model_dump(mode="json") for row in rows]}, indent=1))
        return
    out = Console()
    if rows:
        out.print(_table(rows))
    out.print(f"{len(rows)} recordings in {opened.url}", highlight=False, soft_wrap=True)


@app.command()
def show(
    recording: Annotated[str, typer.Argument(help="Recording id, or the beginning of its hash.")],
    *,
    catalog: CatalogOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one recording: its nodes, and where each file lies."""
    with _open(profile, catalog) as opened:
        found = opened.find(recording)
        if len(found) != 1:
            many = ", ".join(row.recording_hash[:12] for row in found)
            _fail(f"{recording}: {f'several recordings ({many}); give more of the hash' if found else 'no such recording'}")
        row = found[0]
        files = {node.name: opened.files(row.recording_hash, node.name) for node in row.nodes}
    if as_json:
        listed = {name: [file.model_dump(mode="json") for file in entries] for name, entries in files.items()}
        typer.echo(json.dumps(row.model_dump(mode="json") | {"files": listed}, indent=1))
        return
    out = Console()
    out.print(_table([row]))
    for node in row.nodes:
        out.print(f"{node.name}: {node.store}/{node.prefix}", highlight=False, markup=False, soft_wrap=True)
        for file in files[node.name]:
            out.print(f"  {file.sha256[:12]}  {format_bytes(file.size):>9}  {file.path}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def export(
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; none: standard output.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="Of the table; parquet needs pyarrow.")] = Format.CSV,
    rig: RigOption = None,
    label: LabelOption = None,
    participant: PersonOption = None,
    tag: TagOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    catalog: CatalogOption = None,
    profile: ProfileOption = None,
) -> None:
    """Export one row per file: recording, node, key, size, hash."""
    with _open(profile, catalog) as opened:
        rows = [
            values
            for recording in opened.recordings(_filter(rig, label, participant, tag, since, until))
            for values in _file_rows(opened, recording)
        ]
    data = _encoded(rows, format_)
    if output is None:
        sys.stdout.buffer.write(data)
    else:
        write_atomic(output.expanduser(), data)


@app.command()
def rebuild(
    *,
    store: Annotated[str | None, typer.Option("--store", help="Object store instead of the profile's.")] = None,
    catalog: CatalogOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the catalog anew from what lies in the object store; what it holds already stays.

    Exit codes: 0 every manifest found is registered, 1 some are not.
    """
    settings = load(profile, store=store, catalog=catalog).profile
    opened = open_store(settings, load_credentials(settings.credentials_file))
    try:
        with Catalog(catalog_url(settings), load_credentials(settings.credentials_file)) as into:
            outcomes = rebuild_catalog(opened, into)
    finally:
        opened.close()
    failed = [outcome for outcome in outcomes if outcome.error]
    if as_json:
        typer.echo(json.dumps({"registered": len(outcomes) - len(failed), "failed": [each.model_dump() for each in failed]}, indent=1))
    else:
        _tell(outcomes, failed, opened.url)
    raise typer.Exit(EXIT_FAILED if failed else 0)


@contextmanager
def _open(profile: str | None, catalog: str | None) -> Iterator[Catalog]:
    settings = load(profile, catalog=catalog).profile
    address = catalog_url(settings)
    if "://" not in address and not Path(address).exists():
        _fail(f"{address}: there is no catalog yet; the first ingest makes it")
    with Catalog(address, load_credentials(settings.credentials_file)) as opened:
        yield opened


def _fail(message: str) -> NoReturn:
    typer.secho("error: ", fg="red", nl=False, err=True)
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_USAGE)


def _filter(
    rig: str | None, label: str | None, participant: str | None, tag: str | None, since: datetime | None, until: datetime | None
) -> Filter:
    begin, end = (None if time is None else time.replace(tzinfo=UTC) for time in (since, until))
    return Filter(rig, label, None if participant is None else slug_of(participant), tag, begin, end)


def _table(rows: list[RecordingRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("recording", style="cyan", no_wrap=True)
    for heading in ("hash", "rig"):
        table.add_column(heading, no_wrap=True)
    for heading in ("participants", "label", "nodes"):
        table.add_column(heading, overflow="fold")
    for heading in ("length", "files", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        length = None if row.ended_at is None else (row.ended_at - row.started_at).total_seconds()
        files, size = sum(node.file_count for node in row.nodes), sum(node.bytes for node in row.nodes)
        people, nodes = ", ".join(row.participants), ", ".join(node.name for node in row.nodes)
        cells = (row.recording_id, row.recording_hash[:12], row.rig, people, row.label, nodes)
        table.add_row(*cells, format_duration(length), str(files), format_bytes(size))
    return table


def _file_rows(catalog: Catalog, recording: RecordingRow) -> Iterator[dict[str, Any]]:
    own = recording.model_dump(include={"recording_id", "recording_hash", "rig", "organisation", "label", "testing_mode"}, mode="json")
    own |= {"participants": ";".join(recording.participants), "tags": ";".join(recording.tags)}
    for node in recording.nodes:
        place = {"node": node.name, "state": node.state, "store": node.store}
        for file in catalog.files(recording.recording_hash, node.name):
            values = file.model_dump(mode="json", exclude={"etag"})
            yield own | place | {"key": node.prefix + file.path} | values


def _encoded(rows: list[dict[str, Any]], format_: Format) -> bytes:
    if format_ is Format.JSON:
        return (json.dumps(rows, indent=1) + "\n").encode()
    if format_ is Format.PARQUET:
        return _parquet(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        _fail("--format parquet needs pyarrow, which rigs do without; run: pip install pyarrow")
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


def _tell(outcomes: list[NodeOutcome], failed: list[NodeOutcome], store: str) -> None:
    out = Console()
    for outcome in failed:
        out.print(f"{outcome.prefix}: {outcome.error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    out.print(f"{len(outcomes) - len(failed)} registered · {len(failed)} failed · {store}", style="bold", highlight=False, soft_wrap=True)
