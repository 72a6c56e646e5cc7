"""Settings of the live connection for Foxglove."""

import ipaddress
from typing import Self

from pydantic import Field, model_validator

from rig_capture.profiles.settings.base import Settings


class FoxgloveSettings(Settings):
    """A WebSocket for Foxglove: topics of the rig while somebody looks at them, and services. It knows no password."""

    address: str = Field("127.0.0.1", min_length=1)
    """Address it listens on: 127.0.0.1 for this machine alone, 0.0.0.0 for all networks."""
    port: int = Field(8765, ge=0, le=65535)
    """TCP port; 0: any free one."""
    allow_network: bool = False
    """Other machines may connect: whoever reaches the address then sees all, and may call the services."""
    certificate: str = ""
    """PEM file with a certificate, for wss instead of ws; empty: not encrypted."""
    certificate_key: str = ""
    """PEM file with its key (PKCS#8); empty: it is in the same file."""
    topics: tuple[str, ...] = Field(("/**",), min_length=1)
    """Topics on offer, by name, pattern or type, written as the recorder's `topics`."""
    exclude: tuple[str, ...] = ()
    """Topics left out of what patterns and types take, written alike."""
    services: tuple[str, ...] = Field(("start_recording", "stop_recording", "trigger_recording"), min_length=1)
    """Names of services that viewers may call; `none`: no service."""
    answer_s: float = Field(60.0, gt=0, le=600)
    """Longest wait for a service's answer."""
    depth: int = Field(200, ge=1, le=10000)
    """History depth of subscriptions."""
    backlog: int = Field(1024, ge=16, le=100_000)
    """Messages that may wait for a slow viewer; beyond, it loses the oldest. The rig loses nothing by it."""

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return self.address == "localhost" or ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _is_meant_for_others(self) -> Self:
        if not (self.is_local or self.allow_network):
            raise ValueError(
                f"address {self.address} is reached from other machines, and there is no password: set allow_network=true where "
                "everybody on the network may see all and call the services, or tunnel to 127.0.0.1 with `ssh -L`"
            )
        return self
