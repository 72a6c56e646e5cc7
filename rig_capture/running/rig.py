"""A rig as one thing that is started, watched and stopped."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psutil

from rig_capture.profiles.changes import flags_of
from rig_capture.profiles.load import LoadedProfile
from rig_capture.profiles.nodes import describe_processes
from rig_capture.running.configuration import environment, record_of, write_files
from rig_capture.running.errors import AlreadyRunning, NotRunning, RunningError, StartFailed, StopFailed
from rig_capture.running.folder import RigFolder, RigRecord, only_one, rig_folders
from rig_capture.running.follow import Follower, last_lines
from rig_capture.running.shared_memory import remove_leftovers
from rig_capture.running.supervisor import ENDED, ProcessState, Supervisor

_LOOK_S = 0.05
_MANAGER_START_S = 20.0
_STOP_S = 45.0


class Reporting(Protocol):
    """Who hears the nodes' diagnostics."""

    def wait_for_nodes(self, names: Collection[str], timeout_s: float) -> set[str]:
        """Waits until all nodes of these full names reported themselves; returns those that have not yet."""


class Rig:
    """A rig that was started, from here or elsewhere."""

    def __init__(self, folder: RigFolder, record: RigRecord) -> None:
        self.folder = folder
        self.record = record
        self._supervisor = Supervisor(folder.socket)
        self._pid = self._supervisor.pid()

    @property
    def manager_pid(self) -> int:
        """Process id of the process manager."""
        return self._pid

    def runs(self) -> bool:
        """Whether the process manager is there."""
        try:
            return psutil.Process(self._pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def processes(self) -> list[ProcessState]:
        """State of all processes.

        Raises:
            NotRunning: it ended meanwhile.
        """
        return self._supervisor.processes()

    def starts(self) -> dict[str, int]:
        """How often each process was started since the rig was."""
        text = self.folder.supervisor_log.read_text(encoding="utf-8", errors="replace") if self.folder.supervisor_log.exists() else ""
        names = re.findall(r"spawned: '([^']+)' with pid", text)
        return {process.name: names.count(process.name) for process in self.record.processes}

    def follower(self) -> Follower:
        """The logs of all processes since the rig was started."""
        return Follower({process.name: self.folder.log(process.name) for process in self.record.processes})

    def wait_until_up(self, reporting: Reporting, timeout_s: float, stop: threading.Event | None = None) -> None:
        """Returns when every node has reported itself, or when it is told to stop waiting.

        Raises:
            StartFailed: a process ended, or a node did not report in time; names it, with its last lines.
            NotRunning: the rig was stopped meanwhile.
        """
        deadline = time.monotonic() + timeout_s
        while missing := reporting.wait_for_nodes(self.record.nodes, 0.25):
            if stop is not None and stop.is_set():
                return
            ended = [process for process in self.processes() if process.state in ENDED]
            again = [name for name, count in self.starts().items() if count > 1]
            if ended or again:
                raise self._failed(ended[0].name if ended else again[0])
            if time.monotonic() > deadline:
                processes = [process.name for process in self.record.processes if missing & set(process.nodes)]
                message = f"not every node reported itself within {timeout_s:g} s; missing: {', '.join(sorted(missing))}"
                raise StartFailed(f"{message}\n{self._last_lines(processes[0])}", tuple(sorted(missing)))

    def ask_to_stop(self) -> None:
        """Asks the process manager to stop everything; asking again, or asking one that is gone, does no harm."""
        try:
            self._supervisor.shut_down()
        except NotRunning:
            # Its socket may be gone although it runs.
            if self.runs():
                os.kill(self._pid, signal.SIGTERM)

    def wait_stopped(self, timeout_s: float = _STOP_S, while_waiting: Callable[[], object] = lambda: None) -> None:
        """Waits until all has ended.

        Args:
            timeout_s: longest wait.
            while_waiting: called every now and then.

        Raises:
            StopFailed: something still runs.
        """
        deadline = time.monotonic() + timeout_s
        while self.runs():
            while_waiting()
            # Being spoken to makes the manager look at once for processes that ended, instead of once a second.
            self._supervisor.answers()
            if time.monotonic() > deadline:
                raise StopFailed(f"the rig did not end within {timeout_s:g} s; its process manager is process {self._pid}")
            try:
                psutil.Process(self._pid).wait(_LOOK_S)
            except (psutil.TimeoutExpired, psutil.NoSuchProcess):
                continue
        self.folder.record.unlink(missing_ok=True)
        while_waiting()

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Stops everything and waits for the end.

        Raises:
            StopFailed: something still runs.
        """
        self.ask_to_stop()
        self.wait_stopped(timeout_s)

    def _failed(self, name: str) -> StartFailed:
        state = next(process for process in self.processes() if process.name == name)
        code = f" with exit code {state.exit_code}" if state.exit_code else ""
        return StartFailed(f"{name} ended{code} instead of coming up\n{self._last_lines(name)}", (name,))

    def _last_lines(self, name: str) -> str:
        lines = last_lines(self.folder.log(name), 15) or ["(it wrote nothing)"]
        return "\n".join([f"last lines of {self.folder.log(name)}:", *(f"  {line}" for line in lines)])


def start_rig(loaded: LoadedProfile) -> Rig:
    """Starts all processes of a profile under a process manager of its own; returns as soon as that runs.

    Of a rig of several machines, those of the host that the profile says this is (`on_this_machine`).

    Raises:
        AlreadyRunning: a rig runs in that namespace and domain.
        StartFailed: the process manager did not start.
    """
    profile = loaded.profile
    folder = RigFolder.of_profile(profile)
    folder.make()
    with _locked(folder.path / "lock"):
        if Supervisor(folder.socket).answers():
            raise AlreadyRunning(f"this rig ({folder.path.name}) is running already; stop it with `rig down`, or see `rig status`")
        processes = describe_processes(profile)
        record = record_of(loaded.name, profile, processes, flags_of(loaded))
        write_files(folder, record, processes)
        for log in [folder.supervisor_log, *(folder.log(process.name) for process in processes)]:
            _put_aside(log)
        remove_leftovers()
        _start_manager(folder, environment(profile))
        return Rig(folder, record)


def find_rig(folder: RigFolder | None = None) -> Rig:
    """The rig of a folder if it runs; without a folder, the only one that runs.

    Raises:
        NotRunning: it does not run, or none does.
        SeveralRunning: no folder was given, and more than one runs.
    """
    if folder is None:
        folder = only_one([folder for folder in rig_folders() if Supervisor(folder.socket).answers()])
    record = folder.read_record()
    if record is None or not Supervisor(folder.socket).answers():
        raise NotRunning(f"no rig is running as {folder.path.name}; start it with `rig up`")
    return Rig(folder, record)


def _start_manager(folder: RigFolder, variables: dict[str, str]) -> None:
    command = [sys.executable, "-P", "-m", "supervisor.supervisord", "-n", "-c", str(folder.configuration)]
    output = folder.logs / "supervisor.out"
    with output.open("wb") as out:
        # A session of its own: Ctrl-C in the terminal is for `rig up` alone, which then stops all in order.
        manager = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + _MANAGER_START_S
    while not Supervisor(folder.socket).answers():
        try:
            manager.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
            manager.kill()
            manager.wait()
        folder.record.unlink(missing_ok=True)
        raise StartFailed(
            "\n".join(["the process manager did not start:", *last_lines(output, 10), *last_lines(folder.supervisor_log, 10)])
        )


def _put_aside(log: Path) -> None:
    """What a start says is to stand alone; what the one before said is kept under the name of rotation."""
    if log.exists() and log.stat().st_size:
        log.replace(log.with_name(f"{log.name}.1"))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two starts at once would both find that nothing runs."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"{path}: this rig is being started right now") from error
        except OSError as error:
            raise RunningError(f"{path}: can't be locked: {error}") from error
        yield
