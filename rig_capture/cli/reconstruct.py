"""`rig reconstruct`: manifests for sessions that have none."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.options import JsonOption, ProfileOption, load
from rig_capture.profiles.units import format_bytes
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.repair.reconstruct import Origin, needs_reconstruction, reconstruct_session
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import looks_like_session


def reconstruct(
    path: Annotated[Path, typer.Option("--path", help="A session, or a folder of them, such as a mounted disk.")],
    *,
    rig: Annotated[str | None, typer.Option("--rig", help="Name of the rig that recorded; none: the profile's.")] = None,
    node: Annotated[str, typer.Option("--node", help="Host that recorded; none: what folders' names have behind the recording id.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the manifest of every session that has none, from its files: the same hashes that the recorder would have written.

    The rig's name is part of the recording's hash, so it must be the one that recorded. Then `rig ingest` takes the sessions.
    Exit codes: 0 all have one now, 1 some could not get one, 2 there is nothing to do.
    """
    settings = load(profile, rig=rig).profile
    sessions = _candidates(path.expanduser())
    if not sessions:
        typer.echo(f"error: {path}: holds no session that needs a manifest", err=True)
        raise typer.Exit(EXIT_USAGE)
    if not yes:
        names = "\n".join(f"  {session.name}" for session in sessions)
        typer.echo(f"without manifest:\n{names}", err=True)
        typer.confirm(f"Make {len(sessions)} manifests, as recorded by rig {settings.rig!r}?", abort=True, err=True)
    origin = Origin(settings.rig, node, settings.organisation, settings.site, settings.room)
    results = [_one(session, origin) for session in sessions]
    if as_json:
        typer.echo(json.dumps({"sessions": results}, indent=1))
    else:
        _show(results)
    if any("error" in result for result in results):
        raise typer.Exit(EXIT_FAILED)


def _candidates(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    if looks_like_session(path):
        return [path] if needs_reconstruction(path) else []
    folders = (entry for entry in path.iterdir() if entry.is_dir())
    return sorted(folder for folder in folders if needs_reconstruction(folder))


def _one(session: Path, origin: Origin) -> dict[str, Any]:
    try:
        manifest = reconstruct_session(session, origin)
    except (RecordingError, SessionError) as error:
        return {"name": session.name, "error": f"{type(error).__name__}: {error}"}
    return {
        "name": session.name,
        "recording_id": manifest.recording_id,
        "recording_hash": manifest.recording_hash,
        "content_hash": manifest.content_hash,
        "files": len(manifest.files),
        "bytes": manifest.total_bytes,
    }


def _show(results: list[dict[str, Any]]) -> None:
    out = Console()
    for result in results:
        good = "error" not in result
        text = f"{result['files']} files, {format_bytes(result['bytes'])}, {result['recording_hash'][:12]}" if good else result["error"]
        mark = "✔" if good else "✘"
        style = "green" if good else "bold red"
        out.print(f"{mark} {result['name']}: {text}", style=style, markup=False, highlight=False, soft_wrap=True)
