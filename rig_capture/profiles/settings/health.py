"""Settings of the watch over a machine's health, and of its log; parameters of the status node."""

from typing import Literal

from pydantic import Field, model_validator

from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.units import Bytes


class HealthSettings(Settings):
    """What counts as a problem of the machine, and how events are logged. A problem begins at its `on` and ends past its `off`."""

    log_format: Literal["jsonl", "sqlite", "off"] = "jsonl"
    """How health events are logged: rotating files of JSON lines, an SQLite database, or not at all."""
    log_folder: str = ""
    """Folder of the log; empty: `health` and the rig's name in the user's data folder."""
    log_file_bytes: Bytes = Field(2_000_000, ge=10_000)
    """Most bytes of one log file; a database may have `log_files` times as many."""
    log_files: int = Field(5, ge=1, le=1000)
    """Log files that are kept."""
    log_queue: int = Field(1000, ge=1, le=1_000_000)
    """Events that wait for a slow disk; more are dropped, and the log says so."""
    look_s: float = Field(1.0, ge=0.1, le=3600, json_schema_extra=LIVE)
    """Time between looks at the machine."""
    probe_s: float = Field(10.0, ge=0.1, le=3600, json_schema_extra=LIVE)
    """Time between questions to sound servers and to the service that keeps the clock."""
    probe_timeout_s: float = Field(5.0, gt=0, le=60, json_schema_extra=LIVE)
    """Longest wait for their answer."""
    disk_low_on: float = Field(10.0, ge=0, le=100, json_schema_extra=LIVE)
    """Free share of the disk of the sessions, in percent, that is low."""
    disk_low_off: float = Field(12.0, ge=0, le=100, json_schema_extra=LIVE)
    """Free share, in percent, that is enough again."""
    disk_full_on: float = Field(2.0, ge=0, le=100, json_schema_extra=LIVE)
    """Free share, in percent, that counts as full."""
    disk_full_off: float = Field(3.0, ge=0, le=100, json_schema_extra=LIVE)
    """Free share, in percent, that is not full any more."""
    cpu_on: float = Field(95.0, ge=0, le=100, json_schema_extra=LIVE)
    """Busy share of all cores together, in percent, that is too much."""
    cpu_off: float = Field(85.0, ge=0, le=100, json_schema_extra=LIVE)
    """Busy share, in percent, that is well again."""
    load_on: float = Field(4.0, ge=0, le=1000, json_schema_extra=LIVE)
    """Load average of a minute, per core, that is too much."""
    load_off: float = Field(2.0, ge=0, le=1000, json_schema_extra=LIVE)
    """Load, per core, that is well again."""
    memory_on: float = Field(5.0, ge=0, le=100, json_schema_extra=LIVE)
    """Available share of the memory, in percent, that is too little."""
    memory_off: float = Field(8.0, ge=0, le=100, json_schema_extra=LIVE)
    """Available share, in percent, that is enough again."""
    temperature_on: float = Field(85.0, ge=0, le=200, json_schema_extra=LIVE)
    """Temperature of the processor, in degrees Celsius, that is too hot."""
    temperature_off: float = Field(78.0, ge=0, le=200, json_schema_extra=LIVE)
    """Temperature, in degrees Celsius, that is well again."""
    pressure_on_s: float = Field(15.0, ge=0, le=3600, json_schema_extra=LIVE)
    """Processor, load, memory and temperature must be beyond their limits so long to count."""
    pressure_off_s: float = Field(10.0, ge=0, le=3600, json_schema_extra=LIVE)
    """And well so long to count as well."""
    sound_servers: tuple[Literal["pulseaudio", "pipewire"], ...] = ("pulseaudio", "pipewire")
    """Sound servers that are looked at; one that has never answered is not missed."""
    skew_on_ms: float = Field(20.0, ge=0, json_schema_extra=LIVE)
    """Distance of a machine's clock from the reference machine's, in ms, beyond what half the round trip leaves open, that is too much."""
    skew_off_ms: float = Field(10.0, ge=0, json_schema_extra=LIVE)
    """Distance, in ms, that is well again."""
    ntp: bool = True
    """Look whether this machine's clock is kept right by NTP."""
    ntp_on_s: float = Field(300.0, ge=0, le=86400, json_schema_extra=LIVE)
    """The clock must be without NTP so long to count; a service that has just started needs some minutes."""
    ntp_offset_on_ms: float = Field(100.0, ge=0, json_schema_extra=LIVE)
    """Distance of this machine's clock from NTP time, in ms, that is too much."""
    ntp_offset_off_ms: float = Field(50.0, ge=0, json_schema_extra=LIVE)
    """Distance, in ms, that is well again."""

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> "HealthSettings":
        for name in ("disk_low", "disk_full", "memory"):
            if getattr(self, f"{name}_off") < getattr(self, f"{name}_on"):
                raise ValueError(f"{name}_off must not be less than {name}_on, or the problem would end where it begins")
        for name, unit in (("cpu", ""), ("load", ""), ("temperature", ""), ("skew", "_ms"), ("ntp_offset", "_ms")):
            if getattr(self, f"{name}_off{unit}") > getattr(self, f"{name}_on{unit}"):
                raise ValueError(f"{name}_off{unit} must not be more than {name}_on{unit}, or the problem would end where it begins")
        return self
