"""`rig sync-test`: how far apart are the stamps of sound and pictures, and of cameras?"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import av
import typer
from rich.console import Console
from rich.table import Table

from rig_capture.cli.capture import capture_session
from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import (
    DomainOption,
    JsonOption,
    NamespaceOption,
    ProfileOption,
    SetOption,
    StoragePathOption,
    length,
    named_rig,
    profile_of_rig,
)
from rig_capture.cli.signals import stop_signals
from rig_capture.nodes.clients.reports import RecordingReport
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.profiles.load import LoadedProfile
from rig_capture.reading.common_clock import common_clock
from rig_capture.reading.session import ClockChoice, open_session
from rig_capture.reporting.sync.film import write_film
from rig_capture.reporting.sync.measure import SyncReport, drift_told, measure_sync
from rig_capture.reporting.sync.page import render_sync
from rig_capture.running.errors import NotRunning
from rig_capture.running.rig import find_rig
from rig_capture.sensing.flash_beep import BEEP_HZ
from rig_capture.session.atomic import write_atomic
from rig_capture.session.errors import ManifestError, SessionError

_LEAD_S = 2.0
"""A film is so much longer than the recording."""


def sync_test(
    session: Annotated[
        Path | None, typer.Argument(metavar="[SESSION]", help="A session that has flashes and beeps; without, one is recorded.")
    ] = None,
    *,
    seconds: Annotated[str, typer.Option("--seconds", "-s", metavar="TIME", help="How long is recorded.")] = "15",
    screen: Annotated[
        bool, typer.Option("--screen", help="Flash and beep on this machine's screen and loudspeaker meanwhile (needs ffplay).")
    ] = False,
    film: Annotated[
        Path | None, typer.Option("--film", metavar="FILE", help="Only write the film that --screen plays, such as for a phone: FILE.mp4.")
    ] = None,
    clock: Annotated[
        ClockChoice, typer.Option("--clock", help="Stamps on one clock of all hosts, or as each host's own had them.")
    ] = "common",
    beep_hz: Annotated[float, typer.Option("--beep-hz", min=50, max=20000, help="Frequency of the beep.")] = BEEP_HZ,
    limit: Annotated[
        float | None, typer.Option("--limit", metavar="MS", min=0, help="Exit with 1 where a median is farther from 0 than this.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where the page goes; ./NAME.sync.html otherwise.")] = None,
    profile: ProfileOption = None,
    settings: SetOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    storage_path: StoragePathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the same flashes and beeps in all streams of a session, and say how far apart their stamps are.

    Without a session one is recorded, with the rig that is up or one that is started for it; synthetic cameras and microphones of a rig
    that is started flash and beep by themselves. Exit code 0: measured; 1: no flash or beep was found, or --limit is passed; 2: the call
    is wrong, or it is no session.
    """
    if film is not None:
        _write_film(film, length(seconds, "--seconds"))
        return
    if session is None:
        session = _record(profile_for_test(profile, settings, namespace, domain, storage_path), length(seconds, "--seconds"), screen=screen)
    elif screen or settings or profile:
        raise typer.BadParameter("they are for a recording; leave them out, or SESSION", param_hint="--screen, --set, --profile")
    report = _measured(session, beep_hz, clock)
    if out is None and not as_json:
        out = Path(f"{session.resolve().name}.sync.html")
    if out is not None:
        try:
            write_atomic(out, render_sync(report).encode())
        except OSError as error:
            raise typer.BadParameter(f"{out}: can't be written: {error}", param_hint="--out") from error
    if as_json:
        typer.echo(report.model_dump_json(indent=1))
    else:
        _show(report)
        typer.echo(f"{out}")
    if limit is not None and any(abs(pair.apart_ms.median) > limit for pair in report.pairs):
        typer.echo(f"a median is more than {limit:g} ms from 0", err=True)
        raise typer.Exit(EXIT_FAILED)


def profile_for_test(
    profile: str | None, settings: list[str] | None, namespace: str | None, domain: int | None, storage_path: Path | None
) -> LoadedProfile:
    """The profile of the rig that is meant; of one that is to be started, with synthetic devices that flash and beep."""
    path = None if storage_path is None else str(storage_path.expanduser().absolute())
    loaded = profile_of_rig(profile, settings, namespace=namespace, domain_id=domain, storage_path=path)
    try:
        find_rig(named_rig(profile, namespace, domain))
        return loaded
    except NotRunning:
        rig = loaded.profile
    names = [f"cameras.{name}" for name, camera in rig.cameras.items() if camera.driver == "synthetic"]
    names += [f"microphones.{name}" for name, microphone in rig.microphones.items() if microphone.driver == "synthetic"]
    # First, so that a --set of the user's counts.
    flashing = [f"{name}.pattern=flash_beep" for name in names]
    return profile_of_rig(profile, [*flashing, *(settings or [])], namespace=namespace, domain_id=domain, storage_path=path)


def _record(loaded: LoadedProfile, seconds: float, *, screen: bool) -> Path:
    def begin(client: RigClient) -> RecordingReport:
        return client.start_recording(label="sync test", testing_mode=True, duration_s=seconds)

    with stop_signals() as stop, _shown(seconds) if screen else _nothing():
        recorded = capture_session(loaded, seconds, begin, stop)
    return Path(recorded.path)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _shown(seconds: float) -> Iterator[None]:
    """Flashes and beeps while the block runs, again and again."""
    player = shutil.which("ffplay")
    if player is None:
        raise typer.BadParameter("ffplay is not installed; run: sudo apt-get install ffmpeg", param_hint="--screen")
    with tempfile.TemporaryDirectory(prefix="rig-sync-") as folder:
        path = Path(folder) / "film.mp4"
        _write_film(path, seconds + _LEAD_S)
        with subprocess.Popen(
            [player, "-fs", "-loop", "0", "-loglevel", "error", str(path)], stdin=subprocess.DEVNULL, start_new_session=True
        ) as process:
            try:
                yield
                if process.poll() is not None:
                    raise SessionError(f"ffplay ended by itself with code {process.returncode}; is there a screen? ($DISPLAY)")
            finally:
                process.terminate()


def _write_film(path: Path, seconds: float) -> None:
    try:
        write_film(path, seconds)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise typer.BadParameter(f"{path}: can't be written: {error}; write it as FILE.mp4", param_hint="--film") from error


def _measured(path: Path, beep_hz: float, clock: ClockChoice) -> SyncReport:
    console = Console(stderr=True)
    try:
        opened = open_session(path)
        notes: tuple[str, ...] = ()
        if clock == "common":
            lack = common_clock(opened.manifest)[1]
            clock, notes = ("host", (f"stamps are as each host's own clock had them: {lack}",)) if lack else ("common", ())
            opened = open_session(path, clock=clock)
    except ManifestError as error:
        console.print(f"[red]✘[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_USAGE) from error
    with console.status("looking for flashes and beeps"):
        return measure_sync(opened, beep_hz, clock, notes)


def _show(report: SyncReport) -> None:
    table = Table(title=f"{report.session}: {report.events} events", title_justify="left")
    for heading in ("first", "second"):
        table.add_column(heading, overflow="fold")
    for heading in ("median", "95 % within", "drift"):
        table.add_column(heading, no_wrap=True)
    for pair in report.pairs:
        apart = pair.apart_ms
        table.add_row(pair.first, pair.second, f"{apart.median:+.3f} ms", f"{apart.p95:.3f} ms", drift_told(apart))
    console = Console()
    console.print(table)
    for note in report.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
