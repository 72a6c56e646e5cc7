"""What is found out about a session. All series have one value per bin of the report's time axis; None where there is no data."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from rig_capture.health.events import Event
from rig_capture.session.levels import ChannelLevels
from rig_capture.session.manifest import Gap, Loss, StreamKind

Series = tuple[float | None, ...]
"""One value per bin."""

Vector = tuple[float, float, float]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Axis(_Record):
    """The time that the report covers, in bins of the same length."""

    start_ns: int
    """Ns since the epoch."""
    stop_ns: int
    """Ns since the epoch; after the start."""
    bins: int = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """Of the whole."""
        return (self.stop_ns - self.start_ns) / 1e9

    @property
    def bin_s(self) -> float:
        """Of one bin."""
        return self.duration_s / self.bins

    def bin_of(self, stamp_ns: int) -> int | None:
        """The bin that a stamp lies in; None outside."""
        if not self.start_ns <= stamp_ns <= self.stop_ns:
            return None
        return min(self.bins - 1, (stamp_ns - self.start_ns) * self.bins // (self.stop_ns - self.start_ns))


class Jitter(_Record):
    """Times between successive stamps of a stream, against the median of them."""

    nominal_ms: float
    """The median."""
    std_ms: float
    p99_ms: float
    """99 % of the deviations from the median are not larger."""
    largest_ms: float
    """The longest time between two stamps."""
    edges_ms: tuple[float, ...]
    """Edges of the histogram's bars, as deviations from the median; the first and the last bar hold all that is beyond."""
    counts: tuple[int, ...]
    """One less than edges."""


class StreamQuality(_Record):
    """One stream: what its manifest says, and its stamps as they were read."""

    name: str
    kind: StreamKind
    topic: str
    type: str
    codec: str
    messages: int
    """By the manifest."""
    read: int
    """Messages, or rows of frames.csv, that could be read."""
    bytes: int
    rate_hz: float | None
    """Mean, by the manifest."""
    loss: Loss
    overruns: int
    gaps: tuple[Gap, ...]
    note: str
    rates_hz: tuple[float, ...]
    """Over time."""
    jitter: Jitter | None
    """None of streams that are slow or short."""


class ChannelSound(_Record):
    """One channel over time, in dBFS; silence counts as -120."""

    rms_dbfs: Series
    peak_dbfs: Series
    """The largest in each bin."""


class SoundQuality(_Record):
    """How loud a stream of sound was."""

    stream: str
    source: str
    """The topic with the levels, or `samples`."""
    channels: tuple[ChannelSound, ...]
    levels: tuple[ChannelLevels, ...]
    """Of the whole, by the manifest."""


class MotionQuality(_Record):
    """An IMU: its noise while it lay still, and samples at the end of its range."""

    stream: str
    samples: int
    still_s: float
    """Time in which it lay still."""
    accel_noise: Vector | None
    """Standard deviation per axis while still, m/s^2; None where it never was, or accelerations are not measured."""
    gyro_noise: Vector | None
    """The same of the angular velocity, rad/s."""
    accel_limit: float | None
    """End of its range, m/s^2; None where that is not known."""
    gyro_limit: float | None
    """The same of the angular velocity, rad/s."""
    accel_saturated: int | None
    """Samples with an axis at the limit; None where that is not known."""
    gyro_saturated: int | None
    accel: Series
    """Magnitude of the acceleration, mean, m/s^2."""
    gyro: Series
    """Magnitude of the angular velocity, mean, rad/s."""


class Picture(_Record):
    """One picture out of a stream of video."""

    stamp_ns: int
    seq: int
    brightness: float | None
    """Mean luma, 0 to 255 (ITU-R BT.601); None of depth."""
    sharpness: float | None
    """Variance of the Laplacian of the luma (Pech-Pacheco et al., 2000); larger is sharper; None of depth."""
    jpeg: Annotated[bytes, Field(exclude=True, repr=False)]
    """A small copy, for the page alone."""


class PictureQuality(_Record):
    """Some pictures of a stream of video, evenly spread."""

    stream: str
    pictures: tuple[Picture, ...]


class ClockQuality(_Record):
    """A host's clock against its reference."""

    host: str
    reference: str
    offset_ms: Series
    """Reference minus host, mean."""
    largest_ms: float
    """The largest absolute offset."""


class HostClock(_Record):
    """A host's clock against the reference, as the manifest has it."""

    host: str
    method: str
    """``reference``, ``ntp_exchange`` or ``not_measured``."""
    reference: str
    readings: int
    offset_ms: float | None
    """Reference minus host in the middle of the readings, by the line through them; None where nothing was measured."""
    uncertainty_ms: float | None
    """Half the least round trip."""
    drift_ppm: float | None
    """How much the offset grows; None where there are too few readings to tell."""
    residual_ms: float | None
    """The largest distance of a reading from the line."""
    source: str
    """What kept it right; empty where not known."""
    synchronised: bool | None


class BatteryQuality(_Record):
    """A battery."""

    stream: str
    charge_percent: Series
    voltage: Series
    """V."""


class SessionReport(_Record):
    """Everything a report tells."""

    schema_version: Literal[1] = 1
    made_at: str
    """ISO 8601 UTC."""
    version: str
    """Of this software."""
    recording_id: str
    rig: str
    host: str
    place: str
    """Organisation, site and room, as far as given."""
    participant: str
    label: str
    tags: tuple[str, ...]
    testing_mode: bool
    started_at: str
    ended_at: str | None
    state: str
    end_reason: str | None
    files: int
    bytes: int
    software: dict[str, str]
    whole: bool
    """Whether everything is as the manifest says, and could be read."""
    problems: tuple[str, ...]
    """What is not, or could not be read."""
    axis: Axis
    streams: tuple[StreamQuality, ...]
    sound: tuple[SoundQuality, ...]
    motion: tuple[MotionQuality, ...]
    pictures: tuple[PictureQuality, ...]
    clocks: tuple[ClockQuality, ...]
    host_clocks: tuple[HostClock, ...]
    """Of all hosts that the manifest knows."""
    batteries: tuple[BatteryQuality, ...]
    events: tuple[Event, ...]
    """Health events, the first of them where there are many."""
    events_left_out: int
