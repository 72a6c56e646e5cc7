"""Exports a session into a folder that appears when it is whole."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rig_capture.exporting.errors import ExportError, WrongWish
from rig_capture.exporting.film import export_films
from rig_capture.exporting.foxglove import export_foxglove
from rig_capture.exporting.sound import export_sound
from rig_capture.exporting.topics import export_tables
from rig_capture.exporting.wish import Exported, Format, Progress, Wish, Work
from rig_capture.reading.session import open_session
from rig_capture.session.atomic import sync_folder
from rig_capture.session.layout import SessionLayout

_EXPORTERS: dict[Format, Callable[[Work], None]] = {
    "csv": export_tables,
    "parquet": export_tables,
    "wav": export_sound,
    "mp4": export_films,
    "foxglove": export_foxglove,
}


def export_session(path: Path, out: Path, wish: Wish, progress: Progress) -> Exported:
    """Exports what can be read of a session into ``OUT/NAME``, where NAME is that of its folder.

    Args:
        path: of the session.
        out: the folder; made where it is missing.
        wish: what is to be made.
        progress: told how far it is.

    Returns:
        What was written, and what could not be read; export.json in the folder says the same.

    Raises:
        WrongWish: the name is taken, or the session has nothing of the kind.
        ExportError: it can't be written; nothing was left behind.
        SessionError: it is no session, or a package is missing.
    """
    session = open_session(path, clock=wish.clock)
    target = out / session.path.resolve().name
    exported = Exported(str(path), session.recording_id, wish.format, str(target), clock=wish.clock)
    with made_whole(target) as folder:
        _EXPORTERS[wish.format](Work(session, wish, folder, exported, progress))
        told = json.dumps(exported.as_json(), indent=1)
        (folder / "export.json").write_text(told + "\n", encoding="utf-8")
    return exported


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name at the end of the block; where the block fails it is removed.

    Raises:
        WrongWish: there is something of this name, or it is inside a session.
        ExportError: it can't be written.
    """
    if os.path.lexists(target):
        raise WrongWish(f"{target}: is there already; nothing is overwritten: name another --out, or remove it")
    within = next((parent for parent in target.absolute().parents if SessionLayout(parent).manifest.is_file()), None)
    if within is not None:
        raise WrongWish(f"{target}: is inside the session {within}, to which an export does not belong: name another --out")
    folder = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        raise ExportError(f"{target}: can't be made: {error}") from error
    try:
        yield folder
        _sync(folder)
        folder.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise ExportError(f"{target}: can't be written: {error}; make room, or name another --out") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(folder: Path) -> None:
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            with (Path(place) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))
