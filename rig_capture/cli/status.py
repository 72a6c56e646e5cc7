"""`rig status`: does the rig run, and is it well?"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED, EXIT_NOT_RUNNING
from rig_capture.cli.options import DomainOption, JsonOption, NamespaceOption, RunningProfileOption, named_rig
from rig_capture.nodes.client import NoAnswer, RecorderReport, RigClient, UploaderReport
from rig_capture.nodes.diagnosis import NodeReport
from rig_capture.profiles.units import format_bytes
from rig_capture.running.errors import NotRunning
from rig_capture.running.rig import Rig, find_rig
from rig_capture.running.supervisor import RUNS, ProcessState
from rig_capture.running.usage import Meter, Usage

_LISTEN_S = 6.0
"""Every node reports once a second, but DDS discovery may take a few on a busy machine; it ends when all were heard."""
_LEVELS = {0: ("ok", "green"), 1: ("warning", "yellow"), 2: ("error", "bold red"), 3: ("stale", "bold red")}


@dataclass(frozen=True)
class _Seen:
    """All that one look at a rig tells."""

    rig: Rig
    processes: list[ProcessState]
    starts: dict[str, int]
    usage: dict[int, Usage]
    nodes: dict[str, NodeReport | None]
    recorder: RecorderReport | None
    uploader: UploaderReport | None

    @property
    def well(self) -> bool:
        """Every process runs, every node reports, and none an error."""
        processes = all(process.state in (RUNS, "STARTING") for process in self.processes)
        return processes and all(report is not None and report.level < 2 for report in self.nodes.values())


def status(
    *,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether the rig runs and is well: processes, nodes, recorder, uploader.

    Exit code 0: it runs and is well; 1: something is wrong; 3: it does not run.
    """
    try:
        seen = _look(find_rig(named_rig(profile, namespace, domain)))
    except NotRunning as error:
        typer.echo(json.dumps({"running": False, "well": False, "message": str(error)}) if as_json else str(error))
        raise typer.Exit(EXIT_NOT_RUNNING) from error
    if as_json:
        typer.echo(json.dumps(_as_json(seen), indent=1))
    else:
        _show(seen)
    if not seen.well:
        raise typer.Exit(EXIT_FAILED)


def _look(rig: Rig) -> _Seen:
    processes = rig.processes()
    meter = Meter(process.pid for process in processes if process.pid)
    record = rig.record
    with RigClient(record.namespace, record.domain_id, record.discovery) as client:
        client.wait_for_nodes(record.nodes, _LISTEN_S)
        heard = client.diagnostics()
        recorder = _or_none(client, "recorder") if _has(record.nodes, "recorder") else None
        uploader = _or_none_uploader(client) if _has(record.nodes, "uploader") else None
    return _Seen(rig, processes, rig.starts(), meter.read(), {node: heard.get(node) for node in record.nodes}, recorder, uploader)


def _has(nodes: tuple[str, ...], name: str) -> bool:
    return any(node.endswith(f"/{name}") for node in nodes)


def _or_none(client: RigClient, name: str) -> RecorderReport | None:
    try:
        return client.recorder_status(1.0)
    except NoAnswer:
        return None  # shown as silent, with its diagnostics


def _or_none_uploader(client: RigClient) -> UploaderReport | None:
    try:
        return client.uploader_status(1.0)
    except NoAnswer:
        return None


def _as_json(seen: _Seen) -> dict[str, Any]:
    record = seen.rig.record
    nodes_of = {process.name: process.nodes for process in record.processes}
    return {
        "running": True,
        "well": seen.well,
        "profile": record.profile,
        "namespace": record.namespace,
        "domain_id": record.domain_id,
        "started_at": record.started_at,
        "manager_pid": seen.rig.manager_pid,
        "logs": str(seen.rig.folder.logs),
        "processes": [
            asdict(process)
            | {"nodes": nodes_of.get(process.name, ()), "restarts": max(0, seen.starts.get(process.name, 1) - 1)}
            | (asdict(seen.usage[process.pid]) if process.pid in seen.usage else {"cpu_percent": None, "memory_bytes": None})
            for process in seen.processes
        ],
        "nodes": {name: None if report is None else asdict(report) for name, report in seen.nodes.items()},
        "recorder": None if seen.recorder is None else asdict(seen.recorder),
        "uploader": None if seen.uploader is None else asdict(seen.uploader),
    }


