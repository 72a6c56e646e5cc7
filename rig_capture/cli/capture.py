"""`rig capture`: so many seconds into a session, from a script that need not care whether a rig is up."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rig_capture.api import rig_of
from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.cli.options import (
    DomainOption,
    JsonOption,
    LabelOption,
    NamespaceOption,
    ParticipantOption,
    ProfileOption,
    SetOption,
    StoragePathOption,
    TestingOption,
    TopicsOption,
    length,
    profile_of_rig,
)
from rig_capture.cli.record import wait_for_end
from rig_capture.cli.signals import stop_signals
from rig_capture.cli.summary import stream_table, streams_json
from rig_capture.nodes.clients.reports import RecordingReport, SessionReport
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.profiles.load import LoadedProfile
from rig_capture.profiles.units import format_bytes
from rig_capture.session.manifest import read_manifest

_WHOLE = frozenset({"duration", "stopped"})
"""How a session ends that somebody wanted to end."""


def capture(
    *,
    seconds: Annotated[str, typer.Option("--seconds", "-s", metavar="TIME", help="How long: seconds, or such as 10m or 1h30m.")],
    label: LabelOption = "",
    participant: ParticipantOption = "",
    testing: TestingOption = False,
    topics: TopicsOption = None,
    profile: ProfileOption = None,
    settings: SetOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    storage_path: StoragePathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record for so long into a session, and tell what came of it.

    The rig that is up is used; where none is, one is started for this recording and stopped after it. Ctrl-C ends the recording
    early and keeps what there is. Exit code 0: the session is complete on the disk; 1: it is not, or could not be begun.
    """
    duration_s = length(seconds, "--seconds")
    if duration_s <= 0:
        raise typer.BadParameter("must be more than 0", param_hint="--seconds")
    path = None if storage_path is None else str(storage_path.expanduser().absolute())
    loaded = profile_of_rig(profile, settings, namespace=namespace, domain_id=domain, storage_path=path)

    def begin(client: RigClient) -> RecordingReport:
        return client.start_recording(
            label=label, participant=participant, testing_mode=testing, duration_s=duration_s, topics=topics or []
        )

    with stop_signals() as stop:
        session = capture_session(loaded, duration_s, begin, stop)
    _tell(session, as_json)
    if session.state != "complete" or session.end_reason not in _WHOLE:
        raise typer.Exit(EXIT_FAILED)


def capture_session(
    loaded: LoadedProfile, seconds: float, begin: Callable[[RigClient], RecordingReport], stop: threading.Event
) -> SessionReport:
    """Records with the rig of a profile, which is started for it where it is not up.

    Args:
        loaded: the profile.
        seconds: how long it takes.
        begin: starts the recording.
        stop: set by who ends it early.
    """
    with Console(stderr=True).status("starting the rig") as shown, rig_of(loaded, stop) as used:
        if stop.is_set():
            raise typer.Exit(EXIT_FAILED)
        shown.update("waiting for every device")
        started = begin(used.client)
        shown.stop()
        session = wait_for_end(used.client, started.recording_id, seconds, stop)
        if used.started_here:
            shown.update("stopping the rig")
            shown.start()
    return session


def _tell(session: SessionReport, as_json: bool) -> None:
    manifest = read_manifest(Path(session.path))
    if as_json:
        typer.echo(json.dumps(asdict(session) | {"streams": streams_json(manifest)}, indent=1))
        return
    typer.echo(
        f"{session.state} {session.recording_id} ({session.end_reason}): {session.duration_s:.1f} s, {format_bytes(session.bytes)}, "
        f"in {session.path}"
    )
    Console().print(stream_table(manifest))
