"""`rig merge`: all streams of a session in one Matroska file."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rig_capture.cli.exits import EXIT_USAGE
from rig_capture.cli.options import JsonOption
from rig_capture.cli.signals import stop_signals
from rig_capture.profiles.units import format_bytes
from rig_capture.recorder.finishing.finishing import MergeWish, merge_now
from rig_capture.recorder.finishing.merge import merge_session
from rig_capture.session.layout import SessionLayout


def merge(
    paths: Annotated[list[Path], typer.Argument(help="Folders of complete sessions.", metavar="PATH...")],
    *,
    topics: Annotated[list[str] | None, typer.Option("--topic", help="Topics as subtitle tracks: a name or pattern; '-': none.")] = None,
    remove_chunks: Annotated[bool, typer.Option("--remove-chunks", help="Remove the chunks once the file is proven.")] = False,
    output: Annotated[Path | None, typer.Option("--output", help="Write here, and leave the session (one) as it is.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make recording.mkv: all video and audio of a session as tracks on one time line, topics as subtitles, nothing re-encoded.

    The file becomes part of the session, whose manifest then lists it; an uploader brings the changed session to the store
    again. With --output it is written elsewhere.
    """
    if output is not None and (len(paths) > 1 or remove_chunks):
        typer.echo("error: --output takes one session, and leaves its chunks", err=True)
        raise typer.Exit(EXIT_USAGE)
    wish = MergeWish(keep_chunks=not remove_chunks, topics=tuple(topics) if topics else ("*",))
    made = []
    for path in paths:
        file = _merge(path, wish, output)
        made.append({"session": str(path), "file": str(file), "bytes": file.stat().st_size})
        if not as_json:
            typer.echo(f"{file}: {format_bytes(file.stat().st_size)}")
    if as_json:
        typer.echo(json.dumps(made, indent=1))


def _merge(session: Path, wish: MergeWish, output: Path | None) -> Path:
    """Merges behind a progress bar, where standard error is a terminal; SIGINT and SIGTERM break it off."""
    console = Console(stderr=True)
    columns = (TextColumn("merging {task.description}"), BarColumn(), TimeRemainingColumn())
    with ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        bar = stack.enter_context(Progress(*columns, console=console, transient=True, disable=not console.is_terminal))
        task = bar.add_task(session.name, total=1.0)

        def show(fraction: float) -> None:
            bar.update(task, completed=fraction)

        if output is not None:
            return merge_session(session, topics=wish.topics, target=output, progress=show, interrupted=stop.is_set).path
        merge_now(session, wish, show, stop.is_set)
        return SessionLayout(session).merged
