"""Settings of the nodes that watch the machine and its network."""

from pydantic import Field

from rig_capture.profiles.settings.base import LIVE, Settings


class NetworkSettings(Settings):
    """The network monitor."""

    interval_s: float = Field(5.0, gt=0, le=3600, json_schema_extra=LIVE)
    """Time between looks while the outside is reached."""
    retry_min_s: float = Field(1.0, gt=0, le=3600, json_schema_extra=LIVE)
    """Time to the next look after one that found something wrong; doubled each time."""
    retry_max_s: float = Field(20.0, gt=0, le=3600, json_schema_extra=LIVE)
    """Longest of these times."""
    jitter: float = Field(0.1, ge=0, le=1, json_schema_extra=LIVE)
    """Each of these times is longer by a random part, at most this fraction, so that many rigs don't ask in step."""
    down_after: int = Field(3, ge=1, le=100, json_schema_extra=LIVE)
    """Probes without an answer in a row until the outside counts as not reached. What the kernel says of links counts at once."""
    up_after: int = Field(1, ge=1, le=100, json_schema_extra=LIVE)
    """Answers in a row until it counts as reached again."""
    needed: bool = Field(True, json_schema_extra=LIVE)
    """Not being online is a health problem; false for rigs that work offline."""
    interface: str = Field("", json_schema_extra=LIVE)
    """Look at this interface only; empty: all."""
    probe_host: str = Field("", json_schema_extra=LIVE)
    """Host asked by a TCP connection to tell whether the outside is reached; empty: having a default route counts."""
    probe_port: int = Field(443, ge=1, le=65535, json_schema_extra=LIVE)
    """Its port."""
    probe_timeout_s: float = Field(1.0, gt=0, le=60, json_schema_extra=LIVE)
    """Longest wait for its answer."""
    dns_timeout_s: float = Field(1.0, gt=0, le=60, json_schema_extra=LIVE)
    """Longest wait for a name server, where the host is given by name."""
    sysfs_root: str = "/sys"
    """Root of the sysfs tree."""


class ClockSettings(Settings):
    """The clock probe."""

    reference: str = Field("", pattern=r"^(/[A-Za-z_][A-Za-z0-9_]*)*$")
    """Full name of the clock node of the reference host, such as /rig/clock (it is asked on its service /rig/clock_probe); empty: this
    host is the reference."""
    interval_s: float = Field(10.0, gt=0, le=3600, json_schema_extra=LIVE)
    """Time between series of probes."""
    probes: int = Field(16, ge=1, le=1000, json_schema_extra=LIVE)
    """Exchanges per series; the one with the least round trip counts."""
    timeout_s: float = Field(1.0, gt=0, le=60, json_schema_extra=LIVE)
    """Longest wait for one answer."""
    source: bool = True
    """Ask chrony, ptp4l or the kernel, as often as `interval_s` says, what keeps this host's clock right."""
