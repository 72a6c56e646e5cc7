"""Settings of sound sources, and of what is measured of their sound."""

import shlex
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from rig_capture.profiles.settings.base import LIVE
from rig_capture.profiles.settings.devices import DeviceSettings


class AudioSettings(DeviceSettings):
    """A microphone or a sound card."""

    driver: Literal["synthetic", "pulse", "pipewire", "alsa", "jack", "command", "plugin"] = "synthetic"
    """Sound system."""
    device: str = ""
    """Its name for the source; empty: the system's default."""
    command: str = Field("", validate_default=True)
    """Recording program and arguments with {device}, {format}, {sample_rate}, {channels}, {block_ms}; empty: the driver's own.
    It writes interleaved samples to its standard output."""
    sample_rate: int = Field(48000, ge=8000, le=384000)
    """Samples per second."""
    channels: int = Field(2, ge=1, le=64)
    """Channels."""
    format: Literal["S16LE", "S24LE", "S32LE", "F32LE"] = "S16LE"
    """Sample format."""
    block_ms: float = Field(50.0, ge=1, le=1000)
    """Length of a published block."""
    channel_map: str = Field("", pattern=r"^(\d+(,\d+)*)?$", validate_default=True)
    """Which of the source's channels are published, and in which order, such as 2,0; one may come twice. Empty: all as they are."""
    tone_hz: float = Field(440.0, ge=0, le=20000)
    """Tone of the synthetic source; channel n plays (n + 1) times it."""
    pattern: Literal["tone", "flash_beep"] = "tone"
    """What the synthetic source plays: a tone, or beeps when the synthetic cameras flash (`rig sync-test`)."""
    pattern_s: float = Field(0.954, ge=0.5, le=60)
    """Time between two beeps; that of the cameras."""
    depth: int = Field(200, ge=1, le=10000)
    """History depth of the audio topic."""
    level_rate_hz: float = Field(10.0, ge=0, le=50, json_schema_extra=LIVE)
    """Most levels published per second; 0: none, and no health events of the sound."""
    clip_dbfs: float = Field(-1.0, ge=-60, le=0, json_schema_extra=LIVE)
    """A peak that reaches this counts as clipping."""
    flatline_dbfs: float = Field(-120.0, ge=-200, le=0, json_schema_extra=LIVE)
    """A channel that does not move by more than this counts as flat, whatever its offset."""
    flatline_s: float = Field(2.0, ge=0, le=3600, json_schema_extra=LIVE)
    """For so long, before it is said."""
    low_signal_dbfs: float = Field(-55.0, ge=-200, le=0, json_schema_extra=LIVE)
    """A channel below this is too quiet."""
    low_signal_s: float = Field(10.0, ge=0, le=3600, json_schema_extra=LIVE)
    """For so long, before it is said."""
    correlation_limit: float = Field(0.98, gt=0, le=1, json_schema_extra=LIVE)
    """Two channels correlated by this or more carry the same sound."""
    correlation_s: float = Field(10.0, ge=0, le=3600, json_schema_extra=LIVE)
    """For so long, before it is a problem."""
    recovery_s: float = Field(5.0, ge=0, le=3600, json_schema_extra=LIVE)
    """A problem of the sound is over once it has been away for so long."""
    speech_mode: int = Field(3, ge=0, le=3, json_schema_extra=LIVE)
    """How strict the voice detector is: 0 takes most sounds for speech, 3 the fewest."""
    listen_s: float = Field(10.0, ge=0, le=300)
    """Seconds of sound kept in memory for who wants to listen; 0: none."""

    @field_validator("command")
    @classmethod
    def _command_is_usable(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("driver") == "command" and not value.strip():
            raise ValueError("driver `command` needs the recording program and its arguments here")
        try:
            shlex.split(value)
            value.format(device="", format="", sample_rate=0, channels=0, block_ms=0, block_us=0, buffer_us=0)
        except (ValueError, LookupError) as error:
            allowed = "{device}, {format}, {sample_rate}, {channels}, {block_ms}, {block_us}, {buffer_us}"
            raise ValueError(f"can't be used as a command ({error}); placeholders are {allowed}") from error
        return value

    @field_validator("channel_map")
    @classmethod
    def _mapped_channels_are_there(cls, value: str, info: ValidationInfo) -> str:
        channels = info.data.get("channels", 0)
        if value and channels and max(map(int, value.split(","))) >= channels:
            raise ValueError(f"names a channel that is not there; the source has {channels}, numbered from 0")
        return value

    @property
    def mapped_channels(self) -> tuple[int, ...]:
        """Which channels of the source are published, in order."""
        return tuple(map(int, self.channel_map.split(","))) if self.channel_map else tuple(range(self.channels))
