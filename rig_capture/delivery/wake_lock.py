"""Keeping the machine awake while it uploads, where systemd can (systemd-inhibit)."""

import logging
import subprocess

logger = logging.getLogger(__name__)

# The lock lasts as long as the program that holds it, and that as long as our end of its input is open: a kill lets go of it too.
_COMMAND = ("systemd-inhibit", "--what=sleep:idle", "--who=rig_capture", "--why=sessions are being uploaded", "--mode=block", "cat")


class WakeLock:
    """A lock that is held or not; for one thread."""

    def __init__(self, *, wanted: bool) -> None:
        """With `wanted` false it never does anything."""
        self._wanted = wanted
        self._process: subprocess.Popen[bytes] | None = None

    def want(self, *, wanted: bool) -> None:
        """Whether it is wanted from now on; where the system could not, it is tried again."""
        self._wanted = wanted
        if not wanted:
            self.release()

    def hold(self) -> None:
        """From now on the machine stays awake, where it can be made to; held already, nothing changes."""
        if not self._wanted or (self._process is not None and self._process.poll() is None):
            return
        self.release()
        try:
            self._process = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError as error:
            self._wanted = False
            logger.warning("wake_lock: this machine may fall asleep while uploading: systemd-inhibit: %s", error.strerror)

    def release(self) -> None:
        """The machine may sleep."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        if process.wait():
            self._wanted = False
            logger.warning("wake_lock: this machine may fall asleep while uploading: systemd-inhibit ended with %d", process.returncode)
