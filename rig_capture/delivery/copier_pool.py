"""Processes that copy small files: of two threads of one process, Python lets little of such work happen at once."""

import logging
import marshal
import queue
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rig_capture.delivery import copier
from rig_capture.delivery.copier import Job

logger = logging.getLogger(__name__)


class CopierPool:
    """Starts a process for each thread that asks at the same time, and keeps it for the next. Safe from many threads."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Copier] = queue.SimpleQueue()
        self.usable = True
        """Whether none has failed since the last `close`."""

    def copy(self, jobs: Sequence[Job]) -> list[str]:
        """Copies files.

        Returns:
            For each the copy's tag; empty where it was not made, or may not have been: it is to be copied otherwise then.
        """
        try:
            process = self._take()
        except OSError as error:
            return self._give_up(jobs, f"no process can be started to copy small files ({error})")
        try:
            tags = process.copy(jobs)
        except (OSError, EOFError, ValueError, TypeError) as error:  # what marshal says of answers that break off
            process.close()
            return self._give_up(jobs, f"a process that copied small files broke off ({type(error).__name__})")
        self._idle.put(process)
        return tags

    def close(self) -> None:
        """Ends the processes, of which none may be at work. The next copy starts others."""
        self.usable = True
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _take(self) -> "_Copier":
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return _Copier()

    def _give_up(self, jobs: Sequence[Job], reason: str) -> list[str]:
        self.usable = False
        logger.warning("%s; they are copied one by one", reason)
        return [""] * len(jobs)


class _Copier:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # Without what site-packages and the environment would have it import.
            [sys.executable, "-I", "-S", str(Path(copier.__file__).absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for us; for it, it is the end of its input
        )

    def copy(self, jobs: Sequence[Job]) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        marshal.dump(list(jobs), self._process.stdin)
        self._process.stdin.flush()
        tags: list[str] = marshal.load(self._process.stdout)  # noqa: S302  # of our own process
        return tags

    def close(self) -> None:
        self._process.kill()  # idle, or of no use any more
        self._process.communicate()
