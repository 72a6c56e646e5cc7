"""`rig jobs`: recordings that are to come. The queue is on disk, so it can be filled while no rig is up."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.cli.options import (
    DomainOption,
    JsonOption,
    LabelOption,
    NamespaceOption,
    ParticipantOption,
    RunningProfileOption,
    TestingOption,
    TopicsOption,
    length,
    load,
    profile_of_rig,
)
from rig_capture.cli.summary import format_duration
from rig_capture.profiles.places import jobs_dir
from rig_capture.recorder.jobs.jobs import Job, JobStore
from rig_capture.running.errors import NotRunning, RunningError
from rig_capture.running.folder import domain_of
from rig_capture.running.rig import find_rig

app = typer.Typer(no_args_is_help=True, help="Queue, schedule, cancel recordings.")

_STYLES = {"done": "green", "running": "cyan", "scheduled": "blue", "queued": "blue", "failed": "bold red", "missed": "bold red"}


@app.command()
def add(
    *,
    seconds: Annotated[str, typer.Option("--seconds", "-s", metavar="TIME", help="How long: seconds, or such as 10m or 1h30m.")],
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="When, such as '2026-11-21 09:00' (this machine's time).")] = "",
    after: Annotated[str, typer.Option("--in", metavar="TIME", help="When, from now, such as 10m.")] = "",
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="Again after so long, such as 1d; with --at or --in.")] = "",
    grace: Annotated[str, typer.Option("--grace", metavar="TIME", help="It may begin so late; then it counts as missed.")] = "1m",
    label: LabelOption = "",
    participant: ParticipantOption = "",
    testing: TestingOption = False,
    topics: TopicsOption = None,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a recording: as soon as the recorder is free, or with --at or --in at its time."""
    now = datetime.now(UTC)
    if at and after:
        raise typer.BadParameter("give one of --at and --in", param_hint="--at")
    if every and not (at or after):
        raise typer.BadParameter("a recording that comes again needs --at or --in", param_hint="--every")
    start_at = _point(at, now) if at else now + timedelta(seconds=length(after, "--in")) if after else None
    job = _store(profile, namespace, domain).add(
        now,
        start_at=start_at,
        duration_s=length(seconds, "--seconds"),
        label=label,
        participant=participant,
        testing_mode=testing,
        topics=tuple(topics or ()),
        grace_s=length(grace, "--grace"),
        repeat_s=length(every, "--every") if every else 0.0,
    )
    _tell(job, f"job {job.id}: {_when(job)}, for {format_duration(job.duration_s)}", as_json)


@app.command("list")
def list_jobs(
    *, profile: RunningProfileOption = None, namespace: NamespaceOption = None, domain: DomainOption = None, as_json: JsonOption = False
) -> None:
    """List all jobs: those that are over, and those to come."""
    jobs = _store(profile, namespace, domain).jobs()
    if as_json:
        typer.echo(json.dumps({"jobs": [job.model_dump(mode="json") for job in jobs]}, indent=1))
        return
    if not jobs:
        typer.echo("no jobs; `rig jobs add` makes one")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("job", "state", "when", "length", "label", "recording", "reason"):
        table.add_column(heading, overflow="fold")
    for job in jobs:
        state = Text(job.state, _STYLES.get(job.state, ""))
        table.add_row(job.id, state, _when(job), format_duration(job.duration_s), job.label, job.recording_id, job.reason)
    Console().print(table)


@app.command()
def cancel(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Of the job; its first characters are enough.")],
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what was recorded so far, on this machine.")] = False,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel a job; one that repeats comes no more.

    One that runs is ended as by `rig record cancel`: nothing is uploaded, and its data is removed unless kept. Where it
    repeats, it comes again at its next time.
    """
    job = _store(profile, namespace, domain).cancel(job_id, datetime.now(UTC), keep_data=keep)
    done = "is cancelled" if job.state == "cancelled" else "is being ended by the recorder"
    _tell(job, f"job {job.id} {done}", as_json)


@app.command("run-next")
def run_next(
    *, profile: RunningProfileOption = None, namespace: NamespaceOption = None, domain: DomainOption = None, as_json: JsonOption = False
) -> None:
    """Run one job, the next one, whatever its time; returns when it has ended.

    The rig that is up runs it as soon as its recorder is free; where none is up, one is started for this job alone and stopped after
    it. Ctrl-C ends the recording early and keeps what there is. Exit code 0: done; 1: failed; 2: no job waits.
    """
    from rig_capture.cli.run_job import run_job

    loaded = profile_of_rig(profile, namespace=namespace, domain_id=domain)
    rig, domain_id = loaded.profile.namespace, domain_of(loaded.profile)
    store = JobStore(jobs_dir(rig, domain_id))
    job = store.hurry(datetime.now(UTC))
    # A recorder that is started for this job leaves the others alone: it would be stopped in the midst of the next one.
    done, path = run_job(store, job, load(profile, [f"recorder.jobs=only {job.id}"], namespace=rig, domain_id=domain_id))
    place = f", in {path}" if path else ""
    text = f"job {done.id} is {done.state}: {done.reason or 'it still waits for its turn'}{place}"
    typer.echo(json.dumps(done.model_dump(mode="json") | {"path": path}) if as_json else text)
    if done.state != "done":
        raise typer.Exit(EXIT_FAILED)


def _store(profile: str | None, namespace: str | None, domain: int | None) -> JobStore:
    """The jobs of the rig that options name; else of the one that runs; else of the default profile's."""
    if profile is None and namespace is None and domain is None:
        with suppress(NotRunning):  # jobs can be added for a rig that is down
            record = find_rig(None).record
            if record.own_namespace != record.namespace:
                raise RunningError(f"{record.host} does not lead the rig, and jobs are those of the host that does; run `rig jobs` there")
            return JobStore(jobs_dir(record.namespace, record.domain_id))
    loaded = load(profile, namespace=namespace, domain_id=domain).profile
    return JobStore(jobs_dir(loaded.namespace, domain_of(loaded)))


def _point(text: str, now: datetime) -> datetime:
    """A time of day is the next such; anything without an offset is this machine's local time."""
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            local = now.astimezone()
            hours, minutes, *rest = map(int, text.split(":"))
            point = local.replace(hour=hours, minute=minutes, second=rest[0] if rest else 0, microsecond=0)
            return point if point > local else (point.replace(tzinfo=None) + timedelta(days=1)).astimezone()
        point = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time; write '2026-11-21 09:00' or 09:00 ({error})", param_hint="--at") from error
    point = point.astimezone()
    if point < now:
        raise typer.BadParameter(f"{text!r} is over", param_hint="--at")
    return point


def _when(job: Job) -> str:
    point = job.started_at or job.start_at
    if point is None:
        return "as soon as the recorder is free"
    text = f"{point.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"{text}, every {format_duration(job.repeat_s)}" if job.repeat_s else text


def _tell(job: Job, text: str, as_json: bool) -> None:
    typer.echo(job.model_dump_json() if as_json else text)
