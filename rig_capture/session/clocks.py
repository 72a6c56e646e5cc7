"""The clocks of a recording's hosts, as a manifest tells of them."""

from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_LONGEST_SERIES = 2000
"""Five and a half hours of measurements every ten seconds."""

Method = Literal["reference", "ntp_exchange", "not_measured"]


def _known(method: object) -> object:
    # Sessions of early versions say something else here, and had measured nothing.
    return method if method in get_args(Method) else "not_measured"


class _Record(BaseModel):
    # Those sessions also have other keys.
    model_config = ConfigDict(frozen=True, extra="ignore")


class ClockReading(_Record):
    """The exchange with the least round trip of one series."""

    at_ns: int
    """When, by the host's own clock, ns since the epoch."""
    offset_ns: int
    """Reference minus host: what is to be added to the host's stamps."""
    round_trip_ns: int = Field(ge=0)
    """Half of it is the most that the offset may be wrong by."""

    @property
    def uncertainty_ns(self) -> float:
        """Half the round trip."""
        return self.round_trip_ns / 2


class ClockEntry(_Record):
    """One host's clock against the reference."""

    method: Annotated[Method, BeforeValidator(_known)] = "not_measured"
    """``reference``: it is the reference itself; ``ntp_exchange``; ``not_measured``: nothing is known of it."""
    reference: str = ""
    """Full name of the clock node that was asked; empty of the reference itself."""
    boot_id: str = ""
    """The kernel's name for the boot."""
    source: str = ""
    """What kept the clock right when it was last looked at: ``chrony``, ``ptp4l (SLAVE)``, ``kernel``; empty where not known."""
    synchronised: bool | None = None
    """Whether it did."""
    start: ClockReading | None = None
    """The last one before the recording's start that is not much older, or else the first after it."""
    end: ClockReading | None = None
    """The last one, made after the order to stop where that was answered in time."""
    series: tuple[ClockReading, ...] = ()
    """All, the first and the last included; thinned out evenly where they would be very many."""


def thinned(series: Sequence[ClockReading]) -> list[ClockReading]:
    """A series with half its readings where it has become too long: of two in a row the surer one, the first and the last as they are."""
    if len(series) <= _LONGEST_SERIES:
        return list(series)
    pairs = zip(series[1:-1:2], series[2:-1:2], strict=False)
    return [series[0], *(min(pair, key=lambda reading: reading.round_trip_ns) for pair in pairs), series[-1]]
