"""`rig sessions`: what lies on this machine."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.cli.options import JsonOption, SessionsFolderOption, sessions_folder
from rig_capture.cli.summary import format_duration
from rig_capture.delivery.ledger import LedgerEntry, LedgerError, read_entries, read_removals
from rig_capture.profiles.places import ledger_path
from rig_capture.profiles.units import format_bytes
from rig_capture.reading.listing import delivery, describe
from rig_capture.session.layout import sessions_in

_STYLES = {"complete": "green", "recovered": "yellow", "recording": "cyan", "interrupted": "bold red", "failed": "bold red"}


def sessions(
    *,
    path: SessionsFolderOption = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Profile whose storage path is looked at.")] = None,
    removed: Annotated[bool, typer.Option("--removed", help="List what was removed to make room: when, why, and on what proof.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the sessions on this machine: state, length, size, losses."""
    if removed:
        _show_removals(as_json=as_json)
        return
    root = sessions_folder(path, profile)
    noted = _noted()
    rows = [describe(session) | delivery(noted.get(session.name)) for session in sessions_in(root)]
    if as_json:
        typer.echo(json.dumps({"path": str(root), "sessions": rows}, indent=1))
        return
    out = Console()
    if not rows:
        text = f"no sessions in {root}; `rig record start` makes one while a rig is up, and `--path` looks elsewhere"
        out.print(text, highlight=False, soft_wrap=True)
        return
    out.print(_table(rows, root))


def _show_removals(*, as_json: bool) -> None:
    try:
        removals = read_removals(ledger_path())
    except LedgerError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error
    if as_json:
        typer.echo(json.dumps({"removed": [removal.model_dump(mode="json") for removal in removals]}, indent=1))
        return
    out = Console()
    for removal in removals:
        what = f"{removal.at:%Y-%m-%d %H:%M:%S}  {removal.name}  {format_bytes(removal.bytes)}"
        text = f"{what}  {removal.state}: {removal.reason}; {removal.proof}"
        out.print(text, markup=False, highlight=False, soft_wrap=True)
    out.print(f"{len(removals)} sessions removed, as noted in {ledger_path()}", highlight=False, soft_wrap=True)


def _noted() -> dict[str, LedgerEntry]:
    try:
        return read_entries(ledger_path())
    except LedgerError as error:
        typer.echo(f"warning: {error}", err=True)
        return {}


def _table(rows: list[dict[str, Any]], root: Path) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, title=f"Sessions in {root}", title_justify="left", title_style="bold", pad_edge=False, collapse_padding=True
    )
    table.add_column("session", style="cyan", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("who, what", overflow="fold")
    for heading in ("length", "size", "lost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("delivery", overflow="fold", min_width=9)
    for row in rows:
        state = Text(row["state"], style=_STYLES.get(row["state"], ""))
        if "error" in row:
            table.add_row(row["session"], state, row["error"])
            continue
        lost = Text(str(row["lost"]), style="bold red" if row["lost"] else "green")
        size, length = format_bytes(row["bytes"]), format_duration(row["duration_s"])
        way = "\n".join(filter(None, (row["delivery"], "estimated" if row["estimates"] else "")))
        table.add_row(row["session"], state, " ".join(filter(None, (row["participant"], row["label"]))), length, size, lost, way)
    return table
