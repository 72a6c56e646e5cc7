"""`rig repair`: mends what can be mended."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import JsonOption, SessionsArgument
from rig_capture.cli.progress import byte_progress
from rig_capture.cli.verify import verify_with_progress
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.repair.repair import Repair, repair_session
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout

_COPIES = "repaired"


def repair(
    paths: SessionsArgument,
    *,
    in_place: Annotated[bool, typer.Option("--in-place", help="Mend the sessions themselves; without, copies are mended.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the copies; by default 'repaired' beside each session.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Mend sessions whose recorder died, or whose files were cut short.

    Every byte that can be read is kept; the manifest says what was lost. A session that is whole is left alone, and not copied.
    Interrupted sessions are also repaired by the recorder itself when it starts. Exit code 0: all are whole now; 1: one could
    not be mended; 2: one is not a session.
    """
    if in_place and out is not None:
        raise typer.BadParameter("--in-place makes no copies; leave out one of the two", param_hint="--out")
    code = 0
    results: list[dict[str, Any]] = []
    errors = Console(stderr=True)
    for path in paths:
        try:
            result = _mend(path, None if in_place else out or path.resolve().parent / _COPIES)
        except (SessionError, RecordingError) as error:
            code = max(code, EXIT_USAGE if isinstance(error, SessionError) else EXIT_FAILED)
            results.append({"path": str(path), "error": str(error)})
            errors.print(f"[red]✘[/] {error}", highlight=False, soft_wrap=True)
            continue
        results.append(result)
        if not result["whole"]:
            code = max(code, EXIT_FAILED)
        if not as_json:
            _show(result)
    if as_json:
        typer.echo(json.dumps({"sessions": results}, indent=1))
    if code:
        raise typer.Exit(code)


def _mend(path: Path, out: Path | None) -> dict[str, Any]:
    """Mends one session and verifies the result. Raises SessionError, RecordingError."""
    marked = SessionLayout(path).complete_mark.exists()
    if marked:
        before = verify_with_progress(path)
        if before.whole:
            return {"path": str(path), "recording_id": before.recording_id, "changed": False, "whole": True, "line": before.line}
    repaired = _with_progress(path, out, anew=marked)
    verdict = verify_with_progress(repaired.path)
    return repaired.as_json() | {"whole": verdict.whole, "damages": verdict.damages, "line": repaired.line}


def _show(result: dict[str, Any]) -> None:
    console = Console()
    console.print("[green]✔[/]" if result["whole"] else "[red]✘[/]", result["line"], highlight=False, soft_wrap=True)
    if result["changed"]:
        console.print(f"  {result['path']}", highlight=False, soft_wrap=True)
    for damage in result.get("damages", []):
        console.print(f"  {damage}", style="red", highlight=False, soft_wrap=True)


def _with_progress(path: Path, out: Path | None, *, anew: bool) -> Repair:
    with byte_progress("repairing", path.name) as show:
        return repair_session(path, out=out, anew=anew, progress=show)
