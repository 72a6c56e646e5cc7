"""Settings of the nodes that watch the machine and its network."""

from pydantic import Field

from rig_capture.profiles.settings.base import Settings


class NetworkSettings(Settings):
    """The network monitor."""

    interval_s: float = Field(5.0, gt=0, le=3600)
    """Time between looks."""
    interface: str = ""
    """Look at this interface only; empty: all."""
    probe_host: str = ""
    """Host asked by a TCP connection to tell whether the outside is reached; empty: having a default route counts."""
    probe_port: int = Field(443, ge=1, le=65535)
    """Its port."""
    probe_timeout_s: float = Field(2.0, gt=0, le=60)
    """Longest wait for its answer."""
    sysfs_root: str = "/sys"
    """Root of the sysfs tree."""


class ClockSettings(Settings):
    """The clock probe."""

    reference: str = Field("", pattern=r"^(/[A-Za-z_][A-Za-z0-9_]*)*$")
    """Full name of the clock node of the reference host, such as /recorder_host/clock (it is asked on its service
    /recorder_host/clock_probe); empty: this host is the reference."""
    interval_s: float = Field(10.0, gt=0, le=3600)
    """Time between series of probes."""
    probes: int = Field(16, ge=1, le=1000)
    """Exchanges per series; the one with the least round trip counts."""
    timeout_s: float = Field(1.0, gt=0, le=60)
    """Longest wait for one answer."""
