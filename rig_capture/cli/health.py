"""`rig health`: problems that are open, and what was told of health, from the log."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import DomainOption, JsonOption, NamespaceOption, RunningProfileOption, length, load, named_rig
from rig_capture.cli.signals import stop_signals
from rig_capture.health.catalogue import lasts
from rig_capture.health.events import Event, Severity
from rig_capture.health.stores import LogReader
from rig_capture.profiles.places import health_dir
from rig_capture.running.errors import NotRunning
from rig_capture.running.folder import domain_of
from rig_capture.running.rig import find_rig

_LAST = 20
_FOLLOW_S = 0.3
_STYLES = {Severity.INFO: "", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


def health(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    problems: Annotated[bool, typer.Option("--problems", help="Only the problems that are open.")] = False,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Events of so long, such as 90, 10m, 2h, 1d.")] = "",
    path: Annotated[Path | None, typer.Option("--path", help="Folder of a log, or a session, instead of the rig's own.")] = None,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show problems that are open, and the last health events; works also while no rig is up.

    With --json there is one event per line; the problems that are open come first, with "open": true. Exit code 0: no problem of
    severity error is open; 1: one is.
    """
    begin_ns = time.time_ns() - round(length(since, "--since") * 1e9) if since else 0
    folder = path.expanduser() if path is not None else _folder(profile, namespace, domain)
    reader = LogReader(folder)
    events = _new(reader)
    shown = [] if problems else [event for event in events if event.stamp_ns >= begin_ns]
    _show(reader, shown if since else shown[-_LAST:], folder, as_json=as_json)
    if follow:
        with stop_signals() as stop:
            _follow(reader, stop, as_json=as_json)
    if any(event.severity == Severity.ERROR for event in reader.problems.events):
        raise typer.Exit(EXIT_FAILED)


def _folder(profile: str | None, namespace: str | None, domain: int | None) -> Path:
    """The log of the rig that runs or is named; of the profile's rig where none does."""
    try:
        record = find_rig(named_rig(profile, namespace, domain)).record
        return health_dir(load(profile or record.profile).profile.health, record.own_namespace, record.domain_id)
    except NotRunning:
        loaded = load(profile, namespace=namespace, domain_id=domain).profile
        return health_dir(loaded.health, loaded.namespace, domain_of(loaded))


def _new(reader: LogReader) -> list[Event]:
    try:
        return reader.new()
    except (OSError, sqlite3.Error) as error:
        typer.echo(f"error: the health log can't be read: {error}", err=True)
        raise typer.Exit(EXIT_USAGE) from error


def _show(reader: LogReader, events: list[Event], folder: Path, *, as_json: bool) -> None:
    still_open = reader.problems.worst_first
    if as_json:
        for event in still_open:
            typer.echo(_json(event, is_open=True))
        for event in events:
            typer.echo(_json(event, is_open=False))
        return
    out = Console(highlight=False)
    if still_open:
        out.print(_table("Problems", still_open))
    else:
        out.print(Text("no problem is open", "green"))
    if events:
        out.print(_table("Events", events))
    if reader.torn:
        out.print(Text(f"{reader.torn} lines of the log could not be read", "yellow"))
    out.print(Text(f"log: {folder}", "dim"), soft_wrap=True)


def _follow(reader: LogReader, stop: threading.Event, *, as_json: bool) -> None:
    out = Console(highlight=False)
    while not stop.wait(_FOLLOW_S):
        for event in _new(reader):
            if as_json:
                typer.echo(_json(event, is_open=False))
            else:
                out.print(Text.assemble(*(part for cell in _cells(event) for part in (cell, "  "))), soft_wrap=True)


def _json(event: Event, *, is_open: bool) -> str:
    return json.dumps({"open": is_open} | event.model_dump(mode="json"))


def _table(title: str, events: Iterable[Event]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("when", no_wrap=True)
    table.add_column("node", style="cyan", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("message", overflow="fold")
    for event in events:
        table.add_row(*_cells(event))
    return table


def _cells(event: Event) -> tuple[Text, Text, Text, Text]:
    when = datetime.fromtimestamp(event.stamp_ns / 1e9).astimezone()
    mark = "✔" if event.recovered else "✘" if lasts(event.code) else "·"
    style = "green" if event.recovered else _STYLES[event.severity]
    return Text(f"{when:%m-%d %H:%M:%S}"), Text(event.node, "cyan"), Text(f"{mark} {event.code}", style), Text(event.message)
