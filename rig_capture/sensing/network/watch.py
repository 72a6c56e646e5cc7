"""Looks at the network at intervals, and at once when the kernel reports a change."""

import contextlib
import math
import random
import select
import socket
from collections.abc import Callable
from pathlib import Path

from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.machine import NetworkSettings
from rig_capture.sensing.network.links import addresses_by_interface, default_interface, open_netlink, wireless
from rig_capture.sensing.network.probes import Interrupted, probe_outside
from rig_capture.sensing.network.state import Judgement, Links, NetworkReading, NetworkState, Pace


class NetworkWatch:
    """Looks at intervals, and at once when it is woken or the kernel reports a change of links, addresses or routes."""

    def __init__(
        self,
        settings: NetworkSettings,
        on_look: Callable[[NetworkReading, bool], None],
        proc_root: str = "/proc",
        chance: random.Random | None = None,
    ) -> None:
        """Nothing starts before `start`.

        Args:
            settings: where to look and how often.
            on_look: called in the watch's thread with each reading, and whether it differs from the one before.
            proc_root: root of the process file system.
            chance: for the jitter.
        """
        self._settings = settings
        self._on_look = on_look
        self._proc = Path(proc_root)
        self._judgement = Judgement(settings)
        self._pace = Pace(settings, chance or random.Random())  # noqa: S311 - no secret
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._wake_reader, self._wake_writer = socket.socketpair()
        for end in (self._wake_reader, self._wake_writer):
            end.setblocking(False)
        self._changes = open_netlink()
        self._thread = OwnedThread("network", self._run)
        self._before: NetworkReading | None = None

    @property
    def failure(self) -> BaseException | None:
        """What the thread died of."""
        return self._thread.failure

    def start(self) -> None:
        """Starts looking."""
        self._thread.start()

    def wake(self) -> None:
        """Has it look now; from any thread, until `stop`."""
        with contextlib.suppress(BlockingIOError):  # full: it is being woken already
            self._wake_writer.send(b"\0")

    def update(self, settings: NetworkSettings) -> None:
        """Takes settings changed while running, and looks again at once."""
        self._settings = self._judgement.settings = self._pace.settings = settings
        self.wake()

    def stop(self) -> None:
        """Stops, joins the thread, and raises what it died of, if it did."""
        self._stop_writer.close()
        self._thread.join()
        for each in (self._stop_reader, self._wake_reader, self._wake_writer, self._changes):
            each.close()
        self._thread.check()

    def look(self) -> NetworkReading:
        """One look, a probe included where the settings ask for one. Raises Interrupted."""
        settings = self._settings
        addresses = addresses_by_interface(settings.interface)
        links = Links(addresses, default_interface(self._proc, settings.interface) if addresses else "")
        probe = probe_outside(settings, self._stop_reader) if addresses and settings.probe_host else None
        state, detail = self._judgement.judge(links, probe)
        if not addresses:
            return NetworkReading(state, detail)
        interface = links.route if links.route in addresses else next(iter(addresses))
        ssid, signal = wireless(interface, settings.sysfs_root, self._proc)
        every = tuple(address for of_one in addresses.values() for address in of_one)
        return NetworkReading(state, detail, interface, every, ssid, signal, probe.round_trip_ms if probe else math.nan)

    def _run(self) -> None:
        try:
            while True:
                reading = self.look()
                changed = self._before is None or reading.essence != self._before.essence
                self._before = reading
                self._on_look(reading, changed)
                self._wait(reading)
        except Interrupted:
            return

    def _wait(self, reading: NetworkReading) -> None:
        """Returns when the next look is due, or earlier on a change. Raises Interrupted."""
        failed = reading.state != NetworkState.ONLINE or (self._settings.probe_host and math.isnan(reading.round_trip_ms))
        ends = (self._stop_reader, self._wake_reader, self._changes)
        ready, _, _ = select.select(ends, [], [], self._pace.after(well=not failed))
        if self._stop_reader in ready:
            raise Interrupted
        if ready:
            self._pace.reset()
        # One change comes as several messages; what they say, or that too many came, is no matter: the next look tells.
        for end in ends[1:]:
            with contextlib.suppress(OSError):
                while end.recv(65536):
                    pass
