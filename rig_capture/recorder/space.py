"""Room for sessions: the file system's reserve, and the limit on all sessions together."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.profiles.settings.rig import StorageSettings
from rig_capture.profiles.units import format_bytes
from rig_capture.recorder.reserve import RESERVE_BYTES
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import EndReason

_PATIENCE_S = 10.0


def free_bytes(root: Path) -> int:
    """Free bytes for this user on the file system that holds (or will hold) a folder."""
    while True:
        try:
            status = os.statvfs(root)
        except (FileNotFoundError, NotADirectoryError):
            root = root.parent
        else:
            return status.f_bavail * status.f_frsize


def used_bytes(folder: Path) -> int:
    """Bytes of all files below a folder, without what a recording has only set apart."""
    total = 0
    set_apart = SessionLayout(folder).reserve.name
    for parent, _, names in os.walk(folder):
        for name in names:
            if name == set_apart:
                continue
            try:
                total += os.stat(os.path.join(parent, name), follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # removed since it was listed
    return total


def out_of_space(root: Path, settings: StorageSettings, used: int, apart: int = 0) -> tuple[EndReason, str] | None:
    """Why no more may be written, or None.

    Args:
        root: folder of all sessions.
        settings: limit and reserve.
        used: bytes of all sessions now.
        apart: bytes that a session to be started sets apart for its end.
    """
    free = free_bytes(root)
    if free < settings.storage_reserve + apart:
        return "disk_full", (
            f"{root}: {format_bytes(free)} free is below the reserve of {format_bytes(settings.storage_reserve + apart)}; "
            "free some space, or lower storage_reserve"
        )
    if settings.storage_limit and used >= settings.storage_limit:
        return "storage_limit", (
            f"{root}: sessions take {format_bytes(used)} of the limit of {format_bytes(settings.storage_limit)}; "
            "remove uploaded sessions, or raise storage_limit"
        )
    return None


class Room:
    """Room for sessions in their folder, while a recording adds to it and removals give back. Safe from any thread."""

    def __init__(self, root: Path, settings: RecorderParameters) -> None:
        """Measures nothing yet.

        Args:
            root: folder of all sessions.
            settings: limit, reserve and margin.
        """
        self.ask: Callable[[], Callable[[], bool]] = lambda: lambda: True
        """Asks whoever can remove sessions for a look; what is returned tells whether that is over."""
        self._root = root
        self.settings = settings
        """May be replaced while running."""
        self._full_since: float | None = None
        self._is_looked = self.ask()
        self._lock = threading.Lock()
        self._used = self._grown = 0

    def measure(self, growing: int = 0) -> None:
        """Counts what lies there now; `growing`: bytes that the recording that runs has written so far."""
        used = used_bytes(self._root) if self.settings.storage_limit else 0
        with self._lock:
            self._used, self._grown = used, growing

    def freed(self, count: int) -> None:
        """Takes note of a removal of so many bytes since the last measurement."""
        with self._lock:
            self._used = max(0, self._used - count)

    def problem(self, growing: int = 0) -> tuple[EndReason, str] | None:
        """Why no more may be written, or None; `growing` as in `measure`."""
        return out_of_space(self._root, self.settings, self._now(growing))

    def problem_of_start(self) -> tuple[EndReason, str] | None:
        """Why no recording may start, or None."""
        return out_of_space(self._root, self.settings, self._now(0), RESERVE_BYTES)

    def reason_to_end(self, growing: int) -> tuple[EndReason, str] | None:
        """Why the recording that runs must end, or None; to be asked often.

        At the limit it goes on for some seconds while sessions are looked through that may go; on a full disk it does not.
        """
        problem = self.problem(growing)
        if problem is None:
            self._full_since = None
        if problem is None or problem[0] != "storage_limit":
            return problem
        if self._full_since is None:
            self._full_since, self._is_looked = time.monotonic(), self.ask()
        if not self._is_looked() and time.monotonic() - self._full_since < _PATIENCE_S:
            return None
        return self.problem(growing)  # with what that look gave back

    def is_short(self, growing: int = 0) -> bool:
        """Whether there is so little room that older sessions should go; `growing` as in `measure`."""
        settings = self.settings
        if free_bytes(self._root) < settings.storage_reserve + settings.room_margin:
            return True
        limit = settings.storage_limit
        return bool(limit) and self._now(growing) >= limit - min(settings.room_margin, limit // 4)

    def _now(self, growing: int) -> int:
        with self._lock:
            return self._used + max(0, growing - self._grown)
