"""Settings of the uploader."""

from pydantic import Field

from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.settings.rig import DeliverySettings, StorageSettings


class UploaderSettings(Settings):
    """How the uploader works."""

    scan_interval_s: float = Field(30.0, gt=0, le=86400, json_schema_extra=LIVE)
    """Time between looks at the disk, beside those that events cause."""
    retry_min_s: float = Field(2.0, gt=0, le=3600, json_schema_extra=LIVE)
    """First wait after a failed session."""
    retry_max_s: float = Field(600.0, gt=0, le=86400, json_schema_extra=LIVE)
    """Longest wait after a failed session."""


class UploaderParameters(StorageSettings, DeliverySettings, UploaderSettings):
    """All parameters of the uploader node."""
