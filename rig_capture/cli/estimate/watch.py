"""`rig estimate watch`: works off jobs of videos that are put into a folder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rig_capture.cli.estimate.options import DEFAULT_BATCH, DEFAULT_MODEL, BatchOption, ModelOption, ModelSetOption, make_estimator
from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.cli.options import JsonOption, assignments
from rig_capture.cli.signals import patient_stop_signals
from rig_capture.profiles.places import estimate_jobs_dir
from rig_capture.profiles.settings.estimation import EstimateJobSettings

if TYPE_CHECKING:
    from rig_capture.estimation.jobs.status import JobEntry


def watch(
    *,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with in/, out/ and failed/; none: one in the user's data folder.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    batch: BatchOption = DEFAULT_BATCH,
    settings: ModelSetOption = None,
    jobs: Annotated[
        list[str] | None, typer.Option("--jobs", metavar="KEY=VALUE", help="How jobs are taken in, such as settle_s=10; may be repeated.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when nothing waits any more; exit code 1 where a job failed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate videos that are put into a folder, job by job.

    A job is a folder with videos, or a zip file of one, put into in/. It comes out in out/ with results.json, or in failed/; what became
    of each stands in out/status.json. Ctrl-C ends it once the current job is done; pressed again, at once. A job that was interrupted is
    in failed/ at the next start; move it back to in/ to try again.
    """
    # Not before it is called: numpy, OpenCV and FFmpeg take their time.
    from rig_capture.estimation.jobs.daemon import JobDaemon

    root = data.expanduser() if data is not None else estimate_jobs_dir()
    chosen = _settings(jobs)
    estimator = make_estimator(model, settings, batch)
    screen = _Screen(as_json=as_json)
    with patient_stop_signals() as stop, screen, JobDaemon(root, estimator, chosen, screen.show) as daemon:
        screen.begin(daemon.folders.incoming)
        daemon.run(stop, once=once)
    if once and screen.failed:
        raise typer.Exit(EXIT_FAILED)


def _settings(texts: list[str] | None) -> EstimateJobSettings:
    try:
        return EstimateJobSettings.model_validate(assignments(texts))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        known = ", ".join(EstimateJobSettings.model_fields)
        raise typer.BadParameter(f"{problems}; there are: {known}", param_hint="--jobs") from error


class _Screen:
    """A line for each job that is over, and a bar for the one that is being done, where standard error is a terminal."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal or as_json)
        self._task: TaskID | None = None
        self._video = ""
        self.failed = 0

    def __enter__(self) -> "_Screen":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def begin(self, incoming: Path) -> None:
        """Says where jobs are waited for."""
        if not self._as_json:
            self._console.print(f"waiting for jobs in {incoming}", highlight=False, soft_wrap=True, markup=False)

    def show(self, name: str, entry: "JobEntry") -> None:
        """Shows a job as it is now."""
        if entry.state == "processing":
            self._progress(name, entry)
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self.failed += entry.state == "failed"
        if self._as_json:
            typer.echo(json.dumps({"job": name, **entry.model_dump(mode="json")}))
        elif entry.state == "failed":
            typer.echo(f"{name}: failed: {entry.error}; it is in {', '.join(entry.quarantined) or 'failed/'}")
        else:
            typer.echo(f"{name}: completed: {entry.videos_done} videos, {entry.results}")

    def _progress(self, name: str, entry: "JobEntry") -> None:
        if self._task is None:
            self._task = self._bar.add_task(name)
        elif entry.video != self._video:
            self._bar.reset(self._task)  # or the time that is left would be that of the video before
        self._video = entry.video
        number = f" ({entry.videos_done + 1} of {entry.videos_total})" if entry.videos_total > 1 and entry.video else ""
        text = f"{name}: {entry.stage or 'beginning'} {entry.video}{number}"
        self._bar.update(self._task, description=text, completed=entry.frames_done, total=entry.frames_total)
