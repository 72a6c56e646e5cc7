"""`rig report`: how good is a session?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import JsonOption
from rig_capture.cli.progress import byte_progress
from rig_capture.profiles.units import format_bytes
from rig_capture.reporting.analyse import analyse_session
from rig_capture.reporting.models import SessionReport
from rig_capture.reporting.page import render_html
from rig_capture.reporting.worker import ATTACHED
from rig_capture.session.additions import AdditionError, put_files, read_additions
from rig_capture.session.atomic import write_atomic
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout

_ATTACHED_LABEL = "quality report"


def report(
    path: Annotated[Path, typer.Argument(help="Folder of a finished session.", metavar="PATH")],
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where the page goes; ./NAME.report.html otherwise.")] = None,
    attach: Annotated[
        bool, typer.Option("--attach", help=f"Add the page to the session, as attachments/{ATTACHED}, in place of an earlier one.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say how good a session is, as one HTML page: rates, gaps, jitter, sound, motion, pictures, clocks, batteries, health, losses.

    The session is read once more and not changed. With --json what was found is printed, and no page is written unless --out or
    --attach ask for it. Exit code 0: the session is whole; 1: it is damaged, and the page says how; 2: it is no session.
    """
    if out is None and not attach and not as_json:
        out = Path(f"{path.resolve().name}.report.html")
    if out is not None and SessionLayout(path).manifest.is_file() and out.resolve().is_relative_to(path.resolve()):
        raise typer.BadParameter(f"{out.absolute()}: nothing but --attach writes into a session; name another place", param_hint="--out")
    with byte_progress("reading", path.resolve().name) as show:
        try:
            found = analyse_session(path, show)
        except SessionError as error:
            Console(stderr=True).print(f"[red]✘[/] {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(EXIT_USAGE) from error
    lines = _written(path, found, out, attach=attach)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        mark = "✔ whole" if found.whole else f"✘ damaged: {len(found.problems)} problem(s), the first: {found.problems[0]}"
        typer.echo("\n".join([f"{found.recording_id}: {mark}", *lines]))
    if not found.whole:
        raise typer.Exit(EXIT_FAILED)


def _written(path: Path, found: SessionReport, out: Path | None, *, attach: bool) -> list[str]:
    """Writes the page where it is wanted; says where it is."""
    page = render_html(found).encode()
    lines = []
    if out is not None:
        try:
            write_atomic(out, page)
        except OSError as error:
            raise typer.BadParameter(f"{out}: can't be written: {error}", param_hint="--out") from error
        lines.append(f"{out}: {format_bytes(len(page))}")
    if attach:
        if any(file.path == ATTACHED and file.label != _ATTACHED_LABEL for file in read_additions(path, "attachments").files):
            raise AdditionError(f"{path}: has another file attachments/{ATTACHED} already; the report was not added")
        (added,) = put_files(path, "attachments", {ATTACHED: lambda place: place.write_bytes(page)}, _ATTACHED_LABEL)
        lines.append(f"{path / 'attachments' / added.path}: {format_bytes(added.size)}, SHA-256 {added.sha256}")
    return lines
