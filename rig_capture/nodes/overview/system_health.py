"""The health of the machine that a node runs on: disk, processor, memory, sound servers, clock."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rig_capture_msgs.msg import ClockStatus

from rig_capture.health.catalogue import AUDIO_BACKEND_LOST
from rig_capture.health.findings import Finding, of_disk, of_memory, of_ntp, of_other_clock, of_processor
from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.qos import state_qos
from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.status import StatusParameters
from rig_capture.sensing.machine import MachineMeter, read_storage
from rig_capture.sensing.ntp import ClockUnknown, read_ntp
from rig_capture.sensing.sound_servers import ServerSilent, server

Look = Callable[[], Iterable[Finding]]


class SystemHealth:
    """Looks at the machine in two threads of its own, from `start` to `stop`: one for quick looks, one for what may take long.

    Problems are told by the node's own `health`. A look that fails is said once in the log, and tried again.
    """

    def __init__(self, node: RigNode[StatusParameters], root: Path) -> None:
        """Looks at nothing yet.

        Args:
            node: tells the problems; its settings may change while it runs.
            root: folder of the sessions, whose disk is looked at.
        """
        self._node, self._root = node, root
        self._meter = MachineMeter()
        self._answered: set[str] = set()
        self._failing: dict[str, str] = {}
        self._ending = threading.Event()
        self._threads = (
            OwnedThread("system-health", lambda: self._repeat(lambda: self.settings.look_s, self.look)),
            OwnedThread("system-probes", lambda: self._repeat(lambda: self.settings.probe_s, self.probe)),
        )
        node.create_subscription(ClockStatus, "clock_status", self._hear_clock, state_qos())

    @property
    def settings(self) -> StatusParameters:
        """As they are now."""
        return self._node.settings

    def start(self) -> None:
        """Begins to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends, joins, and raises what a thread died of."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self.check()

    def check(self) -> None:
        """Raises what a thread died of."""
        for thread in self._threads:
            thread.check()

    def look(self) -> None:
        """Looks at what answers at once."""
        machine, is_open = self._meter.read(), self._node.health.is_open
        cores = len(machine.cpu_percent_per_core)
        self._tell(of_processor(machine.cpu_percent, machine.load_1min, cores, machine.cpu_temperature, self.settings, is_open))
        self._tell(of_memory(machine.memory_total, machine.memory_available, self.settings, is_open))
        self._try("disk", self._disk)

    def probe(self) -> None:
        """Looks at what may take as long as the settings allow."""
        self._tell(self._sound_servers())
        if self.settings.ntp:
            self._try("ntp", self._ntp)

    def _disk(self) -> Iterable[Finding]:
        storage = read_storage(self._root)
        return of_disk(str(self._root), storage.total, storage.available, self.settings, self._node.health.is_open)

    def _ntp(self) -> Iterable[Finding]:
        reading = read_ntp(self.settings.probe_timeout_s)
        return of_ntp(reading.synchronised, reading.offset_s, reading.source, self.settings, self._node.health.is_open)

    def _sound_servers(self) -> Iterator[Finding]:
        for name in self.settings.sound_servers:
            found = server(name)
            if found is None:
                continue
            try:
                found.ask(self.settings.probe_timeout_s)
                self._answered.add(name)
                yield Finding(AUDIO_BACKEND_LOST, problem=False, message=f"{name} answers again", subject=name)
            except ServerSilent as error:
                if name in self._answered:
                    message = f"{name} does not answer any more: {error}; start it again"
                    yield Finding(AUDIO_BACKEND_LOST, problem=True, message=message, subject=name)

    def _hear_clock(self, status: ClockStatus) -> None:
        if status.reference and status.probes:
            is_open, settings = self._node.health.is_open, self.settings
            self._tell(of_other_clock(status.host, status.reference, status.offset_ns, status.round_trip_ns, settings, is_open))

    def _try(self, what: str, look: Look) -> None:
        try:
            self._tell(look())
        except (OSError, ClockUnknown) as error:
            if self._failing.get(what) != str(error):
                self._failing[what] = str(error)
                self._node.get_logger().warning(f"{what}: can't be looked at: {error}")
        else:
            self._failing.pop(what, None)

    def _tell(self, findings: Iterable[Finding]) -> None:
        for found in findings:
            self._node.health.set(
                found.code, found.subject, problem=found.problem, message=found.message, evidence=found.evidence, hold=found.hold
            )

    def _repeat(self, interval_s: Callable[[], float], look: Callable[[], None]) -> None:
        while not self._ending.is_set():
            begin = time.monotonic()
            look()
            self._ending.wait(max(0.0, begin + interval_s() - time.monotonic()))
