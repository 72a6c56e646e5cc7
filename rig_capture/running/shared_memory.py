"""Shared memory that killed nodes have left behind.

Fast DDS takes such a port for one that is listened to and waits for it, so that new nodes find the others seconds later, or too late;
nothing removes it but a restart of the machine (eProsima/Fast-DDS, issue 5053).
"""

import fcntl
import re
import time
from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path("/dev/shm")  # noqa: S108 - the system's own, shm_overview(7)
_FILE = re.compile(r"(?:sem\.)?(fast(?:rtps|dds)_(?:port\d+|[0-9a-f]{16}))(?:_el|_sl|_mutex)?")
"""Of Fast DDS 2 and 3: segments and ports, their lock files (exclusive, shared), and semaphores."""
_YOUNG_S = 5.0
"""A process that has just made a file may not have locked or mapped it yet."""


def remove_leftovers(folder: Path = _FOLDER, young_s: float = _YOUNG_S) -> int:
    """Removes segments and ports of Fast DDS that no process uses, as far as they belong to this user.

    Args:
        folder: where the system keeps shared memory.
        young_s: what was changed less than so many seconds ago stays.

    Returns:
        How many were removed.
    """
    files: dict[str, list[Path]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := _FILE.fullmatch(path.name):
            files.setdefault(match[1], []).append(path)
    left = {name: paths for name, paths in files.items() if all(_is_left(path, young_s) for path in paths)}
    if left:
        for name in _mapped(folder):
            left.pop(name, None)
    return sum(_removed(paths) for paths in left.values())


def _is_left(path: Path, young_s: float) -> bool:
    """Whether a file is not young, and not a lock that is held: the kernel lets go of locks of killed processes."""
    try:
        if time.time() - path.stat().st_ctime < young_s:
            return False
        if path.name.endswith(("_el", "_sl")):
            with path.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # held, gone, or somebody else's
    return True


def _mapped(folder: Path) -> Iterator[str]:
    """Names that processes have mapped: of a port they only write to nobody holds a lock."""
    inside = re.compile(re.escape(f"{folder}/") + _FILE.pattern)
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text(errors="replace")
        except OSError:
            continue  # it has ended, or belongs to another user
        yield from (match[1] for match in inside.finditer(text))


def _removed(paths: list[Path]) -> bool:
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except PermissionError:
        return False  # of another user
    return True
