"""What `rig ingest` shows: a bar while it works, and a table of what became of the sessions."""

import itertools
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.progress import ProgressCallback
from rig_capture.delivery.rescue import RescueReport, SessionOutcome, ingest_all
from rig_capture.delivery.scan import Candidate, CandidateKind
from rig_capture.profiles.units import format_bytes

_STYLES = {"ok": "green", "failed": "bold red", "in_progress": "yellow", "needs_reconstruction": "yellow"}

_WORDS = {"needs_reconstruction": "no manifest", "in_progress": "recording"}


def ingest_watched(data: DataInterface, candidates: Sequence[Candidate]) -> RescueReport:
    """`ingest_all`, with a bar on standard error."""
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


def show(report: RescueReport, store: str, catalog: str) -> None:
    """Prints the report, and where the sessions are now."""
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
