"""Removing sessions so that none is ever left in half: first it gets another name, then its files go.

Whatever ends a removal in between, what is left bears a name that no session has, and `finish_removals` does the rest.
"""

import shutil
from pathlib import Path

from rig_capture.session.atomic import sync_folder

REMOVING = ".removing-"
"""What the names of folders on their way out begin with."""


def remove_session(session: Path) -> None:
    """Removes a session's folder; whether it may go is for the caller to know.

    Raises:
        OSError: it could not be renamed, and nothing has changed; or it was, and not all of its files could be removed.
    """
    doomed = session.with_name(REMOVING + session.name)
    session.rename(doomed)
    sync_folder(session.parent)
    _remove(doomed)


def finish_removals(root: Path) -> list[str]:
    """Removes what interrupted removals left in a storage folder.

    Returns:
        Names of the sessions they were.

    Raises:
        OSError: not all of it could be removed.
    """
    left = sorted(root.glob(f"{REMOVING}*")) if root.is_dir() else []
    for folder in left:
        _remove(folder)
    return [folder.name.removeprefix(REMOVING) for folder in left]


def _remove(folder: Path) -> None:
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            continue  # somebody else removes it too; look again
