"""`rig ingest`, and `ros2 run rig_capture ingest`: brings sessions of a folder into store and catalog.

Exit codes: 0 all sessions are in; 1 some failed; 2 nothing to do, or wrong usage.
"""

import itertools
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from rig_capture.delivery.errors import BadAddress, CredentialsError, DeliveryError, InsecureEndpoint
from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.progress import ProgressCallback
from rig_capture.delivery.rescue import RescueReport, SessionOutcome, ingest_all
from rig_capture.delivery.scan import Candidate, CandidateKind, scan_folder
from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.profile import Profile
from rig_capture.profiles.units import format_bytes

_STYLES = {"ok": "green", "failed": "bold red", "in_progress": "yellow", "needs_reconstruction": "yellow"}

_WORDS = {"needs_reconstruction": "no manifest", "in_progress": "recording"}


def ingest(
    path: Annotated[Path, typer.Option(help="Folder of sessions, such as a mounted disk; each sub-folder is looked at.")],
    store: Annotated[str, typer.Option(help="Object store instead of the profile's: a folder or s3://bucket/prefix.")] = "",
    catalog: Annotated[str, typer.Option(help="Catalog instead of the profile's: an SQLite file or a database URL.")] = "",
    profile: Annotated[str, typer.Option(help="Profile by name or file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Bring every session of a folder into the object store and the catalog.

    Sessions that are in already are skipped file by file, so that this can be run again after any break.
    Exit codes: 0 all sessions are in, 1 some failed, 2 nothing to do or wrong usage.
    """
    try:
        settings = _settings(profile, store, catalog)
        candidates = scan_folder(path)
        if not candidates:
            _fail(f"{path}: holds no sessions (sub-folders with a manifest.json, or called rec_...)", EXIT_USAGE)
        with DataInterface.open(settings) as data:
            report = _run(data, candidates, quiet=as_json)
            where = (data.store.url, data.catalog.url)
    except OSError as error:
        _fail(f"{path}: {error.strerror}", EXIT_USAGE)
    except (ProfileError, BadAddress, CredentialsError, InsecureEndpoint) as error:
        _fail(str(error), EXIT_USAGE)
    except DeliveryError as error:
        _fail(str(error), EXIT_FAILED)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _show(report, *where)
    raise typer.Exit(EXIT_FAILED if report.failed else EXIT_OK if report.count("ok") else EXIT_USAGE)


def _settings(profile: str, store: str, catalog: str) -> Profile:
    given = {"store": store, "catalog": catalog}
    return load_profile(profile or None, overrides={key: value for key, value in given.items() if value}).profile


def _fail(message: str, code: int) -> None:
    Console(stderr=True).print(f"error: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _run(data: DataInterface, candidates: list[Candidate], *, quiet: bool) -> RescueReport:
    if quiet:
        return ingest_all(data, candidates)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    ingestable = sum(candidate.kind is CandidateKind.INGESTABLE for candidate in candidates)
    numbers = itertools.count(1)
    with Progress(*columns, console=Console(stderr=True)) as bars:
        # One bar, used again and again: a disk may hold a thousand sessions.
        task = bars.add_task("", visible=False)

        def watch(candidate: Candidate) -> ProgressCallback:
            bars.reset(task, description=f"{next(numbers)} of {ingestable}  {candidate.path.name}", visible=True)
            return lambda event: bars.update(task, total=event.bytes_total, completed=event.bytes_processed)

        return ingest_all(data, candidates, watch)


def _show(report: RescueReport, store: str, catalog: str) -> None:
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, title="Sessions", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("session", overflow="fold")
    table.add_column("status", no_wrap=True)
    for header in ("uploaded", "skipped", "bytes"):
        table.add_column(header, justify="right", no_wrap=True)
    for outcome in report.sessions:
        table.add_row(*_cells(outcome))
    console.print(table)
    for outcome in report.sessions:
        if outcome.error:
            console.print(f"{outcome.name}: {outcome.error}", style=_STYLES[outcome.status], markup=False, highlight=False, soft_wrap=True)
    counts = [f"{report.count('ok')} ok", f"{report.failed} failed", f"{report.need_reconstruction} need reconstruction"]
    if in_progress := report.count("in_progress"):
        counts.append(f"{in_progress} being recorded")
    console.print(" · ".join(counts), style="bold", highlight=False)
    console.print(f"store    {store}\ncatalog  {catalog}", markup=False, highlight=False, soft_wrap=True)


def _cells(outcome: SessionOutcome) -> list[Text]:
    words = Text(_WORDS.get(outcome.status, outcome.status), style=_STYLES[outcome.status])
    numbers = (str(outcome.files_uploaded), str(outcome.files_skipped), format_bytes(outcome.bytes_uploaded))
    return [Text(outcome.name), words, *(Text(number if outcome.status == "ok" else "–") for number in numbers)]


def main() -> int:
    """Entry point of `ros2 run rig_capture ingest`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(ingest)
    app(prog_name="ingest")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
