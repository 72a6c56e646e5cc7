"""`rig estimate render`: estimates drawn over their pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rig_capture.cli.estimate.options import frame_progress, suffix_of

if TYPE_CHECKING:
    from rig_capture.estimation.predictions import VideoPredictions
    from rig_capture.estimation.video import VideoSource

_VIDEOS = (".mp4", ".mkv")
_PICTURES = (".png", ".jpg", ".jpeg")


def render(
    predictions: Annotated[Path, typer.Argument(help="A file of estimates (.json or .parquet).")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="A video (.mp4, .mkv), or one picture with many of it (.png, .jpg).")],
    video: Annotated[
        Path | None, typer.Option("--video", help="The video they are of: a file, or the session; not needed for estimates in a session.")
    ] = None,
    pictures: Annotated[int, typer.Option("--pictures", min=1, max=400, help="How many are on the one picture.")] = 16,
) -> None:
    """Draw estimates over the video they are of: boxes, joints, motion."""
    from rig_capture.estimation.predictions import read_predictions
    from rig_capture.estimation.render import write_contact_sheet, write_overlay

    out = out.expanduser()
    suffix = suffix_of(out, _VIDEOS + _PICTURES)
    found = read_predictions(predictions.expanduser())
    source = _source(predictions, video, found)
    with frame_progress(f"drawing {source.name}") as progress:
        if suffix in _VIDEOS:
            write_overlay(out, source, found, progress)
        else:
            write_contact_sheet(out, source, found, pictures, progress)
    typer.echo(str(out))


def _source(predictions: Path, video: Path | None, found: "VideoPredictions") -> "VideoSource":
    """The video that predictions are of."""
    from rig_capture.estimation.video import find_videos

    session = predictions.expanduser().absolute().parent.parent
    if video is None:
        if not (session / "manifest.json").is_file():
            raise typer.BadParameter("these estimates are in no session; say which video they are of", param_hint="--video")
        video = session
    sources = find_videos(video.expanduser())
    return next((source for source in sources if source.stream == found.video.stream), sources[0])
