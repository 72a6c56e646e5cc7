"""`rig install-service`: a rig that systemd starts and watches."""

import getpass
import os
from typing import Annotated

import typer

from rig_capture.cli.options import ProfileOption, load
from rig_capture.profiles.load import find_profile
from rig_capture.profiles.places import PREFIX
from rig_capture.running.service import Service, ServiceError, install, remove


def install_service(
    *,
    profile: ProfileOption = None,
    system: Annotated[
        bool, typer.Option("--system/--user", help="Start with the machine, or with your first login (or lingering).")
    ] = False,
    show: Annotated[bool, typer.Option("--print", help="Only print the unit.")] = False,
    take_away: Annotated[bool, typer.Option("--remove", help="Stop the service and remove it.")] = False,
) -> None:
    """Have systemd start a rig, watch it, and stop it in order.

    The unit runs `rig up --profile` in the foreground, with the ROS 2 of now. It is enabled, and starts with the next boot or
    login; the line that starts it at once is printed. Of RIG_CAPTURE_* variables only those of folders are taken along, no
    settings and no secrets.
    """
    loaded = load(profile)
    named = profile or os.environ.get(PREFIX + "PROFILE") or loaded.name
    # A file is one wherever the service is started; a name goes on meaning what it means, also where the user makes a profile of that name.
    service = Service(loaded.name if named == loaded.name else str(find_profile(named).absolute()), system)
    if system and not show and os.environ.get("SUDO_USER"):
        raise ServiceError(
            "with sudo the rig would have root's profiles and run as root; run without sudo: "
            f"rig install-service --system --profile {service.profile} --print | sudo tee {service.path}"
        )
    if take_away:
        _finish(f"removed {service.path}", remove(service))
        return
    text = service.text(os.environ, user=getpass.getuser())
    if show:
        typer.echo(text, nl=False)
        return
    _finish(f"wrote {service.path}", install(service, text))
    steer = " ".join(service.systemctl)
    typer.echo(f"start it now:     {steer} start {service.unit}")
    typer.echo(f"look at it:       {steer} status {service.unit}; journalctl {'' if system else '--user '}-u {service.unit}")
    if system:
        typer.echo(f"in your shells:   export RIG_CAPTURE_RUNTIME_DIR={service.runtime_dir(os.environ)}   (`rig status` then finds it)")
    else:
        typer.echo(f"without a login:  loginctl enable-linger {getpass.getuser()}")


def _finish(done: str, left: list[str]) -> None:
    typer.echo(done)
    if left:
        typer.echo(f"systemd could not be told: {left[0]}", err=True)
        typer.echo("run: " + " && ".join(left[1:]), err=True)
        raise typer.Exit(1)
