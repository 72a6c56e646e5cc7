"""`rig verify`: is a session whole?"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import SessionsArgument
from rig_capture.cli.progress import byte_progress
from rig_capture.recorder.verify.verify import Verdict, verify_session
from rig_capture.session.errors import SessionError


def verify(
    paths: SessionsArgument,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Do not decode pictures and samples, only count packets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> None:
    """Read sessions again with independent readers and say whether they are whole.

    Hashes, message counts, stamps and frames are compared with the manifest. Exit code 0: all whole; 1: one is damaged;
    2: one is not a session. Losses that the recorder put on record are shown and are no damage.
    """
    out = Console()
    verdicts: list[Verdict] = []
    errors: list[dict[str, str]] = []
    for path in paths:
        try:
            verdicts.append(verify_with_progress(path, decode=not quick))
        except SessionError as error:
            errors.append({"path": str(path), "error": str(error)})
            Console(stderr=True).print(f"[red]✘[/] {error}", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps({"sessions": [verdict.as_json() for verdict in verdicts], "errors": errors}, indent=1))
    else:
        for verdict in verdicts:
            out.print("[green]✔[/]" if verdict.whole else "[red]✘[/]", verdict.line, highlight=False, soft_wrap=True)
            for damage in verdict.damages[1:]:
                out.print(f"  {damage}", style="red", highlight=False, soft_wrap=True)
    if errors:
        raise typer.Exit(EXIT_USAGE)
    if not all(verdict.whole for verdict in verdicts):
        raise typer.Exit(EXIT_FAILED)


def verify_with_progress(path: Path, *, decode: bool = True) -> Verdict:
    """Verifies a session behind a progress bar on standard error, where that is a terminal. Raises SessionError."""
    with byte_progress("verifying", path.name) as show:
        return verify_session(path, decode=decode, progress=show)
