"""The process manager, spoken to over its socket."""

import http.client
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

from rig_capture.running.errors import BeingStopped, NotRunning

T = TypeVar("T")

RUNS = "RUNNING"
ENDED = frozenset({"BACKOFF", "EXITED", "FATAL"})
"""States of a process that ended without being asked to."""


@dataclass(frozen=True)
class ProcessState:
    """One process as the process manager sees it."""

    name: str
    state: str
    """STARTING, RUNNING, BACKOFF (waits to be started again), STOPPING, STOPPED, EXITED or FATAL (given up)."""
    pid: int
    """0 where it does not run."""
    uptime_s: float
    exit_code: int
    detail: str


class Supervisor:
    """A supervisord behind a UNIX socket."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def answers(self) -> bool:
        """Whether it runs, if only to stop everything."""
        try:
            self.pid()
        except BeingStopped:
            return True
        except NotRunning:
            return False
        return True

    def pid(self) -> int:
        """Its process id.

        Raises:
            NotRunning: it does not answer.
        """
        return self._call(lambda rpc: int(rpc.getPID()))

    def processes(self) -> list[ProcessState]:
        """All processes in the order of their names.

        Raises:
            NotRunning: it does not answer.
        """
        rows: list[dict[str, Any]] = self._call(lambda rpc: cast("list[dict[str, Any]]", rpc.getAllProcessInfo()))
        return [_state(row) for row in sorted(rows, key=lambda row: str(row["name"]))]

    def shut_down(self) -> None:
        """Asks it to stop all processes and end; asking again does no harm.

        Raises:
            NotRunning: it does not answer.
        """
        try:
            self._call(lambda rpc: rpc.shutdown())
        except BeingStopped:
            return

    def _call(self, request: Callable[[Any], T]) -> T:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return request(proxy.supervisor)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise BeingStopped(f"{self.socket}: this rig is being stopped; wait until it is down") from fault
            raise
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise NotRunning(f"{self.socket}: no rig answers ({error}); start it with `rig up`") from error
        finally:
            transport.close()


def _state(row: dict[str, Any]) -> ProcessState:
    pid = int(row["pid"])
    return ProcessState(
        name=str(row["name"]),
        state=str(row["statename"]),
        pid=pid,
        uptime_s=float(row["now"] - row["start"]) if pid else 0.0,
        exit_code=int(row["exitstatus"]),
        detail=str(row["spawnerr"] or row["description"]),
    )
