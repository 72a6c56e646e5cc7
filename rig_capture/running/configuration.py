"""What the process manager is told: one program per process of the profile's node list."""

import configparser
import io
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

import rig_capture
from rig_capture.profiles.dds import dds_variables, process_variables
from rig_capture.profiles.hosts import host_namespace
from rig_capture.profiles.nodes import ProcessDescription
from rig_capture.profiles.places import sessions_dir
from rig_capture.profiles.profile import Profile
from rig_capture.running.folder import ProcessRecord, RigFolder, RigRecord, domain_of

# Groups are stopped one after the other, the highest priority first: the recorder finalises the session while the
# sensors still run, then everything else ends at once.
_GROUPS = {"recorder": 2, "nodes": 1}
_PATIENCE_S = {"recorder": 30, "nodes": 4}
"""Time to end before a process is killed. A recorder that is killed leaves a session to be repaired."""
_YOUNG_S = 3
"""A process that ends sooner counts as failed to start, and is tried again after 1, 2, 3 ... seconds."""
_RETRIES = 30


def command(process: ProcessDescription, parameters: Path) -> list[str]:
    """The command line of a process."""
    ros = ["--ros-args", "--params-file", str(parameters), *process.ros_arguments]
    return [sys.executable, "-P", "-m", f"rig_capture.nodes.{process.executable}", *process.arguments, *ros]


def environment(profile: Profile) -> dict[str, str]:
    """The variables of all processes of a rig: this process's, those of the profile, and the same code as runs here."""
    variables = dict(os.environ) | {"ROS_DOMAIN_ID": str(domain_of(profile))} | process_variables(profile)
    here = str(Path(rig_capture.__file__).absolute().parent.parent)
    variables["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [variables.get("PYTHONPATH")])])
    variables["PYTHONUNBUFFERED"] = "1"
    return variables


def record_of(name: str, profile: Profile, processes: Sequence[ProcessDescription], flags: Mapping[str, Any] | None = None) -> RigRecord:
    """What is started, for who asks later."""
    return RigRecord(
        profile=name,
        namespace="/" + profile.namespace.strip("/"),
        domain_id=domain_of(profile),
        own_namespace=host_namespace(profile, profile.host),
        host=profile.host,
        variables=dds_variables(profile),
        sessions=str(sessions_dir(profile).absolute()),
        started_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        processes=tuple(ProcessRecord(name=p.name, nodes=tuple(node.full_name for node in p.nodes)) for p in processes),
        flags=dict(flags or {}),
    )


def write_files(folder: RigFolder, record: RigRecord, processes: Sequence[ProcessDescription]) -> None:
    """Writes parameter files, the process manager's configuration and the record into a rig's folder."""
    for process in processes:
        folder.parameters(process.name).write_text(yaml.safe_dump(process.parameter_file, allow_unicode=True), encoding="utf-8")
    folder.configuration.write_text(supervisor_configuration(folder, processes), encoding="utf-8")
    folder.record.write_text(record.model_dump_json(indent=1), encoding="utf-8")


def supervisor_configuration(folder: RigFolder, processes: Sequence[ProcessDescription]) -> str:
    """The text of supervisord.conf."""
    sections: dict[str, Mapping[str, object]] = {
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "logfile": folder.supervisor_log,
            "logfile_maxbytes": "5MB",
            "logfile_backups": 1,
            "pidfile": folder.path / "pid",
            "identifier": folder.path.name,
        },
        "unix_http_server": {"file": folder.socket, "chmod": "0700"},
        "rpcinterface:supervisor": {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
    }
    if os.geteuid() == 0:
        sections["supervisord"] = {**sections["supervisord"], "user": "root"}  # said aloud, or it warns
    members: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for process in processes:
        group = "recorder" if process.executable == "recorder" else "nodes"
        members[group].append(process.name)
        sections[f"program:{process.name}"] = _program(folder, process, _PATIENCE_S[group])
    for group, names in members.items():
        if names:
            sections[f"group:{group}"] = {"programs": ",".join(names), "priority": _GROUPS[group]}
    return _ini(sections)


def _program(folder: RigFolder, process: ProcessDescription, patience_s: int) -> dict[str, object]:
    return {
        "command": shlex.join(command(process, folder.parameters(process.name))),
        "autorestart": "true",
        "startsecs": _YOUNG_S,
        "startretries": _RETRIES,
        "stopsignal": "TERM",
        "stopwaitsecs": patience_s,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": folder.log(process.name),
        "stdout_logfile_maxbytes": "2MB",
        "stdout_logfile_backups": 2,
    }


def _ini(sections: Mapping[str, Mapping[str, object]]) -> str:
    parser = configparser.RawConfigParser()
    for section, values in sections.items():
        # A percent sign begins one of supervisor's own expressions.
        parser[section] = {key: str(value).replace("%", "%%") for key, value in values.items()}
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()
