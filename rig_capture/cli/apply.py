"""Settings of a profile brought to the nodes that run: for `rig profile apply` and `rig profile update --apply`."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.exits import EXIT_FAILED
from rig_capture.nodes.clients.settings import Outcome, SettingReport, SettingsClient
from rig_capture.profiles.changes import ProfileChanges, changes_between
from rig_capture.profiles.dds import dds_variables
from rig_capture.profiles.load import LoadedProfile, load_profile
from rig_capture.profiles.profile import Profile
from rig_capture.running.errors import NotRunning
from rig_capture.running.folder import RigFolder, RigRecord, domain_of, rig_folders
from rig_capture.running.supervisor import Supervisor

_LISTEN_S = 6.0
_STYLES = {Outcome.APPLIED: "green", Outcome.RESTART: "yellow", Outcome.REJECTED: "bold red", Outcome.SILENT: "bold red"}
_RESTART = "start the rig again: `rig down`, then `rig up`"


@dataclass(frozen=True)
class RunningRig:
    """Where a rig is, and what it was started with beside its profile."""

    namespace: str
    domain_id: int
    variables: dict[str, str]
    """By which DDS finds it."""
    host: str
    """This machine's name in a rig of several."""
    flags: dict[str, Any]


def rigs_of(loaded: LoadedProfile, namespace: str | None, domain: int | None) -> list[RunningRig]:
    """The rigs that run with a profile: those that `rig up` started with it, else the one where the profile says.

    That one `ros2 launch` may have started. A namespace or a domain names another.
    """
    if namespace is None and domain is None:
        started = [_running(record) for record in _records() if record.profile == loaded.name]
        if started:
            return started
    wanted = namespace if namespace is not None else loaded.profile.namespace
    domain_id = domain if domain is not None else domain_of(loaded.profile)
    record = RigFolder.of(wanted, domain_id).read_record()
    if record is not None:
        return [_running(record)]
    return [RunningRig("/" + wanted.strip("/"), domain_id, dds_variables(loaded.profile), loaded.profile.host, {})]


def apply_changes(name: str | None, rig: RunningRig, before: LoadedProfile | None) -> list[SettingReport]:
    """Sets at the nodes of a rig what its profile says now.

    Args:
        name: of the profile.
        rig: whose nodes are meant.
        before: the profile as it was, then only what differs is set; None: all that differs from what the nodes have.

    Raises:
        NotRunning: none of the nodes is heard.
    """
    overrides = rig.flags | {"namespace": rig.namespace.strip("/"), "domain_id": rig.domain_id, "host": rig.host}
    after = load_profile(name, overrides=overrides).profile
    changes = changes_between(None if before is None else _over(before, overrides), after)
    return [*_of_the_rig(changes), *_of_nodes(rig, changes)]


def show(reports: list[SettingReport], *, as_json: bool) -> None:
    """Prints what became of each setting; exit code 1 where one was rejected or a node was silent."""
    if as_json:
        typer.echo(json.dumps([asdict(report) for report in reports], indent=1))
    elif not reports:
        typer.echo("the nodes that run have these settings already")
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("node", "setting", "value", "outcome"):
            table.add_column(heading, overflow="fold")
        for report in reports:
            value = "" if report.value is None else json.dumps(report.value)
            shown = value if len(value) <= 60 else value[:57] + "..."
            said = Text.assemble((str(report.outcome), _STYLES[report.outcome]), f": {report.reason}" if report.reason else "")
            table.add_row(Text(report.node or "the rig", "cyan"), report.setting, Text(shown), said)
        Console(highlight=False).print(table)
    if any(report.outcome in (Outcome.REJECTED, Outcome.SILENT) for report in reports):
        raise typer.Exit(EXIT_FAILED)


def _of_the_rig(changes: ProfileChanges) -> Iterator[SettingReport]:
    for key in changes.rig:
        yield SettingReport("", key, None, Outcome.RESTART, _RESTART)
    for node in changes.added:
        yield SettingReport(node, "", None, Outcome.RESTART, f"it is new and does not run; {_RESTART}")
    for node in changes.removed:
        yield SettingReport(node, "", None, Outcome.RESTART, f"it is no part of the profile any more and runs on; {_RESTART}")


def _of_nodes(rig: RunningRig, changes: ProfileChanges) -> Iterator[SettingReport]:
    if not changes.names:
        return
    own = changes.own_namespace
    with SettingsClient(rig.namespace, rig.domain_id, variables=rig.variables, own_namespace=own) as client:
        missing = client.wait_for_nodes(changes.names, _LISTEN_S)
        if len(missing) == len(changes.names):
            raise NotRunning(f"no node of the rig in namespace {rig.namespace}, domain {rig.domain_id} is heard; start it with `rig up`")
        for node, wanted in changes.parameters.items():
            if node in missing:
                yield SettingReport(node, "", None, Outcome.SILENT, "it does not report itself; `rig status` tells more")
            else:
                yield from client.apply(node, wanted)


def _over(loaded: LoadedProfile, overrides: dict[str, Any]) -> Profile:
    """The profile as it was, in the place of the rig that runs."""
    values: dict[str, Any] = loaded.profile.model_dump()
    for dotted, value in overrides.items():
        *parents, last = dotted.split(".")
        place = values
        for key in parents:
            place = place[key] if isinstance(place.get(key), dict) else {}
        place[last] = value
    return Profile.model_validate(values)


def _records() -> Iterator[RigRecord]:
    for folder in rig_folders():
        record = folder.read_record()
        if record is not None and Supervisor(folder.socket).answers():
            yield record


def _running(record: RigRecord) -> RunningRig:
    return RunningRig(record.namespace, record.domain_id, record.variables, record.host, dict(record.flags))
