"""`rig estimate video PATH`, or in short `rig estimate PATH`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rig_capture.cli.estimate.options import (
    DEFAULT_BATCH,
    DEFAULT_MODEL,
    BatchOption,
    ModelOption,
    ModelSetOption,
    StreamOption,
    frame_progress,
    make_estimator,
    suffix_of,
)
from rig_capture.cli.options import JsonOption
from rig_capture.cli.summary import format_duration
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rig_capture.estimation.predictions import VideoPredictions
    from rig_capture.estimation.video import VideoSource


def video(
    path: Annotated[Path, typer.Argument(help="A video file, a session, a stream's folder in one, or a chunk.")],
    *,
    model: ModelOption = DEFAULT_MODEL,
    stream: StreamOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write here (.json or .parquet; of several streams, a folder); sessions keep theirs.")
    ] = None,
    batch: BatchOption = DEFAULT_BATCH,
    settings: ModelSetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at a video with a model: who is in it, where, and how much moves.

    Estimates of a session's streams are put into the session, in its folder estimates/, unless --out says otherwise. Those of other
    videos are written only where --out says.
    """
    from rig_capture.estimation.video import find_videos

    sources = find_videos(path.expanduser(), stream or ())
    _check(out, sources)
    estimator = make_estimator(model, settings, batch)
    rows = []
    for source in sources:
        with frame_progress(source.name, quiet=as_json) as progress:
            predictions = estimator.process_video(source, progress=progress)
        assert estimator.timing is not None
        files = _write(source, predictions, out)
        rows.append(_summary(source, predictions, estimator.timing.wall_s, files))
    if as_json:
        typer.echo(json.dumps({"model": estimator.model.identity.model_dump(mode="json"), "videos": rows}, indent=1))
        return
    _show(model, rows)


def _check(out: Path | None, sources: "Sequence[VideoSource]") -> None:
    """Refuses places where the results can't go, before anything is estimated."""
    if out is None:
        sessions = {source.session for source in sources if source.session is not None}
        for session in sessions:
            if not SessionLayout(session).complete_mark.exists():
                raise SessionError(f"{session}: is not finished, so that nothing can be put into it; give --out, or `rig repair` it first")
    elif not out.is_dir():
        suffix_of(out, (".json", ".parquet"))
        if len(sources) > 1:
            raise typer.BadParameter(
                f"{out}: {len(sources)} videos need a folder that exists, or --stream to choose one", param_hint="--out"
            )


def _write(source: "VideoSource", predictions: "VideoPredictions", out: Path | None) -> list[str]:
    """Writes predictions where they belong; the files."""
    from rig_capture.estimation.listing import ROOM, result_name
    from rig_capture.estimation.predictions import write_predictions
    from rig_capture.estimation.results import write_results

    if out is not None:
        file = out / result_name(source.name, predictions.model.name) if out.is_dir() else out
        write_predictions(file, predictions)
        return [str(file)]
    if source.session is not None:
        return [str(source.session / ROOM / addition.path) for addition in write_results(source.session, predictions)]
    return []


def _summary(source: "VideoSource", predictions: "VideoPredictions", wall_s: float, files: list[str]) -> dict[str, Any]:
    import numpy as np

    found, told = predictions.person_frame, predictions.video
    per_frame = np.bincount(found, minlength=told.frames)
    return {
        "path": str(source.path),
        **told.model_dump(mode="json"),
        "detections": len(found),
        "most_persons": int(per_frame.max()),
        "frames_with_persons": int((per_frame > 0).sum()),
        "tracks": len(set(predictions.person_track.tolist()) - {-1}),
        "mean_motion": None if predictions.motion is None else float(predictions.motion.mean()),
        "wall_s": wall_s,
        "frames_per_s": told.frames / wall_s,
        "files": files,
    }


def _show(model: str, rows: list[dict[str, Any]]) -> None:
    out = Console()
    table = Table(
        box=box.SIMPLE_HEAD, title=f"Estimates by {model}", title_justify="left", title_style="bold", pad_edge=False, collapse_padding=True
    )
    table.add_column("video", style="cyan", overflow="fold")
    for heading in ("size", "frames", "length", "persons", "seen in", "motion", "speed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        motion = "-" if row["mean_motion"] is None else f"{row['mean_motion']:.1%}"
        seen = f"{row['frames_with_persons'] / row['frames']:.0%}"
        sizes = f"{row['width']}x{row['height']}", str(row["frames"]), format_duration(row["duration_s"])
        table.add_row(row["stream"] or row["file"], *sizes, str(row["most_persons"]), seen, motion, f"{row['frames_per_s']:.0f}/s")
    out.print(table)
    files = [file for row in rows for file in row["files"]]
    for file in files:
        typer.echo(file)
    if not files:
        typer.echo("nothing was written; --out FILE keeps the estimates")
