"""Settings of what estimates poses from recorded video: the node `estimator`, and `rig estimate watch`."""

from pydantic import Field, field_validator

from rig_capture.profiles.settings.base import LIVE, Settings, are_assignments
from rig_capture.profiles.settings.rig import StorageSettings
from rig_capture.profiles.units import Bytes


class EstimatorSettings(Settings):
    """How finished sessions are estimated."""

    model: str = Field("motion", min_length=1)
    """The model: its name, or NAME:FILE where it needs a file."""
    model_settings: tuple[str, ...] = ()
    """Settings of the model, each KEY=VALUE."""
    streams: tuple[str, ...] = ("*",)
    """Streams of video that are estimated, by name or pattern, such as camera_*."""
    workers: int = Field(1, ge=1, le=64)
    """Streams estimated at once, each in a process of its own."""
    batch: int = Field(0, ge=0, le=4096)
    """Frames given to the model at once; 0: as many as the model likes."""
    parquet: bool = True
    """Also write Parquet, where pyarrow is installed (`./rig extra analysis`)."""
    pause_while_recording: bool = Field(True, json_schema_extra=LIVE)
    """Stop after the current batch of frames while a recording runs, and go on after it."""
    nice: int = Field(15, ge=0, le=19)
    """Priority of the processes; 19 is the lowest. Their disk access is of the idle class."""
    attempts: int = Field(2, ge=1, le=100, json_schema_extra=LIVE)
    """A stream that failed so often is left alone until it is asked for: estimator/retry or `rig estimate`."""
    stall_s: float = Field(600.0, gt=0, le=86400, json_schema_extra=LIVE)
    """A process that tells of no progress for so long, while it is not paused, is killed, and has failed."""
    scan_interval_s: float = Field(60.0, gt=0, le=86400, json_schema_extra=LIVE)
    """Time between looks at the disk, beside those that events cause."""

    _are_assignments = field_validator("model_settings")(are_assignments)


class EstimatorParameters(StorageSettings, EstimatorSettings):
    """All parameters of the estimator node."""


class EstimateJobSettings(Settings):
    """How `rig estimate watch` takes jobs in."""

    poll_s: float = Field(1.0, gt=0, le=3600)
    """Time between looks at the folder of incoming jobs."""
    settle_s: float = Field(5.0, ge=0, le=3600)
    """A job is begun once names, sizes and times of its files have not changed for so long."""
    parquet: bool = True
    """Also write Parquet, where pyarrow is installed (`./rig extra analysis`)."""
    zip_files: int = Field(10_000, ge=1)
    """Most files and folders in a zip file."""
    zip_bytes: Bytes = Field(200 * 10**9, ge=1)
    """Most bytes of all files of a zip file, unpacked."""
    zip_ratio: float = Field(100.0, ge=1)
    """A zip file in which something shrank more than so many times is refused; video hardly shrinks at all."""
    kept: int = Field(1000, ge=1)
    """So many jobs that are over stay in status.json; older ones are forgotten there."""
