"""`rig inventory`: what hardware this machine has, and the profile lines that use it."""

import json
from functools import singledispatch
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.cli.options import JsonOption
from rig_capture.cli.signals import stop_signals
from rig_capture.profiles.units import format_bytes
from rig_capture.sensing.inventory import Inventory, take_inventory
from rig_capture.sensing.inventory.items import (
    Camera,
    GpioChip,
    I2cBus,
    IioDevice,
    Item,
    NetworkInterface,
    PowerSupply,
    SoundSource,
    Volume,
)

_WATCH_S = 2.0
_SOUND = {"alsa": "ALSA", "pulse": "PulseAudio", "pipewire": "PipeWire", "jack": "JACK"}
_SOURCES = _SOUND | {
    "cameras": "cameras",
    "iio": "IIO",
    "i2c": "I2C",
    "power_supplies": "power supplies",
    "volumes": "disks",
    "gpio": "GPIO",
    "network": "network",
}


def inventory(
    *,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds until Ctrl-C.")] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also open idle sound cards, and ask for known parts on I2C; harmless to most hardware.")
    ] = False,
) -> None:
    """Show the hardware of this machine: sound, cameras, motion, batteries, disks, network; and how a profile uses it.

    Exit code 1 where a source could not be read; the rest is shown nevertheless.
    """
    if watch:
        _watch(as_json=as_json, probe=probe)
        return
    found = take_inventory(probe=probe)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        Console(highlight=False).print(page(found), soft_wrap=True)
    if found.problems:
        raise typer.Exit(EXIT_FAILED)


def _watch(*, as_json: bool, probe: bool) -> None:
    """A page that is drawn anew, or a line of JSON whenever something has changed."""
    before: dict[str, Any] = {}
    with stop_signals() as stop, Live(console=Console(highlight=False, quiet=as_json), auto_refresh=False, screen=not as_json) as live:
        while True:
            found = take_inventory(probe=probe)
            now = found.model_dump(mode="json", exclude={"looked_at", "took_s"})
            if as_json and _without_free_room(now) != before:
                typer.echo(json.dumps(found.model_dump(mode="json")))
            before = _without_free_room(now)
            live.update(page(found), refresh=True)
            if stop.wait(_WATCH_S):
                return


def _without_free_room(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"volumes": [{key: value for key, value in volume.items() if key != "free"} for volume in found["volumes"]]}


def page(found: Inventory) -> RenderableType:
    """Everything on one page: a table for each source that has something, then what is missing and what is wrong."""
    parts: list[RenderableType] = [Text.assemble(("inventory of ", "bold"), (found.host, "bold cyan"), f", taken in {found.took_s:g} s")]
    for key, title in _SOURCES.items():
        items = getattr(found, key)
        if items:
            parts.append(_table(title, items))
    lines = [item.profile for key in _SOURCES if key != "network" for item in getattr(found, key) if item.profile]
    lines += [part.profile for bus in found.i2c for part in bus.parts if part.profile]
    if lines:
        parts.append(Text.assemble("\n", ("for a profile", "bold"), " (under each section of the same name):"))
        parts += [Text(f"  {line}", "green") for line in lines]
    if found.absent:
        parts.append(Text.assemble("\n", ("not here", "bold")))
        parts += [Text(f"  {_SOURCES[key]}: {reason}", "dim") for key, reason in found.absent.items()]
    parts += [Text(f"{_SOURCES[key]}: {reason}", "bold red") for key, reason in found.problems.items()]
    return Group(*parts)


def _table(title: str, items: tuple[Item, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False, show_header=False)
    table.add_column("name", style="cyan", overflow="fold", ratio=2)
    table.add_column("device", overflow="fold", ratio=2)
    table.add_column("what it can do", overflow="fold", ratio=3)
    for item in items:
        device, details = _row(item)
        table.add_row(item.name, device, details)
    return table


@singledispatch
def _row(item: Item) -> tuple[str, str]:
    """Device and abilities of an item, for people."""
    raise NotImplementedError(type(item))


@_row.register
def _(item: SoundSource) -> tuple[str, str]:
    return item.device, _sound(item)


@_row.register
def _(item: Camera) -> tuple[str, str]:
    return item.stable_path or item.path, "\n".join(_picture_lines(item))


@_row.register
def _(item: IioDevice) -> tuple[str, str]:
    rates = "/".join(f"{rate:g}" for rate in item.rates_hz)
    return item.device, ", ".join(item.channels) + (f"; {rates} Hz" if rates else "")


@_row.register
def _(item: I2cBus) -> tuple[str, str]:
    parts = [f"{part.address:#04x} {part.name}{f' (driver {part.driver})' if part.driver else ''}" for part in item.parts]
    return f"bus {item.number}{'' if item.usable else ' (not for this user)'}", ", ".join(parts)


@_row.register
def _(item: PowerSupply) -> tuple[str, str]:
    facts = [item.status, "" if item.percent is None else f"{item.percent} %"]
    facts += ["" if item.voltage_v is None else f"{item.voltage_v:.2f} V", item.model]
    return item.kind, ", ".join(filter(None, facts))


@_row.register
def _(item: Volume) -> tuple[str, str]:
    room = f"{format_bytes(item.free)} free of {format_bytes(item.size)}"
    return item.mount, f"{room}{', travels: rig offload can use it' if item.travels else ''}"


@_row.register
def _(item: GpioChip) -> tuple[str, str]:
    return item.path, f"{item.lines} lines"


@_row.register
def _(item: NetworkInterface) -> tuple[str, str]:
    return f"{item.kind}, {item.state}", " ".join(item.addresses)


def _sound(source: SoundSource) -> str:
    rates = (" to " if source.rates_are_range else "/").join(map(str, source.rates_hz))
    facts = [f"{'/'.join(map(str, source.channels))} channels" if source.channels else "", f"{rates} Hz" if rates else ""]
    facts += [" ".join(source.formats), source.state, "the default" if source.is_default else ""]
    facts.append(f"monitors {source.monitors}" if source.monitors else "")
    return ", ".join(filter(None, facts))


def _picture_lines(camera: Camera) -> list[str]:
    lines = []
    for form in camera.formats:
        sizes = [f"{size.width}x{size.height}" + (f"@{max(size.rates_hz):g}" if size.rates_hz else "") for size in form.sizes]
        lines.append(f"{form.code}{'' if form.setting else ' (not used here)'}: {' '.join(sizes) or 'any size'}")
    return lines
