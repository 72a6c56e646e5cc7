"""A systemd unit that runs a rig from the start of the machine, or of its user's session, on."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig_capture.profiles.places import runtime_dir
from rig_capture.running.errors import RunningError
from rig_capture.session.atomic import write_atomic

BOOTED = Path("/run/systemd/system")
"""There where systemd is the machine's first process (sd_booted(3))."""

_STOP_S = 60
"""More than `rig up` gives a rig to end (45 s): a session that is being recorded is finished before anything is killed."""
_RESTART_S = 5
_SETTINGS = re.compile(
    r"ROS_DOMAIN_ID|ROS_LOCALHOST_ONLY|ROS_AUTOMATIC_DISCOVERY_RANGE|ROS_STATIC_PEERS|RMW_IMPLEMENTATION|CYCLONEDDS_URI|FASTDDS_\w+|FASTRTPS_\w+"
    r"|RIG_ROS_DISTRO|RIG_WHEELS|RIG_PYTHON|RIG_CAPTURE_(CONFIG_DIR|DATA_DIR|RUNTIME_DIR|LEDGER|DEBUG)"
)
"""Variables that steer a rig and hold no secret."""
_ROS = re.compile(r"PATH|PYTHONPATH|LD_LIBRARY_PATH|AMENT_PREFIX_PATH|CMAKE_PREFIX_PATH|COLCON_PREFIX_PATH|ROS_\w+")
"""What sourcing a ROS 2 workspace sets."""


class ServiceError(RunningError):
    """A service that can't be installed or removed here."""


@dataclass(frozen=True)
class Service:
    """A rig as a unit of systemd."""

    profile: str
    """Name of a profile, or the absolute path of its file."""
    system: bool
    """Whether it belongs to the machine; else to the user."""

    @property
    def unit(self) -> str:
        """Its name."""
        return f"rig-{re.sub(r'[^A-Za-z0-9_.-]', '_', Path(self.profile).stem)}.service"

    @property
    def path(self) -> Path:
        """Where systemd looks for it."""
        if self.system:
            return Path("/etc/systemd/system") / self.unit
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user" / self.unit

    @property
    def systemctl(self) -> list[str]:
        """The program that steers it."""
        return ["systemctl"] if self.system else ["systemctl", "--user"]

    def text(self, environment: Mapping[str, str], *, user: str) -> str:
        """The unit's file.

        Args:
            environment: of who installs it; what a rig needs of it is taken along, variables that may be secret are not.
            user: who the rig of the machine runs as.

        Raises:
            ServiceError: a value holds a line break.
        """
        command, variables = _command(environment)
        lines = [
            "# Written by `rig install-service`.",
            "[Unit]",
            f"Description=rig_capture: the rig of profile {_escaped(self.profile)}",
            *(["After=network.target time-sync.target sound.target"] if self.system else []),
            "",
            "[Service]",
            *([f"User={user}"] if self.system else []),
            f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in [*command, 'up', '--profile', self.profile])}",
            *(f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(variables.items())),
            *([f"Environment={_quoted(f'RIG_CAPTURE_RUNTIME_DIR={self.runtime_dir(environment)}')}"] if self.system else []),
            "# Each node is started again by the rig itself. A profile that can't be used (2) is no better the next time.",
            "Restart=on-failure",
            f"RestartSec={_RESTART_S}",
            "RestartPreventExitStatus=2",
            "# Only the rig's command is asked to stop: it stops the recorder first, then the nodes.",
            "KillMode=mixed",
            "KillSignal=SIGTERM",
            f"TimeoutStopSec={_STOP_S}",
            "",
            "[Install]",
            f"WantedBy={'multi-user' if self.system else 'default'}.target",
        ]
        return "\n".join(lines) + "\n"

    def runtime_dir(self, environment: Mapping[str, str]) -> Path:
        """Folder of the running rig, for the commands of a shell to find it. That of a login is not there when the machine starts."""
        if self.system and not environment.get("RIG_CAPTURE_RUNTIME_DIR"):
            return Path("/run/rig_capture") if os.geteuid() == 0 else Path.home() / ".local" / "state" / "rig_capture"
        return runtime_dir()


def install(service: Service, text: str, booted: Path = BOOTED) -> list[str]:
    """Writes the unit, and makes systemd start it from now on at every boot or login; it is not started yet.

    Args:
        service: which.
        text: of its file.
        booted: mark of a running systemd.

    Returns:
        Lines that are still to be run where systemd could not be told, with the reason in front; none where all is done.

    Raises:
        ServiceError: there is no systemd, or the file can't be written.
    """
    _need_systemd(booted)
    try:
        service.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(service.path, text.encode())
    except PermissionError as error:
        line = f"rig install-service --system --profile {service.profile} --print | sudo tee {service.path}"
        raise ServiceError(f"{service.path}: can't be written ({error.strerror}); run: {line}") from error
    except OSError as error:
        raise ServiceError(f"{service.path}: can't be written: {error}") from error
    return _tell([[*service.systemctl, "daemon-reload"], [*service.systemctl, "enable", service.unit]])


def remove(service: Service, booted: Path = BOOTED) -> list[str]:
    """Stops the unit, in order, and removes it.

    Args:
        service: which.
        booted: mark of a running systemd.

    Returns:
        As `install`.

    Raises:
        ServiceError: there is no such unit, no systemd, it does not stop, or the file can't be removed.
    """
    _need_systemd(booted)
    if not service.path.exists():
        raise ServiceError(f"{service.path}: there is no such unit; nothing was removed")
    if failed := _tell([[*service.systemctl, "disable", "--now", service.unit]]):
        raise ServiceError(f"{service.unit} was not removed, since it could not be stopped: {failed[0]}")
    try:
        service.path.unlink()
    except OSError as error:
        raise ServiceError(f"{service.path}: can't be removed: {error}") from error
    return _tell([[*service.systemctl, "daemon-reload"]])


def _need_systemd(booted: Path) -> None:
    if not booted.is_dir():
        raise ServiceError(
            "this machine was not started by systemd, so there is nothing that could run the service; "
            "`rig install-service --print` shows the unit for another machine, `rig up --background` starts the rig here"
        )


def _tell(commands: Sequence[Sequence[str]]) -> list[str]:
    """Runs commands up to the first that fails; its reason, and the lines that are left."""
    for index, command in enumerate(commands):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
            reason = "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = str(error)
        if reason:
            return [f"{' '.join(command)}: {reason}", *(" ".join(each) for each in commands[index:])]
    return []


def _command(environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """What starts the command `rig` as it was started now, and the variables it needs."""
    script = Path(__file__).resolve().parents[2] / "rig"
    steering = {name: value for name, value in environment.items() if _SETTINGS.fullmatch(name)}
    prefixes = environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    if script.is_file() and sys.prefix in prefixes:
        return [str(script)], steering  # with the wheels, which the script sets up and finds by itself
    sourced = {name: value for name, value in environment.items() if _ROS.fullmatch(name)}
    return [sys.executable, "-P", "-m", "rig_capture.cli"], sourced | steering


def _escaped(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise ServiceError(f"{text!r}: holds a line break, which no unit of systemd takes")
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word of a unit (systemd.syntax(7), systemd.service(5))."""
    return '"' + _escaped(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
