"""`rig ingest`, and `ros2 run rig_capture ingest`: brings sessions of a folder into store and catalog.

Exit codes: 0 all sessions are in; 1 some failed; 2 nothing to do, or wrong usage.
"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rig_capture.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.rescue import ingest_all
from rig_capture.delivery.scan import scan_folder
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.profile import Profile


def ingest(
    path: Annotated[Path, typer.Option(help="Folder of sessions, such as a mounted disk; each sub-folder is looked at.")],
    store: Annotated[str, typer.Option(help="Object store instead of the profile's: a folder or s3://bucket/prefix.")] = "",
    catalog: Annotated[str, typer.Option(help="Catalog instead of the profile's: an SQLite file or a database URL.")] = "",
    profile: Annotated[str, typer.Option(help="Profile by name or file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Bring every session of a folder into the object store and the catalog.

    Sessions that are in already are skipped file by file, so that this can be run again after any break.
    Exit codes: 0 all sessions are in, 1 some failed, 2 nothing to do or wrong usage.
    """
    if not as_json:
        from rig_capture.cli import ingest_screen  # takes a while, which scripts need not wait for
    try:
        settings = _settings(profile, store, catalog)
        candidates = scan_folder(path)
        if not candidates:
            _fail(f"{path}: holds no sessions (sub-folders with a manifest.json, or called rec_...)")
        with DataInterface.open(settings) as data:
            report = ingest_all(data, candidates) if as_json else ingest_screen.ingest_watched(data, candidates)
            where = (data.store.url, data.catalog.url)
    except OSError as error:
        _fail(f"{path}: {error.strerror}")
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        ingest_screen.show(report, *where)
    raise typer.Exit(EXIT_FAILED if report.failed else EXIT_OK if report.count("ok") else EXIT_USAGE)


def _settings(profile: str, store: str, catalog: str) -> Profile:
    given = {"store": store, "catalog": catalog}
    return load_profile(profile or None, overrides={key: value for key, value in given.items() if value}).profile


def _fail(message: str) -> NoReturn:
    typer.secho(f"error: {message}", fg="red", err=True)
    raise typer.Exit(EXIT_USAGE)
