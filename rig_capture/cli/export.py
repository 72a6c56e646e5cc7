"""`rig export`: sessions as tables, sound files, films and datasets."""

import json
import math
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import JsonOption, SessionsArgument
from rig_capture.cli.progress import byte_progress
from rig_capture.cli.signals import stop_signals
from rig_capture.exporting.errors import Interrupted, WrongWish
from rig_capture.exporting.export import export_session
from rig_capture.exporting.lerobot.dataset import export_dataset
from rig_capture.exporting.wish import Exported, Format, Method, Wish
from rig_capture.reading.errors import UnknownStream
from rig_capture.reading.session import ClockChoice
from rig_capture.session.errors import ManifestError, SessionError


def export(
    paths: SessionsArgument,
    *,
    format_: Annotated[Format, typer.Option("--format", help="What is made.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for it; made where it is missing.")],
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="HZ", min=0.001, help="One table of all topics, so many rows a second; frames of a dataset."),
    ] = None,
    method: Annotated[Method, typer.Option("--method", help="How values between two messages come about.")] = "nearest",
    streams: Annotated[list[str] | None, typer.Option("--stream", metavar="NAME", help="Only this stream; may be repeated.")] = None,
    cut_at_gaps: Annotated[
        bool, typer.Option("--cut-at-gaps", help="wav: begin a new file where sound is missing, instead of silence.")
    ] = False,
    clock: Annotated[
        ClockChoice, typer.Option("--clock", help="Stamps as each host's own clock had them, or on one clock of all hosts.")
    ] = "host",
    encode: Annotated[bool, typer.Option("--encode", help="mp4: encode video that does not fit as it is (MJPEG, FFV1) to H.264.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write sessions in formats of other tools.

    Each session becomes a folder of its name in --out, which appears when it is whole; nothing is overwritten. For lerobot --out is the
    dataset, with an episode per session. Of a damaged session what can be read is exported, and what is missing is told. Exit code 0:
    everything is there; 1: something could not be read or written; 2: the call is wrong, a name is taken, or nothing of the kind is there.
    """
    if rate is not None and not math.isfinite(rate):
        raise typer.BadParameter(f"{rate} is no number of rows a second", param_hint="--rate")
    if rate is not None and format_ in ("wav", "mp4", "foxglove"):
        raise typer.BadParameter(f"{format_} keeps the rate that was recorded", param_hint="--rate")
    if clock == "common" and format_ == "foxglove":
        raise typer.BadParameter("foxglove keeps messages as they were recorded, with their stamps", param_hint="--clock")
    if method == "linear" and rate is None and format_ != "lerobot":
        raise typer.BadParameter("'linear' needs a common time base: add --rate", param_hint="--method")
    wish = Wish(format_, rate, method, tuple(streams or ()), cut_at_gaps, encode, clock)
    console, errors = Console(), Console(stderr=True)
    results: list[dict[str, Any]] = []
    code = 0
    with stop_signals() as stop:
        # A dataset is made of all sessions at once.
        for group in [paths] if format_ == "lerobot" else [[path] for path in paths]:
            try:
                made = _with_progress(group, out, wish, stop)
            except SessionError as error:
                code = max(code, EXIT_USAGE if isinstance(error, WrongWish | UnknownStream | ManifestError) else EXIT_FAILED)
                results += [{"session": str(path), "error": str(error)} for path in group]
                errors.print(f"[red]✘[/] {escape(str(error))}", highlight=False, soft_wrap=True)
                if isinstance(error, Interrupted):
                    break
                continue
            for exported in made:
                results.append(exported.as_json())
                code = max(code, EXIT_FAILED if exported.losses else 0)
                if not as_json:
                    _show(exported, console)
    if as_json:
        typer.echo(json.dumps({"sessions": results}, indent=1))
    if code:
        raise typer.Exit(code)


def _with_progress(paths: list[Path], out: Path, wish: Wish, stop: threading.Event) -> list[Exported]:
    with byte_progress("exporting", paths[0].name) as show:

        def progress(what: str, done: int, total: int) -> None:
            if stop.is_set():
                raise Interrupted(f"{paths[0]}: not exported: stopped")
            show(what, done, total)

        if wish.format == "lerobot":
            return export_dataset(paths, out, wish, progress)
        return [export_session(paths[0], out, wish, progress)]


def _show(exported: Exported, console: Console) -> None:
    mark = "[red]✘[/]" if exported.losses else "[green]✔[/]"
    console.print(f"{mark} {escape(exported.folder)}: {len(exported.files)} files", highlight=False, soft_wrap=True)
    for line in exported.left_out:
        console.print(f"  left out: {line}", markup=False, highlight=False, soft_wrap=True)
    for line in exported.losses:
        console.print(f"  lost: {line}", markup=False, style="red", highlight=False, soft_wrap=True)
