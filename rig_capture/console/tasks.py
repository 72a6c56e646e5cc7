"""Work that takes its time: verifying sessions, and reporting on them, one after the other in processes that step back behind all else."""

import json
import queue
import secrets
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rig_capture.console.errors import NotThere, TooMany
from rig_capture.owned_thread import OwnedThread

_KEPT = 100
_MOST_WAITING = 20


@dataclass
class Task:
    """One piece of work; read and written under the lock of `Tasks`."""

    kind: str
    """verify or report."""
    session: str
    """Name of its folder."""
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: str = "running"
    """running (also while it waits for its turn), done, failed."""
    progress: float | None = None
    """0 to 1; None before it has begun."""
    detail: str = "waits for its turn"
    result: dict[str, Any] | None = None
    error: str = ""


class Tasks:
    """Owns a thread, from `start` to `stop`, and the process that works."""

    def __init__(self, found: Callable[[str, Path, dict[str, Any]], None], ended: Callable[[], None]) -> None:
        """Does nothing yet.

        Args:
            found: told in the thread what came of work, before anybody else: its kind, the session, the result.
            ended: told in the thread that a task ended.
        """
        self._found, self._ended = found, ended
        self._lock = threading.Lock()
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._waiting: queue.Queue[tuple[Task, Path, Path | None] | None] = queue.Queue()
        self._working: subprocess.Popen[str] | None = None
        self._ending = False
        self._thread = OwnedThread("console-tasks", self._run)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends what is being done, joins, and raises what the thread died of."""
        with self._lock:
            self._ending = True
            if self._working is not None:
                self._working.terminate()
        self._waiting.put(None)
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def add(self, kind: str, session: Path, page: Path | None = None) -> Task:
        """Puts work on the queue; the same for the same session is not done twice at once.

        Raises:
            TooMany: too much waits already.
        """
        with self._lock:
            same = (task for task in self._tasks.values() if (task.kind, task.session) == (kind, session.name) and task.state == "running")
            known = next(same, None)
            if known is not None:
                return known
            if self._waiting.qsize() >= _MOST_WAITING:
                raise TooMany(f"{_MOST_WAITING} tasks wait already; ask again once some are done")
            task = Task(kind, session.name)
            self._tasks[task.id] = task
            while len(self._tasks) > _KEPT:
                self._tasks.popitem(last=False)
        self._waiting.put((task, session, page))
        return task

    def told(self, task_id: str) -> dict[str, Any]:
        """A task as the page is told of it. Raises NotThere."""
        with self._lock:
            task = self._tasks.get(task_id)
            if task is None:
                raise NotThere(f"there is no task {task_id[:40]!r}; the console may have been started anew")
            return asdict(task)

    def all(self) -> list[dict[str, Any]]:
        """All tasks, the newest first."""
        with self._lock:
            return [asdict(task) for task in reversed(self._tasks.values())]

    def _run(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            task, session, page = next_one
            self._work(task, session, page)
            self._ended()

    def _work(self, task: Task, session: Path, page: Path | None) -> None:
        command = [sys.executable, "-P", "-m", "rig_capture.console.work", task.kind, str(session), *([str(page)] if page else [])]
        with self._lock:
            if self._ending:
                return
            self._working = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        with self._working as working:
            assert working.stdout is not None
            for line in working.stdout:
                self._take(task, session, json.loads(line))
        with self._lock:
            self._working = None
            if task.state == "running":
                task.state, task.error = "failed", f"it ended with code {working.returncode}; the console's log tells why"

    def _take(self, task: Task, session: Path, said: dict[str, Any]) -> None:
        if "result" in said:
            self._found(task.kind, session, said["result"])
        with self._lock:
            if "result" in said:
                task.state, task.progress, task.result, task.detail = "done", 1.0, said["result"], ""
            elif "error" in said:
                task.state, task.error = "failed", said["error"]
            else:
                task.progress, task.detail = said["progress"], said["detail"]
