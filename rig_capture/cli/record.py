"""`rig record`: start, stop, cancel a recording, over the recorder's services."""

import json
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from rig_capture.api import client_for, client_of
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
    load,
    named_rig,
)
from rig_capture.cli.signals import stop_signals
from rig_capture.cli.status_page import recorder_line
from rig_capture.nodes.clients.errors import NoAnswer, Refused
from rig_capture.nodes.clients.reports import RecordingReport, SessionReport
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.profiles.units import format_bytes
from rig_capture.running.errors import NotRunning
from rig_capture.running.rig import find_rig

app = typer.Typer(no_args_is_help=True, help="Start, stop, cancel recordings.")

_LOOK_S = 0.2
_END_S = 60.0


@app.command()
def start(
    *,
    label: LabelOption = "",
    participant: ParticipantOption = "",
    testing: TestingOption = False,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Stop after so long; 0: when told to.")] = 0.0,
    topics: TopicsOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="With --seconds: return when the recording has ended.")] = True,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a recording. With --seconds it ends by itself, and the command waits for that; Ctrl-C then stops it early."""
    with _client(profile, namespace, domain) as client:
        report = client.start_recording(label=label, participant=participant, testing_mode=testing, duration_s=seconds, topics=topics or [])
        if not seconds or not wait:
            _tell(report, f"recording {report.recording_id}", as_json)
            return
        with stop_signals() as stop:
            session = wait_for_end(client, report.recording_id, seconds, stop)
        size = format_bytes(session.bytes)
        text = f"{session.state} {session.recording_id} ({session.end_reason}): {session.duration_s:.1f} s, {size}, in {session.path}"
        _tell(session, text, as_json)
    if session.state != "complete":
        raise typer.Exit(EXIT_FAILED)


@app.command()
def stop(
    *, profile: RunningProfileOption = None, namespace: NamespaceOption = None, domain: DomainOption = None, as_json: JsonOption = False
) -> None:
    """Stop the recording; returns when its files are closed on the disk. A large one is finished in the background."""
    with _client(profile, namespace, domain) as client:
        report = client.stop_recording()
    size = format_bytes(report.bytes)
    later = "" if report.message == "complete" else f"; {report.message}; `rig record status` shows more"
    _tell(report, f"recorded {report.recording_id}: {report.duration_s:.1f} s, {size}, in {report.path}{later}", as_json)


@app.command()
def cancel(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data on this machine.")] = False,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the recording without uploading it; its data is removed unless it is kept."""
    with _client(profile, namespace, domain) as client:
        report = client.cancel_recording(keep)
    _tell(report, f"cancelled {report.recording_id}; {f'kept in {report.path}' if report.path else 'its data is removed'}", as_json)


@app.command()
def trigger(
    *,
    label: Annotated[str, typer.Option("--label", help="What happened.")] = "",
    lookback: Annotated[float, typer.Option("--lookback", help="Seconds before now; 0: as the profile says; negative: none.")] = 0.0,
    lookahead: Annotated[float, typer.Option("--lookahead", min=0, help="Seconds after now; 0: as the profile says.")] = 0.0,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save an event: what the recorder's look-back buffer holds of it, and what comes after. Returns at once."""
    with _client(profile, namespace, domain) as client:
        report = client.trigger_recording(label=label, lookback_s=lookback, lookahead_s=lookahead)
    _tell(report, f"recording {report.recording_id}", as_json)


@app.command()
def status(
    *, profile: RunningProfileOption = None, namespace: NamespaceOption = None, domain: DomainOption = None, as_json: JsonOption = False
) -> None:
    """Show what the recorder does."""
    with _client(profile, namespace, domain) as client:
        report = client.recorder_status()
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=1))
        return
    typer.echo(recorder_line(report))
    for stream in report.streams:
        typer.echo(
            f"  {stream.topic}: {stream.messages} messages, {stream.rate_hz:.1f} Hz, {format_bytes(stream.bytes)}, {stream.lost} lost"
        )


def _client(profile: str | None, namespace: str | None, domain: int | None) -> RigClient:
    """A client of the rig that `rig up` started; else, as under `ros2 launch`, of the one that the options or the profile name."""
    try:
        return client_of(find_rig(named_rig(profile, namespace, domain)).record)
    except NotRunning:
        return client_for(load(profile, namespace=namespace, domain_id=domain).profile)


def wait_for_end(client: RigClient, recording_id: str, seconds: float, stop: threading.Event) -> SessionReport:
    """Shows the recording until it has ended by itself after so many seconds, or is stopped early.

    Raises:
        NoAnswer: it did not end.
    """
    deadline = time.monotonic() + seconds + _END_S
    stopping = False
    with recording_progress() as bar:
        task = bar.add_task("", total=seconds)
        while (session := client.wait_for_session(recording_id, _LOOK_S)) is None:
            now = client.recorder_status()
            bar.update(task, completed=now.elapsed_s, description=f"{now.elapsed_s:.0f} of {seconds:g} s, {format_bytes(now.bytes)}")
            if stop.is_set() and not stopping:
                stopping = True
                with suppress(Refused):  # it has just ended by itself
                    client.stop_recording()
            if time.monotonic() > deadline:
                raise NoAnswer(f"{recording_id} did not end within {_END_S:g} s after its time; the recorder is {now.state} ({now.detail})")
    return session


def recording_progress() -> Progress:
    """A bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("recording"), BarColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _tell(report: RecordingReport | SessionReport, text: str, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(report)) if as_json else text)
