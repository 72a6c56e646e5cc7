"""`rig attach`: existing files, added to a finished session."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rig_capture.cli.options import JsonOption
from rig_capture.profiles.units import format_bytes
from rig_capture.session.additions import add_files


def attach(
    session: Annotated[Path, typer.Argument(help="Folder of a finished session.")],
    files: Annotated[list[Path], typer.Argument(help="Files to add.", metavar="FILE...")],
    *,
    label: Annotated[str, typer.Option("--label", help="What they are.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Add files to a finished session: into its folder attachments/, with a list of their own.

    The session's manifest stays as it is. The files are copied, compared, and uploaded like the others, also where the session was
    uploaded before. All are added or none.
    """
    added = add_files(session, "attachments", files, label)
    if as_json:
        typer.echo(json.dumps({"session": str(session), "files": [addition.model_dump(mode="json") for addition in added]}, indent=1))
        return
    for addition in added:
        typer.echo(f"{session / 'attachments' / addition.path}: {format_bytes(addition.size)}, SHA-256 {addition.sha256}")
