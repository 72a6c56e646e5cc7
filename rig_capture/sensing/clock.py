"""One host's clock against another's: the arithmetic of NTP exchanges."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Exchange:
    """One question and answer (RFC 5905, section 8); t1 and t4 by our clock, t2 and t3 by the reference's, in ns."""

    t1_ns: int
    """Asked."""
    t2_ns: int
    """Question received."""
    t3_ns: int
    """Answered."""
    t4_ns: int
    """Answer received."""

    @property
    def offset_ns(self) -> int:
        """Reference minus us, right where both ways took equally long; wrong by half the round trip at most."""
        return ((self.t2_ns - self.t1_ns) + (self.t3_ns - self.t4_ns)) // 2

    @property
    def round_trip_ns(self) -> int:
        """Time on the way, there and back."""
        return (self.t4_ns - self.t1_ns) - (self.t3_ns - self.t2_ns)


def best_exchange(exchanges: Iterable[Exchange]) -> Exchange | None:
    """The one that waited least on its way, whose offset is the surest; None where there are none."""
    return min(exchanges, key=lambda exchange: exchange.round_trip_ns, default=None)


def boot_id(proc_root: str = "/proc") -> str:
    """The kernel's name for this boot: two stamps of the same boot share a clock; empty where not known."""
    try:
        return (Path(proc_root) / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""  # not on Linux, or hidden by a sandbox: a stamp without it is still a stamp
