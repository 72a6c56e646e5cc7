"""What `rig status` shows: machine, recording, nodes, problems, uploads, battery."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rig_capture.console.place import ConsolePlace
from rig_capture.nodes.clients.reports import RecorderReport, UploaderReport
from rig_capture.nodes.common.diagnosis import NodeReport
from rig_capture.nodes.overview.rig_status import RigStatus
from rig_capture.profiles.units import format_bytes
from rig_capture.running.rig import Rig
from rig_capture.running.supervisor import RUNS, ProcessState
from rig_capture.running.usage import Usage

LISTEN_S = 6.0
"""Every node reports once a second, but DDS discovery may take a few on a busy machine; it ends when all were heard."""
_LEVELS = {0: ("ok", "green"), 1: ("warning", "yellow"), 2: ("error", "bold red"), 3: ("stale", "bold red")}
_NETWORK = {0: "offline", 1: "local network only", 2: "online"}


@dataclass(frozen=True)
class Seen:
    """All that one look at a rig tells."""

    namespace: str
    domain_id: int
    rig: Rig | None
    """None: others started it, such as ros2 launch."""
    processes: list[ProcessState]
    starts: dict[str, int]
    usage: dict[int, Usage]
    nodes: dict[str, NodeReport | None]
    recorder: RecorderReport | None
    uploader: UploaderReport | None
    status: RigStatus | None
    console: ConsolePlace | None = None

    @property
    def well(self) -> bool:
        """Every process runs, every node reports, and none an error."""
        processes = all(process.state in (RUNS, "STARTING") for process in self.processes)
        return processes and all(report is not None and report.level < 2 for report in self.nodes.values())


def page(seen: Seen) -> RenderableType:
    """The page in the terminal."""
    return Group(*_parts(seen))


def _parts(seen: Seen) -> Iterator[RenderableType]:
    verdict = Text("running and well", "bold green") if seen.well else Text("running, and something is wrong", "bold red")
    origin = f"profile {seen.rig.record.profile}" if seen.rig is not None else "not started by rig up"
    domain = f", domain {seen.domain_id}" if seen.domain_id >= 0 else ""
    yield Text.assemble("rig: ", verdict, f" ({origin}, namespace {seen.namespace}{domain})")
    status = seen.status
    if status is not None:
        yield _line("machine", _machine(status))
    if seen.recorder is not None:
        yield _line("recorder", recorder_line(seen.recorder))
    if status is not None and len(hosts := _hosts(status)) > 1:
        yield _line("hosts", "; ".join(hosts))
    yield _process_table(seen) if seen.rig is not None else _node_table(seen)
    problems = list(_problems(seen))
    if problems:
        yield Text("problems:", "bold red")
        yield from problems
    if seen.uploader is not None:
        yield _line("uploader", _uploader_line(seen.uploader))
    if status is not None and status.has_battery:
        yield _line("battery", _battery(status))
    if seen.console is not None:
        yield _line("console", seen.console.url)
    if seen.rig is not None:
        yield Text(f"logs: {seen.rig.folder.logs}", "dim")


def _line(heading: str, text: str) -> Text:
    return Text.assemble((f"{heading}: ", "bold"), text)


def _machine(status: RigStatus) -> str:
    heat = "" if status.cpu_temperature is None else f", {status.cpu_temperature:.0f} °C"
    wireless = "" if not status.ssid else f" ({status.ssid}" + ("" if status.signal_dbm is None else f" {status.signal_dbm:.0f} dBm") + ")"
    return (
        f"{status.host}, CPU {status.cpu_percent:.0f} %{heat}, load {status.load_1min:.1f}, "
        f"memory {format_bytes(status.memory_available)} of {format_bytes(status.memory_total)} free, "
        f"disk {format_bytes(status.storage_available)} of {format_bytes(status.storage_total)} free, "
        f"network {_NETWORK.get(status.network, '?')}{wireless}"
    )


def _hosts(status: RigStatus) -> list[str]:
    """Each machine of which nodes are heard, or were, and how many there are; and those never heard."""
    nodes_of: dict[str, list[int]] = {}
    for node in status.nodes:
        nodes_of.setdefault(node.host or "never heard", []).append(node.level)
    return [f"{host} {_counted(levels)}" for host, levels in nodes_of.items()]


def _counted(levels: list[int]) -> str:
    bad = [f"{levels.count(level)} {word}" for level, (word, _) in _LEVELS.items() if level > 1 and level in levels]
    return ", ".join([f"{len(levels)} node{'s' if len(levels) > 1 else ''}", *bad])


def _battery(status: RigStatus) -> str:
    parts = [
        "" if status.battery_percent is None else f"{status.battery_percent:.0f} %",
        "" if status.battery_voltage is None else f"{status.battery_voltage:.2f} V",
        "" if status.battery_power is None else f"{status.battery_power:+.1f} W",
        "charging" if status.battery_charging else "",
    ]
    return ", ".join(filter(None, parts))


def _columns() -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("node", style="cyan", no_wrap=True)
    table.add_column("health", no_wrap=True, overflow="ellipsis", max_width=20)  # problems are told below, at full length
    for heading in ("pid", "up", "restarts", "CPU", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _process_table(seen: Seen) -> Table:
    assert seen.rig is not None
    table = _columns()
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


def _node_table(seen: Seen) -> Table:
    table = _columns()
    for node in seen.status.nodes if seen.status is not None else ():
        usage = seen.usage.get(node.pid)
        up = "–" if node.started_at is None or seen.status is None else str(_whole_seconds(seen.status.stamp - node.started_at))
        cells = [
            str(node.pid or "–"),
            up,
            "–",
            *((f"{usage.cpu_percent:.0f} %", format_bytes(usage.memory_bytes)) if usage else ("–", "–")),
        ]
        table.add_row(node.name.rsplit("/", 1)[1], _word(seen.nodes[node.name]), *cells)
    return table


def _whole_seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=round(duration.total_seconds()))


def _problems(seen: Seen) -> Iterator[Text]:
    """What is wrong, at full length."""
    told = seen.status.problems if seen.status is not None else ()
    if seen.rig is not None:
        state_of = {process.name: process for process in seen.processes}
        for record in seen.rig.record.processes:
            for node in record.nodes:
                report = seen.nodes.get(node)
                if report is None or report.level or not state_of[record.name].pid:
                    yield Text.assemble((node, "cyan"), " ", _health(report, state_of[record.name]))
                    told = tuple(problem for problem in told if not problem.startswith(f"{node}: {report.message if report else ''}"))
    for problem in told:
        yield Text(problem, "red")


def _process_cells(process: ProcessState, seen: Seen) -> list[Text]:
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
        return Text(f"silent: no diagnostics for {LISTEN_S:g} s ({process.state.lower()})", "bold red")
    return _word(report)


def _word(report: NodeReport | None) -> Text:
    if report is None:
        return Text("silent", "bold red")
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
