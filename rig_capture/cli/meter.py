"""`rig meter`: how loud it is, at a running rig, at a profile's devices, or in a file."""

import contextlib
import threading
import time
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import pydantic_core
import typer
from rich.console import Console
from rich.live import Live

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.meter_file import measure_file, show_file
from rig_capture.cli.meter_screen import PeakHold, screen
from rig_capture.cli.options import DomainOption, JsonOption, NamespaceOption, RunningProfileOption, load, named_rig
from rig_capture.cli.signals import stop_signals
from rig_capture.nodes.clients.sound import SoundClient
from rig_capture.profiles.dds import dds_variables
from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.running.errors import NotRunning
from rig_capture.running.folder import domain_of
from rig_capture.running.rig import find_rig
from rig_capture.sensing.audio import make_driver
from rig_capture.sensing.audio.block import AudioBlock
from rig_capture.sensing.audio.levels import BlockMeter, Levels
from rig_capture.sensing.device import DeviceLoop

_FIRST_S = 10.0
"""Longest wait for the first levels: a device is opened, DDS finds its peers."""
_LOOK_S = 5.0
"""So long a rig that is up is looked for; DDS finds it within a second, save on a busy machine."""
_RATE_HZ = 10


def meter(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Sources of sound; none: all.")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Go on until Ctrl-C.")] = False,
    file: Annotated[Path | None, typer.Option("--file", help="Measure a file instead: WAV, Opus, Matroska, any that FFmpeg knows.")] = None,
    device: Annotated[bool, typer.Option("--device", help="Straight from the devices of the profile, without looking for a rig.")] = False,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how loud it is: of a running rig, else straight from the microphones of the profile.

    Levels are in dBFS (a full-scale sine has an RMS of -3.0). With --json a level that is silence is null; with --live there is one
    line per measurement. Exit code 1: a source delivers nothing.
    """
    if file is not None:
        measured = measure_file(file)
        typer.echo(_to_json(measured, indent=1)) if as_json else show_file(measured)
        return
    board = Board()
    with stop_signals() as stop, contextlib.ExitStack() as stack:
        if device or not _from_rig(board, stack, names or [], profile, namespace, domain):
            _from_devices(board, stack, names or [], load(profile, namespace=namespace, domain_id=domain).profile.microphones)
        well = board.wait_for_all(_FIRST_S, stop)
        if live and not stop.is_set():
            _go_on(board, stop, as_json)
            return
        shown = board.shown()
    if as_json:
        typer.echo(_to_json({"sources": {name: _told(levels) for name, levels in shown.items()}}, indent=1))
    else:
        Console(highlight=False).print(screen(shown))
    if not well:
        raise typer.Exit(EXIT_FAILED)


class Board:
    """The last levels of each source, for who shows them. Safe from any thread."""

    def __init__(self) -> None:
        """Expects no source yet."""
        self._changed = threading.Condition()
        self._levels: dict[str, Levels | None] = {}
        self._loops: dict[str, DeviceLoop[AudioBlock]] = {}

    def expect(self, names: Collection[str], loops: Mapping[str, DeviceLoop[AudioBlock]] | None = None) -> None:
        """From now on these are shown; `loops` tell why a device delivers nothing."""
        self._levels = dict.fromkeys(names)
        self._loops = dict(loops or {})

    def tell(self, name: str, levels: Levels) -> None:
        """Takes new levels of a source."""
        with self._changed:
            self._levels[name] = levels
            self._changed.notify_all()

    def wait_for_all(self, timeout_s: float, stop: threading.Event) -> bool:
        """Waits until every source has levels, or is known to have none; whether all have."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not stop.is_set() and time.monotonic() < deadline:
                if all(levels is not None or self._error(name) for name, levels in self._levels.items()):
                    break
                self._changed.wait(0.1)
            return all(levels is not None for levels in self._levels.values())

    def shown(self) -> dict[str, Levels | str]:
        """Levels by source, or why there are none."""
        with self._changed:
            return {name: levels or self._error(name) or "delivers nothing" for name, levels in self._levels.items()}

    def wait(self, timeout_s: float) -> None:
        """Waits for the next levels of any source."""
        with self._changed:
            self._changed.wait(timeout_s)

    def _error(self, name: str) -> str:
        return self._loops[name].report().error if name in self._loops else ""


def _from_rig(
    board: Board, stack: contextlib.ExitStack, names: list[str], profile: str | None, namespace: str | None, domain: int | None
) -> bool:
    """Tells the board of a running rig's sound, until the stack is left; False where there is none."""
    client = stack.enter_context(sound_client(profile, namespace, domain))
    found = client.sources(_LOOK_S)
    if found:
        chosen = _chosen(found, names, "this rig")
        board.expect(chosen)
        client.hear_levels(chosen, board.tell)
    return bool(found)


def _from_devices(board: Board, stack: contextlib.ExitStack, names: list[str], microphones: Mapping[str, AudioSettings]) -> None:
    """Tells the board of what devices deliver, until the stack is left."""
    chosen = _chosen(list(microphones), names, "this profile")
    loops = {name: _loop(name, microphones[name], board) for name in chosen}
    board.expect(chosen, loops)
    for loop in loops.values():
        loop.start()
        stack.callback(loop.stop)


def sound_client(profile: str | None, namespace: str | None, domain: int | None) -> SoundClient:
    """A client of the rig that `rig up` started; else, as under `ros2 launch`, of the one that the options or the profile name."""
    try:
        record = find_rig(named_rig(profile, namespace, domain)).record
        return SoundClient(record.namespace, record.domain_id, variables=record.variables)
    except NotRunning:
        loaded = load(profile, namespace=namespace, domain_id=domain).profile
        return SoundClient(loaded.namespace, domain_of(loaded), variables=dds_variables(loaded))


def _chosen(known: list[str], names: list[str], where: str) -> list[str]:
    unknown = sorted(set(names) - set(known))
    if unknown or not known:
        have = f"there are: {', '.join(known)}" if known else "there is none"
        typer.secho("error: ", fg="red", nl=False, err=True)
        typer.echo(f"no such source of sound in {where}: {', '.join(unknown) or 'any'}; {have}", err=True)
        raise typer.Exit(EXIT_USAGE)
    return names or known


def _loop(name: str, settings: AudioSettings, board: Board) -> DeviceLoop[AudioBlock]:
    settings = settings.model_copy(update={"level_rate_hz": settings.level_rate_hz or _RATE_HZ})
    gauge = BlockMeter(settings)

    def hear(block: AudioBlock) -> None:
        levels = gauge.add(block)
        if levels is not None:
            board.tell(name, levels)

    return DeviceLoop(name, partial(make_driver, settings), hear, settings)


def _go_on(board: Board, stop: threading.Event, as_json: bool) -> None:
    """Shows levels until it is told to stop."""
    if as_json:
        while not stop.is_set():
            board.wait(1 / _RATE_HZ)
            typer.echo(_to_json({name: _told(levels) for name, levels in board.shown().items()}))
        return
    hold = PeakHold()
    with Live(screen(board.shown(), hold), console=Console(highlight=False), refresh_per_second=_RATE_HZ, transient=True) as picture:
        while not stop.wait(1 / _RATE_HZ):
            picture.update(screen(board.shown(), hold))


def _told(levels: Levels | str) -> object:
    return {"error": levels} if isinstance(levels, str) else levels


def _to_json(value: object, indent: int | None = None) -> str:
    """Without NaN and infinities, which JSON does not know."""
    return pydantic_core.to_json(value, indent=indent, inf_nan_mode="null").decode()
