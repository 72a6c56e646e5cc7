"""The lock a recorder holds on the session it records. The kernel lets go of it when the recorder dies."""

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from rig_capture.session.errors import SessionLocked
from rig_capture.session.layout import SessionLayout

_LOOKS_S = 0.5
"""For how long a lock that is held may be one that somebody only looks at, which takes microseconds, on a busy machine longer."""
_TRY_AGAIN_S = 0.005


def boot_id() -> str:
    """This boot of this machine; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class SessionLock:
    """Holds a session's lock from `__enter__` to `__exit__`; the file tells who holds it."""

    def __init__(self, session: Path) -> None:
        self._path = SessionLayout(session).lock
        self._descriptor = -1

    def __enter__(self) -> "SessionLock":
        """Takes the lock. Raises SessionLocked."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take()
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise SessionLocked(f"{self._path.parent}: is being recorded ({self._path.read_text(encoding='utf-8').strip()})") from error
        holder = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "boot_id": boot_id()}) + "\n"
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, holder.encode(), 0)
        return self

    def _take(self) -> None:
        looks_end = time.monotonic() + _LOOKS_S
        while True:
            try:
                return fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > looks_end:
                    raise
                time.sleep(_TRY_AGAIN_S)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._descriptor)


def is_locked(session: Path) -> bool:
    """Whether some process holds the session's lock."""
    try:
        descriptor = os.open(SessionLayout(session).lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who only look do not take each other for a recorder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
