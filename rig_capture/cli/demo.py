"""`rig demo`: the main job from end to end, with real nodes, on a rig without hardware."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from rig_capture.api import client_of
from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.cli.options import JsonOption, SetOption, assignments
from rig_capture.cli.summary import session_summary, streams_json
from rig_capture.cli.verify import verify_with_progress
from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.keys import node_name
from rig_capture.nodes.clients.reports import RecorderReport, UploaderReport
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.profiles.files import check_files
from rig_capture.profiles.load import LoadedProfile, load_profile
from rig_capture.profiles.places import data_dir
from rig_capture.profiles.units import format_bytes
from rig_capture.recorder.verify.verify import Verdict
from rig_capture.running.rig import start_rig
from rig_capture.session.manifest import Manifest, read_manifest

_UP_S = 60.0
_UPLOAD_S = 120.0
_LOOK_S = 0.2
_DOMAINS = (10, 50)
"""Where ROS_DOMAIN_ID is not set, the demo takes one of these, so that it meets no other rig."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo made."""

    manifest: Manifest
    session: Path
    verdict: Verdict
    uploaded: UploaderReport
    files_uploaded: int

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {
            "recording_id": self.manifest.recording_id,
            "session": str(self.session),
            "store": self.uploaded.store,
            "catalog": self.uploaded.catalog,
            "streams": streams_json(self.manifest),
            "files_uploaded": self.files_uploaded,
            "whole": self.verdict.whole,
            "damages": self.verdict.damages,
        }


def demo(
    *,
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, help="How long to record.")] = 10.0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for sessions, object store and catalog.")] = None,
    camera: Annotated[str, typer.Option("--camera", help="A video file or RTSP address whose frames the front camera delivers.")] = "",
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the main job: start a rig, record, stop, upload, verify, and show what came of it.

    The rig is the packaged profile `sim`: every sensor is synthetic, every node, topic, file and upload is real.
    Exit code 0 only if the session is whole and has reached the object store and the catalog.
    """
    folder = (out or data_dir() / "demo").expanduser().absolute()
    loaded = _profile(folder, camera, settings)
    check_files(loaded)
    steps = Progress(
        SpinnerColumn(finished_text="[green]✔[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=as_json or not Console(stderr=True).is_terminal,
    )
    with steps, _ended_by_signals() as ending:
        result = _run(loaded, seconds, steps, ending)
    if result is None:
        raise typer.Exit(EXIT_FAILED)
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=1))
    else:
        show(result, Console())
    if not result.verdict.whole:
        raise typer.Exit(EXIT_FAILED)


def show(result: DemoResult, console: Console) -> None:
    """Prints the summary."""
    session = result.session
    chunk = next((entry.path for entry in result.manifest.files if entry.kind == "video"), "")
    places = [
        ("session", str(session)),
        ("store", f"{result.uploaded.store}  ({result.files_uploaded} files)"),
        ("catalog", result.uploaded.catalog),
        ("", ""),
        ("check it", f"./rig verify {session}"),
        ("watch it", f"ffplay {session / chunk}"),
        ("topics", f"ros2 bag info {session / 'bag'}"),
        ("in Foxglove", f"open {session / 'bag' / 'bag_0.mcap'}"),
    ]
    console.print(session_summary(result.manifest, result.verdict, places), highlight=False, crop=False)


def _run(loaded: LoadedProfile, seconds: float, steps: Progress, ending: threading.Event) -> DemoResult | None:
    """All steps in order; None where a signal ended them early. The rig is stopped in any case."""
    with _step(steps, f"starting the rig ({loaded.name})"):
        rig = start_rig(loaded)
    try:
        record = rig.record
        with client_of(record) as client:
            with _step(steps, f"waiting for {len(record.nodes)} nodes"):
                rig.wait_until_up(client, _UP_S, ending)
            session, uploaded = _record_and_upload(client, seconds, steps, ending)
    finally:
        with _step(steps, "stopping the rig"):
            rig.stop()
    if ending.is_set():
        return None
    verdict = verify_with_progress(session)
    manifest = read_manifest(session)
    with Catalog(uploaded.catalog) as catalog:
        files = catalog.files(manifest.recording_hash, node_name(manifest))
    return DemoResult(manifest, session, verdict, uploaded, len(files))


def _record_and_upload(client: RigClient, seconds: float, steps: Progress, ending: threading.Event) -> tuple[Path, UploaderReport]:
    with _step(steps, "start_recording: waiting for every device"):
        started = client.start_recording(label="demo")
    task = steps.add_task("recording", total=seconds)
    while not ending.is_set():
        status = client.recorder_status()
        steps.update(task, completed=min(status.elapsed_s, seconds), description=_live(status))
        if status.elapsed_s >= seconds or not status.recording_id:
            break
        ending.wait(min(_LOOK_S, max(0.0, seconds - status.elapsed_s)))
    with _step(steps, "stop_recording"):
        client.stop_recording()
    with _step(steps, "uploading into the object store and the catalog"):
        uploaded = client.wait_for_upload(started.recording_id, _UPLOAD_S)
    return Path(started.path), uploaded


def _live(status: RecorderReport) -> str:
    lost = sum(stream.lost for stream in status.streams)
    return f"recording {len(status.streams)} streams, {format_bytes(status.bytes)}, {lost} lost"


def _profile(folder: Path, camera: str, settings: list[str] | None) -> LoadedProfile:
    low, high = _DOMAINS
    overrides: dict[str, Any] = {
        "storage_path": str(folder / "sessions"),
        "store": str(folder / "store"),
        "catalog": str(folder / "catalog.db"),
        "domain_id": int(os.environ.get("ROS_DOMAIN_ID") or low + os.getpid() % (high - low)),
    }
    if camera:
        overrides["cameras.camera_front.driver"] = _driver_of(camera)
        overrides["cameras.camera_front.source"] = camera if "://" in camera else str(Path(camera).expanduser().absolute())
        overrides |= {"cameras.camera_front.width": 0, "cameras.camera_front.height": 0, "cameras.camera_front.fps": 0.0}
    return load_profile("sim", overrides=overrides | assignments(settings))


def _driver_of(camera: str) -> str:
    if camera.startswith(("rtsp://", "rtsps://")):
        return "rtsp"
    if not Path(camera).expanduser().is_file():
        raise typer.BadParameter(f"{camera}: no such video file, and no rtsp:// address", param_hint="--camera")
    return "file"


@contextmanager
def _step(steps: Progress, description: str) -> Iterator[None]:
    """Shows one step while it runs, and that it is done."""
    task = steps.add_task(description, total=None)
    yield
    steps.update(task, total=1, completed=1)


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM ask to end; the recording is stopped and the rig is shut down in order."""
    ending = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        ending.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
