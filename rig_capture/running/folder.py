"""Where a running rig keeps its socket, configuration and logs: one folder per namespace and ROS domain."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from rig_capture.profiles.hosts import host_namespace
from rig_capture.profiles.places import data_dir, rig_key, runtime_dir
from rig_capture.profiles.profile import Profile
from rig_capture.running.errors import NotRunning, RunningError, SeveralRunning

_LONGEST_SOCKET_PATH = 107  # sun_path of unix(7) has 108 bytes, the last one is zero


class ProcessRecord(BaseModel):
    """One process of a rig and the full names of its nodes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    nodes: tuple[str, ...]


class RigRecord(BaseModel):
    """What is known of a rig that was started, as ``rig.json`` in its folder."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    profile: str
    namespace: str
    domain_id: int
    started_at: str
    """ISO 8601, UTC."""
    processes: tuple[ProcessRecord, ...]
    own_namespace: str = ""
    """Of the nodes that each host of a rig has for itself; else as `namespace`."""
    host: str = ""
    """This machine's name in a rig of several."""
    variables: dict[str, str] = {}
    """By which DDS finds and reaches the rig, beside those of the environment."""
    sessions: str = ""
    """Folder of its sessions on this machine."""
    flags: dict[str, Any] = {}
    """What it was started with over its profile, by dotted key."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Full names of all nodes."""
        return tuple(node for process in self.processes for node in process.nodes)


def domain_of(profile: Profile, environment: Mapping[str, str] | None = None) -> int:
    """ROS_DOMAIN_ID of a profile's rig."""
    variables = os.environ if environment is None else environment
    if profile.domain_id >= 0:
        return profile.domain_id
    text = variables.get("ROS_DOMAIN_ID") or "0"
    if not text.isdigit():
        raise RunningError(f"$ROS_DOMAIN_ID: {text!r} is not a number from 0 to 232")
    return int(text)


@dataclass(frozen=True)
class RigFolder:
    """Paths of one rig."""

    path: Path
    logs: Path

    @classmethod
    def of(cls, namespace: str, domain_id: int) -> "RigFolder":
        """The folder of the rig in a namespace and a domain."""
        key = rig_key(namespace, domain_id)
        return cls(runtime_dir() / key, data_dir().absolute() / "logs" / key)

    @classmethod
    def of_profile(cls, profile: Profile) -> "RigFolder":
        """The folder of what runs of a profile on this machine (`at_host`).

        Raises:
            RunningError: $ROS_DOMAIN_ID is no number.
        """
        return cls.of(host_namespace(profile, profile.host), domain_of(profile))

    @property
    def socket(self) -> Path:
        """The process manager's control socket."""
        return self.path / "control"

    @property
    def configuration(self) -> Path:
        """The process manager's configuration."""
        return self.path / "supervisord.conf"

    @property
    def record(self) -> Path:
        """What was started; see `RigRecord`."""
        return self.path / "rig.json"

    @property
    def supervisor_log(self) -> Path:
        """The process manager's own log."""
        return self.logs / "supervisor.log"

    def log(self, process: str) -> Path:
        """Output of a process; older lines are in files with ``.1`` and so on."""
        return self.logs / f"{process}.log"

    def parameters(self, process: str) -> Path:
        """ROS 2 parameter file of a process."""
        return self.path / f"{process}.yaml"

    def make(self) -> None:
        """Makes the folders; nobody else may enter the first, since who reaches the socket controls the rig.

        Raises:
            RunningError: the path is too long for a socket.
        """
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET_PATH:
            raise RunningError(f"{self.socket}: too long for a socket's path; set RIG_CAPTURE_RUNTIME_DIR to a shorter folder")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self.logs.mkdir(parents=True, exist_ok=True)

    def read_record(self) -> RigRecord | None:
        """What was started here; None where nothing was."""
        try:
            return RigRecord.model_validate_json(self.record.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise RunningError(f"{self.record}: can't be read: {error}") from error


def rig_folders() -> Iterator[RigFolder]:
    """Folders of all rigs that were started on this machine by this user, whether they run or not."""
    root = runtime_dir()
    if root.is_dir():
        for record in sorted(root.glob("*/rig.json")):
            yield RigFolder(record.parent, data_dir().absolute() / "logs" / record.parent.name)


def only_one(folders: list[RigFolder]) -> RigFolder:
    """The one of the rigs that run.

    Raises:
        NotRunning: there is none.
        SeveralRunning: there are more.
    """
    if not folders:
        raise NotRunning("no rig is running; start one with `rig up`")
    if len(folders) > 1:
        names = ", ".join(folder.path.name for folder in folders)
        raise SeveralRunning(f"several rigs are running ({names}); name one with --profile, or --namespace and --domain")
    return folders[0]
