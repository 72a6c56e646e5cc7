"""`rig wifi`: this machine's Wi-Fi, by NetworkManager; it needs no rig to be up."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.options import JsonOption, load
from rig_capture.cli.signals import stop_signals
from rig_capture.profiles.settings.field import WifiSettings
from rig_capture.sensing.wifi.control import WifiControl
from rig_capture.sensing.wifi.networks import Network
from rig_capture.sensing.wifi.states import WifiState

app = typer.Typer(no_args_is_help=True, help="Look for wireless networks, join one, open a hotspot.")

ProfileOption = Annotated[str | None, typer.Option("--profile", "-p", help="Profile whose section `wifi` counts.")]
_CHECK_S = 0.5


@contextmanager
def _control(profile: str | None) -> Iterator[WifiControl]:
    control = WifiControl(load(profile).profile.wifi or WifiSettings())
    try:
        yield control
    finally:
        control.stop()


@app.command()
def scan(
    *,
    rescan: Annotated[bool, typer.Option("--rescan/--known", help="Have the radio look around, or show what is known.")] = True,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the networks in reach, strongest first."""
    with _control(profile) as control:
        networks = control.scan(rescan=rescan)
    if as_json:
        typer.echo(json.dumps([asdict(network) for network in networks], indent=1))
    elif networks:
        Console(highlight=False).print(_table(networks))
    else:
        typer.echo("no wireless network is in reach")


@app.command()
def connect(
    *,
    ssid: Annotated[str, typer.Argument(help="Name of the network.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
    ] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="The network does not tell its name.")] = False,
    seconds: Annotated[float, typer.Option("--timeout", min=0, help="Longest wait; 0: as the profile says.")] = 0.0,
    profile: ProfileOption = None,
) -> None:
    """Join a network, and keep it for later. A password is never taken from the command line, which others can see."""
    with _control(profile) as control:
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else _asked(control, ssid, hidden=hidden)
        address = control.connect(ssid, password, hidden=hidden, timeout_s=seconds)
    typer.echo(f"connected to {ssid}" + (f", address {address}" if address else ""))


def _asked(control: WifiControl, ssid: str, *, hidden: bool) -> str:
    """The password from the terminal, where one is needed."""
    network = next((each for each in control.scan(rescan=False) if each.ssid == ssid), None)
    if network is None and not hidden:
        return ""  # out of reach: connecting says so
    if network is not None and (network.known or not network.security):
        return ""
    return str(typer.prompt(f"password of {ssid}", hide_input=True, default="", show_default=False))


@app.command()
def setup(
    *,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="The hotspot closes after so long; 0: as the profile says.")] = 0.0,
    profile: ProfileOption = None,
) -> None:
    """Open a hotspot until Ctrl-C or until its time is up; who joins it reaches this machine, and can set its Wi-Fi up."""
    with stop_signals() as stop, _control(profile) as control:
        ssid, password = control.open_setup(seconds)
        typer.echo(f"hotspot {ssid}, password {password}; Ctrl-C closes it")
        while control.state == WifiState.SETUP and not stop.wait(_CHECK_S):
            control.check()
    typer.echo("the hotspot is closed")


def _table(networks: list[Network]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("network", "strength", "security", ""):
        table.add_column(heading, justify="right" if heading == "strength" else "left")
    for each in networks:
        note = Text("connected", "bold green") if each.active else Text("known", "green") if each.known else Text("")
        table.add_row(each.ssid, f"{each.strength} %", each.security or "open", note)
    return table
