"""Settings of the web console."""

import ipaddress
from typing import Self

from pydantic import Field, model_validator

from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.units import Bytes


class ConsoleSettings(Settings):
    """The web console. Its token is a secret and no setting: docs/console.md."""

    address: str = Field("127.0.0.1", min_length=1)
    """Address it listens on: 127.0.0.1 for this machine alone, 0.0.0.0 for all networks."""
    port: int = Field(8780, ge=0, le=65535)
    """TCP port; where it is taken, one of the twenty after it. 0: any free one."""
    hosts: tuple[str, ...] = ()
    """Names under which browsers may call it, beside localhost, this machine's own name, and addresses."""
    certificate: str = ""
    """PEM file with the certificate (and those between it and a root) for TLS; empty: plain HTTP."""
    certificate_key: str = ""
    """PEM file with the key of the certificate; empty: it is in the same file."""
    allow_plain_http: bool = False
    """Plain HTTP beyond loopback: who listens to the network then sees all, the token too."""
    most_viewers: int = Field(100, ge=1, le=10000, json_schema_extra=LIVE)
    """Pages that are served live data at once; more are turned away."""
    answer_timeout_s: float = Field(20.0, gt=0, le=600, json_schema_extra=LIVE)
    """A disk that does not answer for so long is an error that the page is told."""
    media_cache: Bytes = Field(1_000_000_000, ge=0, json_schema_extra=LIVE)
    """Most bytes of video and sound made ready for browsers, in a temporary folder."""
    nice: int = Field(5, ge=0, le=19)
    """How much it steps back behind other processes, as in nice(1)."""

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.address == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if not (self.is_local or self.certificate or self.allow_plain_http):
            raise ValueError(
                f"address {self.address} is reached from other machines, which takes TLS: set certificate (and certificate_key), "
                "or allow_plain_http=true where everybody on the network may see all"
            )
        return self


class ConsoleParameters(ConsoleSettings):
    """All parameters of the console node."""

    profile: str = Field("{}", json_schema_extra=LIVE)
    """The effective profile as JSON: which devices there are, where sessions, jobs and the health log lie."""
