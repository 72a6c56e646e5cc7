"""Room for sessions: the file system's reserve, and the limit on all sessions together."""

import os
import shutil
from pathlib import Path

from rig_capture.profiles.settings import StorageSettings
from rig_capture.profiles.units import format_bytes
from rig_capture.session.manifest import EndReason


def free_bytes(root: Path) -> int:
    """Free bytes for this user on the file system that holds (or will hold) a folder."""
    while not root.exists():
        root = root.parent
    return shutil.disk_usage(root).free


def used_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name), follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # removed since it was listed
    return total


def out_of_space(root: Path, settings: StorageSettings, used: int) -> tuple[EndReason, str] | None:
    """Why no more may be written, or None.

    Args:
        root: folder of all sessions.
        settings: limit and reserve.
        used: bytes of all sessions now.
    """
    free = free_bytes(root)
    if free < settings.storage_reserve:
        return "disk_full", (
            f"{root}: {format_bytes(free)} free is below the reserve of {format_bytes(settings.storage_reserve)}; "
            "free some space, or lower storage_reserve"
        )
    if settings.storage_limit and used >= settings.storage_limit:
        return "storage_limit", (
            f"{root}: sessions take {format_bytes(used)} of the limit of {format_bytes(settings.storage_limit)}; "
            "remove uploaded sessions, or raise storage_limit"
        )
    return None