def _show(seen: _Seen) -> None:
    record = seen.rig.record
    out = Console(highlight=False)
    verdict = Text("running and well", "bold green") if seen.well else Text("running, and something is wrong", "bold red")
    place = f"profile {record.profile}, namespace {record.namespace}, domain {record.domain_id}"
    out.print(Text.assemble("rig: ", verdict, f" ({place})"))
    out.print(_process_table(seen))
    for problem in _problems(seen):
        out.print(problem, soft_wrap=True)
    recorder, uploader = seen.recorder, seen.uploader
    if recorder is not None:
        out.print(Text.assemble(("recorder: ", "bold"), recorder_line(recorder)), soft_wrap=True)
    if uploader is not None:
        out.print(Text.assemble(("uploader: ", "bold"), _uploader_line(uploader)), soft_wrap=True)
    out.print(Text(f"logs: {seen.rig.folder.logs}", "dim"), soft_wrap=True)


def _process_table(seen: _Seen) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("node", style="cyan", no_wrap=True)
    table.add_column("health", no_wrap=True, overflow="ellipsis", max_width=20)  # problems are told below, at full length
    for heading in ("pid", "up", "restarts", "CPU", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    nodes_of = {process.name: process.nodes for process in seen.rig.record.processes}
    for process in seen.processes:
        for index, node in enumerate(nodes_of.get(process.name, ())):
            cells = _process_cells(process, seen) if index == 0 else [Text("as above", "dim")]
            table.add_row(node.rsplit("/", 1)[1], _health(seen.nodes.get(node), process), *cells)
    total = sum(usage.memory_bytes for usage in seen.usage.values())
    load = sum(usage.cpu_percent for usage in seen.usage.values())
    table.add_section()
    table.add_row("all", "", "", "", "", f"{load:.0f} %", format_bytes(total), style="bold")
    return table


def _problems(seen: _Seen) -> Iterator[Text]:
    """What is wrong, at full length."""
    state_of = {process.name: process for process in seen.processes}
    for record in seen.rig.record.processes:
        for node in record.nodes:
            report = seen.nodes.get(node)
            if report is None or report.level or not state_of[record.name].pid:
                yield Text.assemble((node, "cyan"), " ", _health(report, state_of[record.name]))


def _process_cells(process: ProcessState, seen: _Seen) -> list[Text]:
    usage = seen.usage.get(process.pid)
    restarts = max(0, seen.starts.get(process.name, 1) - 1)
    return [
        Text(str(process.pid) if process.pid else "–"),
        Text(str(timedelta(seconds=round(process.uptime_s))) if process.pid else "–"),
        Text(str(restarts), "bold yellow" if restarts else ""),
        Text(f"{usage.cpu_percent:.0f} %" if usage else "–"),
        Text(format_bytes(usage.memory_bytes) if usage else "–"),
    ]


def _health(report: NodeReport | None, process: ProcessState) -> Text:
    if process.state != RUNS and not process.pid:
        return Text(f"{process.state.lower()}: {process.detail}", "bold red")
    if report is None:
        return Text(f"silent: no diagnostics for {_LISTEN_S:g} s ({process.state.lower()})", "bold red")
    word, style = _LEVELS.get(report.level, ("?", ""))
    return Text.assemble((word, style), f" {report.message}" if report.message != word else "")


def recorder_line(recorder: RecorderReport) -> str:
    """The recorder's status in one line."""
    free = f"{format_bytes(recorder.free_bytes)} free"
    if not recorder.recording_id:
        return " ".join(filter(None, [recorder.state, recorder.detail and f"({recorder.detail})", f"- {free}"]))
    lost = sum(stream.lost for stream in recorder.streams)
    size = format_bytes(recorder.bytes)
    counts = f"{size}, {len(recorder.streams)} streams, {lost} lost, {free}"
    line = f"{recorder.state} {recorder.recording_id}, {recorder.elapsed_s:.1f} s, {counts}"
    return f"{line} ({recorder.detail})" if recorder.detail else line


def _uploader_line(uploader: UploaderReport) -> str:
    line = f"{uploader.state}, {uploader.queued} queued, {uploader.sessions_done} done, {uploader.sessions_failed} failed"
    if uploader.current:
        done, total = format_bytes(uploader.current_bytes), format_bytes(uploader.current_total)
        line += f"; {uploader.current}: {done} of {total}, {format_bytes(uploader.rate_bytes_s)}/s"
    return f"{line}; last error: {uploader.last_error}" if uploader.last_error else line
