"""What is known of the network, and when what is seen counts: three failed probes are an outage, one is not."""

import math
import random
from dataclasses import dataclass
from enum import IntEnum

from rig_capture.profiles.settings.machine import NetworkSettings
from rig_capture.sensing.network.probes import ProbeResult


class NetworkState(IntEnum):
    """As in rig_capture_msgs/NetworkStatus."""

    OFFLINE = 0
    NETWORK_ONLY = 1
    ONLINE = 2


@dataclass(frozen=True)
class NetworkReading:
    """One look at the network."""

    state: NetworkState
    detail: str
    interface: str = ""
    """The one that carries the default route, or the first that is up."""
    addresses: tuple[str, ...] = ()
    """Of all interfaces that are up, without loopback and link-local ones."""
    ssid: str = ""
    signal_dbm: float = math.nan
    round_trip_ms: float = math.nan

    @property
    def essence(self) -> tuple[object, ...]:
        """What counts as a change when it differs."""
        return self.state, self.interface, self.addresses, self.ssid


@dataclass(frozen=True)
class Links:
    """What the kernel says, which counts at once."""

    addresses: dict[str, tuple[str, ...]]
    """By interface, of those that are up."""
    route: str
    """Interface of the default route; empty: none."""


class Judgement:
    """Makes a state of what is seen. A probe's answer counts after so many in a row, what the kernel says at once. Pure."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.settings = settings
        self._reached: bool | None = None
        self._against = 0

    def judge(self, links: Links, probe: ProbeResult | None) -> tuple[NetworkState, str]:
        """State and detail.

        Args:
            links: what the kernel says.
            probe: what came of the probe; None where none is asked for, or nothing is up.
        """
        settings = self.settings
        if not links.addresses:
            self._reached, self._against = False, 0
            there = f"interface {settings.interface} is not" if settings.interface else "no interface is"
            return NetworkState.OFFLINE, f"{there} up with an address"
        if probe is None:
            if links.route:
                return NetworkState.ONLINE, f"default route over {links.route}"
            return NetworkState.NETWORK_ONLY, "no default route"
        answered = not probe.problem
        reached = self._settle(answered)
        detail = f"{settings.probe_host}:{settings.probe_port} {'answers' if answered else f'does not answer: {probe.problem}'}"
        if reached != answered:
            needed = settings.up_after if answered else settings.down_after
            detail += f" ({self._against} of {needed} in a row)"
        return (NetworkState.ONLINE if reached else NetworkState.NETWORK_ONLY), detail

    def _settle(self, answered: bool) -> bool:
        if self._reached is None or answered == self._reached:
            self._reached, self._against = answered, 0
            return answered
        self._against += 1
        if self._against >= (self.settings.up_after if answered else self.settings.down_after):
            self._reached, self._against = answered, 0
        return self._reached


class Pace:
    """How long to wait for the next look: evenly while all is well, else soon and ever longer.

    Never quite even, so that many rigs of one place don't ask in step. Pure.
    """

    def __init__(self, settings: NetworkSettings, chance: random.Random) -> None:
        self.settings = settings
        self._chance = chance
        self._failures = 0

    def after(self, *, well: bool) -> float:
        """Seconds to wait after a look that found all well, or not."""
        settings = self.settings
        self._failures = 0 if well else min(self._failures + 1, 32)
        wait = settings.interval_s if well else min(settings.retry_max_s, settings.retry_min_s * 2.0 ** (self._failures - 1))
        return wait * (1.0 + settings.jitter * self._chance.random())

    def reset(self) -> None:
        """Something has changed: the next failure is the first again."""
        self._failures = 0
