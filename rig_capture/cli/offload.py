"""`rig offload`: moves sessions to a removable disk."""

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import JsonOption, ProfileOption, SessionsFolderOption, sessions_folder
from rig_capture.delivery.offload import OffloadOutcome, sessions_to_move
from rig_capture.delivery.offload import offload as move_all
from rig_capture.delivery.volumes import Volume, VolumeError, choose_volume, find_volumes
from rig_capture.profiles.units import format_bytes

_STYLES = {"moved": "green", "copied": "green", "planned": "cyan", "in_progress": "yellow", "failed": "bold red"}


def offload(
    *,
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="Where the disk is mounted; none: choose from a list.")] = None,
    path: SessionsFolderOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Copy and compare, and remove nothing here.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move all sessions to a removable or external disk: copied, read back, compared, and only then removed here.

    Sessions that are being recorded stay. It never writes to the disk the system runs from, and may be run again after any break.
    Exit codes: 0 all are on the disk, 1 some are not, 2 nothing to do or no disk.
    """
    root = sessions_folder(path, profile)
    sessions = sessions_to_move(root)
    if not sessions:
        _fail(f"{root}: holds no sessions")
    try:
        volumes = find_volumes()
        volume = choose_volume(volumes, to.expanduser()) if to is not None else _ask(volumes)
        if volume.number == root.stat().st_dev:
            _fail(f"{root}: lies on that disk already")
    except VolumeError as error:
        _fail(str(error))
    if not (yes or dry_run):
        what = "Copy" if keep else "Move"
        typer.confirm(
            f"{what} {len(sessions)} sessions from {root} to {volume.text}, {format_bytes(volume.free)} free?", abort=True, err=True
        )
    outcomes = _run(sessions, volume, keep=keep, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"volume": str(volume.mount), "sessions": [outcome.model_dump() for outcome in outcomes]}, indent=1))
    else:
        _show(outcomes, volume)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(EXIT_FAILED)


def _fail(message: str) -> NoReturn:
    typer.secho("error: ", fg="red", nl=False, err=True)
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_USAGE)


def _ask(volumes: list[Volume]) -> Volume:
    if not volumes:
        raise VolumeError("no removable or external disk is mounted; plug one in, or mount it, and run this again")
    if not sys.stdin.isatty():
        raise VolumeError(f"say which disk with --to: {', '.join(volume.text for volume in volumes)}")
    for number, volume in enumerate(volumes, 1):
        typer.echo(f"{number}  {volume.text}, {format_bytes(volume.free)} of {format_bytes(volume.size)} free", err=True)
    chosen = 0
    while not 1 <= chosen <= len(volumes):
        chosen = typer.prompt(f"To which disk, 1 to {len(volumes)}", type=int, default=1, err=True)
    return volumes[chosen - 1]


def _run(sessions: list[Path], volume: Volume, *, keep: bool, dry_run: bool) -> list[OffloadOutcome]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    total = sum(path.stat().st_size for session in sessions for path in session.rglob("*") if path.is_file())
    with Progress(*columns, console=Console(stderr=True), disable=dry_run) as bars:
        task = bars.add_task(f"{len(sessions)} sessions", total=total)
        return move_all(sessions, volume, keep=keep, dry_run=dry_run, on_bytes=lambda count: bars.advance(task, count))


def _show(outcomes: list[OffloadOutcome], volume: Volume) -> None:
    out = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("session", style="cyan", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(outcome.name, Text(outcome.status.replace("_", " "), style=_STYLES[outcome.status]), format_bytes(outcome.bytes))
    out.print(table)
    for outcome in outcomes:
        if outcome.error:
            out.print(f"{outcome.name}: {outcome.error}", style=_STYLES[outcome.status], markup=False, highlight=False, soft_wrap=True)
    out.print(f"on {volume.text}; there: rig ingest --path {volume.mount}", markup=False, highlight=False, soft_wrap=True)
