"""Settings of the node that sums up a machine of the rig."""

from pydantic import Field

from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.settings.health import HealthSettings
from rig_capture.profiles.settings.rig import IdentitySettings, StorageSettings


class StatusSettings(Settings):
    """The status node."""

    interval_s: float = Field(1.0, ge=0.1, le=60, json_schema_extra=LIVE)
    """Time between two statuses."""
    stale_s: float = Field(5.0, gt=1, le=3600, json_schema_extra=LIVE)
    """A node that was not heard for so long counts as stale; what it said last is not used any more."""
    missing_s: float = Field(30.0, gt=1, le=3600, json_schema_extra=LIVE)
    """A node that was never heard counts as lost so long after the status node began; before, it may still be starting."""
    file: str = ""
    """JSON file that holds the status, replaced with each; empty: `status.json` in the rig's runtime folder; none: none."""
    inventory_s: float = Field(600.0, ge=0, le=86400, json_schema_extra=LIVE)
    """An inventory of the hardware so old is taken anew when it is asked for."""


class StatusParameters(IdentitySettings, StorageSettings, HealthSettings, StatusSettings):
    """All parameters of the status node."""

    nodes: tuple[str, ...] = ()
    """Full names of the nodes that belong to the rig; one that is never heard is stale."""
    battery: str = ""
    """Topic of the battery that counts; empty: none."""
