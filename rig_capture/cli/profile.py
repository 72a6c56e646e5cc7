"""`rig profile`: the user's own profiles."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig_capture.cli.options import DomainOption, JsonOption, NamespaceOption, SetOption, assignments
from rig_capture.profiles.load import DEFAULT, PACKAGED, LoadedProfile, check_profile, find_profile, load_profile
from rig_capture.profiles.manage import Value, create_profile, delete_profile, list_profiles, update_profile, values_of

app = typer.Typer(no_args_is_help=True, help="Make, change, show, delete profiles.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A profile's name.")]
MaybeName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A profile's name; none: the default profile.")]


@app.command()
def create(
    name: Name,
    *,
    base: Annotated[str | None, typer.Option("--from", metavar="BASE", help="Profile it extends; none: the default one.")] = None,
) -> None:
    """Make a profile that extends another one."""
    typer.echo(f"made {create_profile(name, base)}; change it with `rig profile update {name}`")


@app.command()
def update(
    name: MaybeName = None,
    *,
    storage_limit: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Most bytes of all sessions, such as 2gb; 0: no limit.")
    ] = None,
    storage_reserve: Annotated[str | None, typer.Option(metavar="BYTES", help="Bytes that stay free on the disk.")] = None,
    bandwidth_limit: Annotated[str | None, typer.Option(metavar="BYTES", help="Most bytes per second of uploads; 0: no limit.")] = None,
    storage_path: Annotated[str | None, typer.Option(metavar="PATH", help="Folder of the sessions.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", "--num-threads", help="Worker threads for hashing and copying.")] = None,
    concurrent_uploads: Annotated[
        int | None, typer.Option("--concurrent-uploads", "--max-concurrent-uploads", help="Files uploaded at once.")
    ] = None,
    wake_lock: Annotated[
        bool | None, typer.Option("--wake-lock/--no-wake-lock", "--wakelock/--no-wakelock", help="Keep the machine awake while uploading.")
    ] = None,
    offline: Annotated[bool | None, typer.Option("--offline/--online", help="Keep sessions on this machine.")] = None,
    organisation: Annotated[str | None, typer.Option("--organisation", "--organization", help="For whom it records.")] = None,
    store: Annotated[str | None, typer.Option(help="Object store: a folder or s3://bucket/prefix.")] = None,
    catalog: Annotated[str | None, typer.Option(help="Catalog: a file or an SQLAlchemy URL without password.")] = None,
    credentials_file: Annotated[str | None, typer.Option(metavar="PATH", help="File with secrets, mode 600.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(metavar="URL", help="End point of an S3 service other than AWS.")] = None,
    region: Annotated[str | None, typer.Option(help="Its region.")] = None,
    description: Annotated[str | None, typer.Option(help="One line for people.")] = None,
    settings: SetOption = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Take a value back; may be repeated.")] = None,
    apply_now: Annotated[bool, typer.Option("--apply", help="Also set what changed at the nodes of the rig that runs with it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Change a profile. An invalid change is refused and leaves the file as it was; comments stay.

    A packaged profile is changed through a file of your own that extends it. Secrets don't belong into profiles: use the
    environment or --credentials-file.
    """
    options = dict(locals())
    given = {
        key: value
        for key, value in options.items()
        if key not in ("name", "settings", "unset", "apply_now", "as_json") and value is not None
    }
    changes = given | assignments(settings)
    if not changes and not unset:
        raise typer.BadParameter("nothing to change; give an option, such as --storage-limit 2gb or --set threads=8")
    before = load_profile(name)
    path = update_profile(name, changes, unset or [])
    if not as_json:
        typer.echo(f"changed {path}")
    if apply_now:
        _apply(name, None, None, before=before, as_json=as_json)
    elif as_json:
        typer.echo(json.dumps({"changed": str(path)}))


@app.command("apply")
def apply_profile(
    name: MaybeName = None,
    *,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set at the running nodes of a rig what its profile says now, and tell what each made of it.

    What a rig was started with by `rig up --set` still holds. Exit code 1 where a node rejected a setting or did not answer, 3
    where no rig runs with the profile.
    """
    _apply(name, namespace, domain, before=None, as_json=as_json)


def _apply(name: str | None, namespace: str | None, domain: int | None, *, before: LoadedProfile | None, as_json: bool) -> None:
    from rig_capture.cli.apply import apply_changes, rigs_of, show

    rigs = rigs_of(load_profile(name), namespace, domain)
    show([report for rig in rigs for report in apply_changes(name, rig, before)], as_json=as_json)


@app.command()
def get(
    name: MaybeName = None,
    *,
    effective: Annotated[
        bool, typer.Option("--effective", help="All values as they hold now, environment included, and where each came from.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a profile's values; with --effective all of them, and where each came from."""
    path = find_profile(name or DEFAULT)
    loaded = load_profile(str(path)) if effective else check_profile(path, path.read_text(encoding="utf-8"))
    values = list(values_of(loaded, all_values=effective))
    if as_json:
        typer.echo(
            json.dumps({"name": loaded.name, "path": str(path), "values": {v.key: _json_value(v, effective) for v in values}}, indent=1)
        )
        return
    out = Console(highlight=False)
    out.print(Text.assemble((loaded.name, "bold"), f"  {path}"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    # Keys are there to be copied: never cut, whatever the terminal's width.
    table.add_column(no_wrap=True, min_width=max((len(value.key) for value in values), default=0))
    for value in values:
        row = [Text(value.key, "cyan"), Text(_plain(value.value))]
        table.add_row(*row, *([Text(value.origin.replace(f"{PACKAGED}/", "packaged "), "dim", no_wrap=True)] if effective else []))
    out.print(table, crop=False)


@app.command("list")
def list_all(*, as_json: JsonOption = False) -> None:
    """List all profiles, packaged and your own."""
    entries = list_profiles()
    if as_json:
        typer.echo(json.dumps([asdict(entry) | {"path": str(entry.path)} for entry in entries], indent=1))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("profile", "", "description"):
        table.add_column(heading)
    for entry in entries:
        said = Text(entry.problem, "red") if entry.problem else Text(entry.description)
        table.add_row(Text(entry.name, "cyan"), Text("packaged" if entry.packaged else str(entry.path), "dim"), said)
    Console(highlight=False).print(table)


@app.command()
def delete(name: Name) -> None:
    """Delete a profile of your own. The default one and packaged ones can't be deleted."""
    typer.echo(f"deleted {delete_profile(name)}")


def _json_value(value: Value, with_origin: bool) -> object:
    return {"value": value.value, "origin": value.origin} if with_origin else value.value


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
