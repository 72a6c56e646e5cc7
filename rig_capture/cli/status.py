"""`rig status`: does the rig run, and is it well?"""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.live import Live

from rig_capture.api import LAUNCHED_S, client_of
from rig_capture.cli import status_page
from rig_capture.cli.exits import EXIT_FAILED, EXIT_NOT_RUNNING
from rig_capture.cli.options import DomainOption, JsonOption, NamespaceOption, RunningProfileOption, named_rig
from rig_capture.cli.signals import stop_signals
from rig_capture.cli.status_page import LISTEN_S, Seen
from rig_capture.console.place import console_place
from rig_capture.nodes.clients.errors import NoAnswer
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.nodes.common.diagnosis import NodeReport
from rig_capture.nodes.overview.rig_status import RigStatus, read_status
from rig_capture.profiles.places import runtime_dir
from rig_capture.running.errors import NotRunning, SeveralRunning
from rig_capture.running.folder import RigFolder
from rig_capture.running.rig import Rig, find_rig
from rig_capture.running.usage import Meter

T = TypeVar("T")

_FRESH_S = 10.0
"""A status file that is older was left by a rig that was killed."""


@dataclass(frozen=True)
class _Place:
    """Where a rig is; `rig` where `rig up` started it."""

    namespace: str
    domain_id: int
    rig: Rig | None = None


def status(
    *,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew every second, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show whether the rig runs and is well: machine, recording, nodes, problems, uploads, battery.

    Rigs that `ros2 launch` started are shown, too. Exit code 0: it runs and is well; 1: something is wrong; 3: it does not run.
    """
    try:
        place = _find(named_rig(profile, namespace, domain))
        with client_of(place.rig.record) if place.rig is not None else RigClient(place.namespace, place.domain_id) as client:
            seen = _watch(place, client) if watch and not as_json else _look(place, client)
    except NotRunning as error:
        typer.echo(json.dumps({"running": False, "well": False, "message": str(error)}) if as_json else str(error))
        raise typer.Exit(EXIT_NOT_RUNNING) from error
    if as_json:
        typer.echo(json.dumps(_as_json(seen), indent=1))
    elif not watch:
        Console(highlight=False).print(status_page.page(seen), soft_wrap=True)
    if not seen.well:
        raise typer.Exit(EXIT_FAILED)


def _find(folder: RigFolder | None) -> _Place:
    """A rig of `rig up`, else one that writes its status file, else one whose status topic may be heard. Raises NotRunning."""
    try:
        rig = find_rig(folder)
        record = rig.record
        return _Place(record.namespace, record.domain_id, rig)
    except NotRunning:
        files = [folder.path / "status.json"] if folder is not None else sorted(runtime_dir().glob("*/status.json"))
    found = {file.parent.name: told for file in files if (told := read_status(file)) is not None and told.age_s < _FRESH_S}
    if len(found) > 1:
        names = ", ".join(found)
        raise SeveralRunning(f"several rigs are running ({names}); name one with --profile, or --namespace and --domain")
    for key, told in found.items():
        return _Place(told.namespace, int(key.rpartition("-")[2]))
    key = folder.path.name if folder is not None else ""
    name, _, domain_id = key.rpartition("-")
    return _Place("/" + name.replace(".", "/") if name not in ("", "root") else "/", int(domain_id) if domain_id else -1)


def _look(place: _Place, client: RigClient) -> Seen:
    if place.rig is None:
        return _look_at_launched(place, client)
    rig, record = place.rig, place.rig.record
    processes = rig.processes()
    meter = Meter(process.pid for process in processes if process.pid)
    client.wait_for_nodes(record.nodes, LISTEN_S)
    heard = client.diagnostics()
    return Seen(
        namespace=record.namespace,
        domain_id=record.domain_id,
        rig=rig,
        processes=processes,
        starts=rig.starts(),
        usage=meter.read(),
        nodes={node: heard.get(node) for node in record.nodes},
        recorder=_or_none(client.recorder_status, record.nodes, "recorder"),
        uploader=_or_none(client.uploader_status, record.nodes, "uploader"),
        console=console_place(place.namespace, place.domain_id),
        status=_or_none(client.rig_status, record.nodes, "status"),
    )


def _look_at_launched(place: _Place, client: RigClient) -> Seen:
    """Of a rig that others started, its status node is what is to be relied on."""
    try:
        told = client.rig_status(LAUNCHED_S)
    except NoAnswer:
        told = None
    if told is None or told.age_s > _FRESH_S:
        raise NotRunning(f"no rig is running in namespace {place.namespace}, and none tells its status; start one with `rig up`")
    names = tuple(node.name for node in told.nodes)
    meter = Meter(node.pid for node in told.nodes if node.pid and node.level < 3)
    return Seen(
        namespace=place.namespace,
        domain_id=place.domain_id,
        rig=None,
        processes=[],
        starts={},
        usage=meter.read() if _is_here(told) else {},
        nodes={
            node.name: NodeReport(node.name, node.level, node.message, {"pid": str(node.pid)}, node.age_s or 0.0) for node in told.nodes
        },
        recorder=_or_none(client.recorder_status, names, "recorder"),
        uploader=_or_none(client.uploader_status, names, "uploader"),
        console=console_place(place.namespace, place.domain_id) if _is_here(told) else None,
        status=told,
    )


def _is_here(told: RigStatus) -> bool:
    from rig_capture.recorder.identity import node_id

    return told.node_id == node_id()


def _or_none(ask: Callable[[float], T], nodes: tuple[str, ...], name: str) -> T | None:
    """What a node says of itself; None where it is no part of the rig, or silent, which its diagnostics show."""
    if not any(node.endswith(f"/{name}") for node in nodes):
        return None
    try:
        return ask(1.0)
    except NoAnswer:
        return None


def _watch(place: _Place, client: RigClient) -> Seen:
    """Shows it until it is asked to end; returns what was seen last."""
    with stop_signals() as stop:
        seen = _look(place, client)
        with Live(status_page.page(seen), console=Console(highlight=False), auto_refresh=False, screen=False) as live:
            while not _rested(stop):
                seen = _look(place, client)
                live.update(status_page.page(seen), refresh=True)
    return seen


def _rested(stop: threading.Event) -> bool:
    return stop.wait(1.0)


def _as_json(seen: Seen) -> dict[str, Any]:
    record = seen.rig.record if seen.rig is not None else None
    nodes_of = {process.name: process.nodes for process in record.processes} if record is not None else {}
    return {
        "running": True,
        "well": seen.well,
        "profile": record.profile if record is not None else None,
        "namespace": seen.namespace,
        "domain_id": seen.domain_id,
        "started_at": record.started_at if record is not None else None,
        "manager_pid": seen.rig.manager_pid if seen.rig is not None else None,
        "logs": str(seen.rig.folder.logs) if seen.rig is not None else None,
        "processes": [
            asdict(process)
            | {"nodes": nodes_of.get(process.name, ()), "restarts": max(0, seen.starts.get(process.name, 1) - 1)}
            | (asdict(seen.usage[process.pid]) if process.pid in seen.usage else {"cpu_percent": None, "memory_bytes": None})
            for process in seen.processes
        ],
        "nodes": {name: None if report is None else asdict(report) for name, report in seen.nodes.items()},
        "recorder": None if seen.recorder is None else asdict(seen.recorder),
        "uploader": None if seen.uploader is None else asdict(seen.uploader),
        "console": None if seen.console is None else asdict(seen.console),
        "machine": None if seen.status is None else seen.status.model_dump(mode="json"),
    }
