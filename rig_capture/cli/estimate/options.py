"""Options and screens that the commands of `rig estimate` share. Numpy, OpenCV and FFmpeg are not imported before they are used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rig_capture.cli.options import assignments

if TYPE_CHECKING:
    from rig_capture.estimation.estimator import Estimator

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="The model: its kind, and KIND:FILE where it has files (`rig estimate models`).")
]
ModelSetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the model, such as smallest=0.01; may be repeated.")
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Most pictures given to the model at once.")]
StreamOption = Annotated[list[str] | None, typer.Option("--stream", help="Only this stream of a session; may be repeated.")]

DEFAULT_MODEL = "motion"
DEFAULT_BATCH = 8


@contextmanager
def frame_progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """Shows a bar of frames while the block runs, where standard error is a terminal; yields what to tell it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield show


def make_estimator(model: str, settings: list[str] | None, batch: int) -> "Estimator":
    """An estimator with a model by name. Raises ModelError."""
    from rig_capture.estimation.estimator import Estimator
    from rig_capture.estimation.models.registry import load_model

    return Estimator(load_model(model, assignments(settings)), batch=batch)


def suffix_of(out: Path, allowed: tuple[str, ...]) -> str:
    """The suffix of a file to be written, checked before any work is done."""
    if out.suffix.lower() not in allowed:
        raise typer.BadParameter(f"{out}: give it a name that ends with {', '.join(allowed)}", param_hint="--out")
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"{out.absolute().parent}: there is no such folder", param_hint="--out")
    return out.suffix.lower()
