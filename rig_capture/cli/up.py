"""`rig up`: start a rig, in the foreground with its log lines or in the background once it is really up."""

import threading
import zlib
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.cli.options import DomainOption, HostOption, NamespaceOption, ProfileOption, SetOption, StoragePathOption, load
from rig_capture.cli.signals import stop_signals
from rig_capture.console.place import console_place
from rig_capture.profiles.files import check_files
from rig_capture.profiles.host import on_this_machine
from rig_capture.running.errors import NotRunning
from rig_capture.running.rig import Rig, start_rig
from rig_capture.running.supervisor import ENDED, RUNS, ProcessState

_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta", "bright_blue")
_LOOK_S = 0.1
_LOOKS_PER_STATE = 10
"""The process manager is asked less often than the logs are read."""


def up(
    *,
    profile: ProfileOption = None,
    background: Annotated[bool, typer.Option("--background", "-b", help="Return once every node reports itself.")] = False,
    settings: SetOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    host: HostOption = None,
    storage_path: StoragePathOption = None,
    foxglove: Annotated[bool, typer.Option("--foxglove", help="Serve Foxglove, where the profile does not say so already.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Longest wait in seconds for all nodes (--background).")] = 60.0,
) -> None:
    """Start a rig: all nodes of a profile, or of a rig of several machines those of this one, each started again when it fails.

    In the foreground the log lines of all nodes are shown until Ctrl-C, which stops everything in order. With --background
    the command returns once every node has reported itself, or stops all and names the node that failed.
    """
    path = None if storage_path is None else str(storage_path.expanduser().absolute())
    loaded = on_this_machine(
        load(profile, settings, namespace=namespace, domain_id=domain, host=host, storage_path=path, foxglove="{}" if foxglove else None)
    )
    check_files(loaded)
    with stop_signals() as stop:
        rig = start_rig(loaded)
        if background:
            _confirm(rig, timeout, stop)
        else:
            _Foreground(rig, stop).run()


def _confirm(rig: Rig, timeout_s: float, stop: threading.Event) -> None:
    from rig_capture.api import client_of

    record = rig.record
    try:
        with client_of(record) as client:
            rig.wait_until_up(client, timeout_s, stop)
    except BaseException:
        rig.stop()
        raise
    if stop.is_set():
        rig.stop()
        raise typer.Exit(EXIT_FAILED)
    what = f"the rig's host {record.host}" if record.host else "the rig"
    typer.echo(f"{what} is up: {len(record.nodes)} nodes in {len(record.processes)} processes; `rig status` shows it, `rig down` stops it")
    console = console_place(record.namespace, record.domain_id)
    if console is not None:
        typer.echo(f"console: {console.url}")


class _Foreground:
    """Shows what all nodes say until the rig ends or is to end."""

    def __init__(self, rig: Rig, stop: threading.Event) -> None:
        self._rig = rig
        self._stop = stop
        self._follower = rig.follower()
        self._console = Console(highlight=False, soft_wrap=True)
        self._width = max(len(process.name) for process in rig.record.processes)
        self._states: dict[str, ProcessState] = {}
        self._all_ran = False

    def run(self) -> None:
        """Returns after a clean stop, also one by `rig down`."""
        try:
            self._watch()
        except BaseException:
            self._rig.stop()
            raise
        if self._stop.is_set():
            self._say("stopping")
        self._rig.ask_to_stop()
        self._rig.wait_stopped(while_waiting=self._show_lines)
        self._follower.close()
        self._say("stopped")

    def _watch(self) -> None:
        self._say(f"profile {self._rig.record.profile}, {len(self._rig.record.nodes)} nodes; logs in {self._rig.folder.logs}; Ctrl-C stops")
        looks = 0
        while self._rig.runs() and not self._stop.wait(_LOOK_S):
            self._show_lines()
            if looks % _LOOKS_PER_STATE == 0:
                self._show_states()
            looks += 1

    def _show_lines(self) -> None:
        for name, line in self._follower.lines():
            self._print(name, line)

    def _show_states(self) -> None:
        try:
            processes = self._rig.processes()
        except NotRunning:
            return
        for process in processes:
            before = self._states.get(process.name)
            if process.state in ENDED and (before is None or before.state != process.state):
                self._say(f"{process.name} ended: {process.detail} ({process.state.lower()})", "bold red")
            elif before is not None and process.pid and before.pid and process.pid != before.pid:
                self._say(f"{process.name} was started again", "bold yellow")
            self._states[process.name] = process
        if not self._all_ran and all(process.state == RUNS for process in processes):
            self._all_ran = True
            self._say("all processes run", "bold green")

    def _say(self, text: str, style: str = "bold") -> None:
        self._print("rig", text, style)

    def _print(self, name: str, line: str, style: str = "") -> None:
        colour = "bold" if name == "rig" else _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]
        text = Text(f"{name:<{self._width}} | ", style=colour)
        text.append(Text.from_ansi(line, style=style or _style(line)))
        self._console.print(text)


def _style(line: str) -> str:
    head = line[:120]
    if "ERROR" in head or "FATAL" in head or "CRITICAL" in head or head.startswith(("error:", "Traceback")):
        return "red"
    return "yellow" if "WARN" in head else ""
