"""Which movement is meant, what is done to it first, and where results go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pydantic_core
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rig_capture.estimation.analysis.errors import AnalysisError
from rig_capture.estimation.analysis.plots import check_plot, save_plot
from rig_capture.estimation.analysis.series import PoseSeries, Space, series_of
from rig_capture.estimation.analysis.tables import Columns, write_table
from rig_capture.estimation.listing import ROOM
from rig_capture.estimation.predictions import VideoPredictions, read_predictions
from rig_capture.session.additions import MANIFEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PathArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Predictions (.json, .parquet), or a session with estimates.")]
SpaceOption = Annotated[Space | None, typer.Option("--space", help="2d: pixels; 3d: millimetres. None: 3d where there is any.")]
TrackOption = Annotated[int | None, typer.Option("--track", help="Whom, where the model tracks. None: who is seen longest.")]
PersonOption = Annotated[
    int | None, typer.Option("--person", min=0, help="Whom, where it does not: 0 the largest in each frame, 1 the next.")
]
JointOption = Annotated[list[str] | None, typer.Option("--joint", help="Only this joint; may be repeated.")]
ScoreOption = Annotated[float, typer.Option("--min-score", min=0, max=1, help="Joints with lower scores count as missing.")]
GapOption = Annotated[float, typer.Option("--max-gap", min=0, metavar="S", help="Gaps up to this long are filled on a straight line.")]
RateOption = Annotated[float | None, typer.Option("--rate", min=0.1, metavar="HZ", help="Resample to this rate first.")]
LowPassOption = Annotated[float | None, typer.Option("--low-pass", min=0.01, metavar="HZ", help="Take out what is faster, such as jitter.")]
FromOption = Annotated[float | None, typer.Option("--from", metavar="S", help="Begin here, seconds from the first frame.")]
ToOption = Annotated[float | None, typer.Option("--to", metavar="S", help="End here.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Write the table to this .csv or .parquet file.")]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Draw it: a .png, .svg or .pdf file.")]

MIN_SCORE = 0.3
MAX_GAP_S = 0.2


@dataclass(frozen=True)
class Choice:
    """Which movement of a file is meant, and what is done to it first."""

    space: Space | None = None
    track: int | None = None
    person: int | None = None
    joints: Sequence[str] = ()
    min_score: float = MIN_SCORE
    max_gap_s: float = MAX_GAP_S
    rate_hz: float | None = None
    low_pass_hz: float | None = None
    from_s: float | None = None
    to_s: float | None = None

    def read(self, path: Path, *, span_ns: tuple[int | None, int | None] = (None, None)) -> PoseSeries:
        """The movement.

        Args:
            path: of predictions, or of a session.
            span_ns: stamps of its beginning and end; None: of the video.

        Raises:
            EstimationError: there is no such movement, or it can't be prepared like this.
        """
        predictions = read_file(path)
        series = series_of(predictions, space=self.space, track=self.track, person=self.person, min_score=self.min_score)
        if self.joints:
            series = series.only(list(dict.fromkeys(self.joints)))
        start, end = (None if each is None else int(series.stamps_ns[0] + each * 1e9) for each in (self.from_s, self.to_s))
        series = series.between(start if span_ns[0] is None else span_ns[0], end if span_ns[1] is None else span_ns[1])
        return series.prepared(max_gap_s=self.max_gap_s, rate_hz=self.rate_hz, low_pass_hz=self.low_pass_hz)


def read_file(path: Path) -> VideoPredictions:
    """Predictions of a file, or the one estimate of a session that has poses. Raises EstimationError."""
    if not path.is_dir():
        return read_predictions(path)
    files = sorted(file for file in (path / ROOM).glob("*.json") if file.name != MANIFEST)
    if not files:
        raise AnalysisError(f"{path}: a folder without {ROOM}/*.json; estimate it first: rig estimate {path}")
    found = {file: predictions for file in files if (predictions := read_predictions(file)).skeleton is not None}
    if len(found) != 1:
        reason = "several have poses; give the one that is meant" if found else "none has poses; estimate with a model that gives them"
        raise AnalysisError(f"{path}: {reason}: {', '.join(str(file) for file in found or files)}")
    return next(iter(found.values()))


def check_outputs(out: Path | None, plot: Path | None) -> None:
    """Says before any work that a file can't have its name. Raises AnalysisError, ExtraMissing."""
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise AnalysisError(f"{out}: tables are .csv or .parquet files; give it such a name")
    if plot is not None:
        check_plot(plot)


def finish(result: dict[str, Any], shown: Table, *, as_json: bool, notes: Sequence[str], out: Path | None, columns: Columns) -> None:
    """Writes the table, and shows the result: as JSON, or as a table with the notes under it."""
    if out is not None:
        write_table(out, columns)
    if as_json:
        typer.echo(pydantic_core.to_json(_plain(result | {"notes": list(notes)}), indent=1, inf_nan_mode="null").decode())
        return
    console = Console(highlight=False)
    console.print(shown)
    for note in (*notes, *([f"table in {out}"] if out else [])):
        console.print(f"  {note}", style="dim", soft_wrap=True, markup=False)


def draw(plot: Path | None, figure: "Figure") -> list[str]:
    """Writes a figure that was made because a file for it is given; a note of it. Raises AnalysisError."""
    if plot is None:
        return []
    save_plot(plot, figure)
    return [f"drawn in {plot}"]


def table(title: str, *headings: str) -> Table:
    """An empty table, its first column with text."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False, collapse_padding=True)
    for at, heading in enumerate(headings):
        made.add_column(heading, justify="left" if at == 0 else "right", overflow="fold" if at == 0 else "ellipsis", no_wrap=at > 0)
    return made


def number(value: float) -> str:
    """As a person reads it; nothing where it is not known."""
    return "–" if np.isnan(value) else f"{value:.4g}"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
