"""`rig estimate bench`: what a model costs on this machine."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

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
    frame_progress,
    make_estimator,
)
from rig_capture.cli.options import JsonOption
from rig_capture.profiles.units import format_bytes


def bench(
    video: Annotated[Path, typer.Argument(help="A video file, a stream's folder in a session, or a chunk.")],
    *,
    model: ModelOption = DEFAULT_MODEL,
    frames: Annotated[int | None, typer.Option("--frames", min=1, help="Only so many; none: all.")] = None,
    batch: BatchOption = DEFAULT_BATCH,
    settings: ModelSetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on a video: frames per second, ratio to real time, share of decoding, memory, processor."""
    from rig_capture.estimation.bench import measure
    from rig_capture.estimation.video import find_video

    source = find_video(video.expanduser())
    begun = time.perf_counter()
    estimator = make_estimator(model, settings, batch)
    load_s = time.perf_counter() - begun
    with frame_progress(source.name, quiet=as_json) as progress:
        found = measure(estimator, source, frames=frames, progress=progress)
    if as_json:
        identity = estimator.model.identity
        typer.echo(
            json.dumps({"model": identity.name, "version": identity.version, "load_s": load_s, "batch": batch, **asdict(found)}, indent=1)
        )
        return
    table = Table(box=box.SIMPLE, show_header=False, title=f"{model} on {source.name}", title_justify="left", title_style="bold")
    for name, value in (
        ("looked at", f"{found.frames} frames of {found.width} x {found.height}, {found.video_s:.1f} s"),
        ("speed", f"{found.frames_per_s:.1f} frames/s, {found.realtime:.2f} x real time"),
        ("decoding", f"{found.decode_share:.0%} of the work"),
        ("processor", f"{found.cpu_cores:.2f} cores"),
        ("memory", f"{format_bytes(found.peak_memory_bytes)} at most"),
        ("loading", f"{load_s:.2f} s"),
    ):
        table.add_row(name, value)
    Console().print(table)
