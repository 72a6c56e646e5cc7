"""Settings of the whole rig: who records, where sessions lie, and where they go."""

from pydantic import Field

from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.units import Bytes


class IdentitySettings(Settings):
    """Who records."""

    rig: str = Field("rig", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the rig; the same on every machine of one rig."""
    site: str = Field("", json_schema_extra=LIVE)
    """Where the rig is."""
    room: str = Field("", json_schema_extra=LIVE)
    """Which room."""
    tags: tuple[str, ...] = Field((), json_schema_extra=LIVE)
    """Words to find recordings by."""
    organisation: str = Field("", json_schema_extra=LIVE)
    """For whom it records."""


class StorageSettings(Settings):
    """Where sessions lie on this machine."""

    storage_path: str = ""
    """Folder of the sessions; empty: `sessions` in the user's data folder."""
    storage_limit: Bytes = Field(0, ge=0, json_schema_extra=LIVE)
    """Most bytes of all sessions together; 0: no limit."""
    storage_reserve: Bytes = Field(500_000_000, ge=0, json_schema_extra=LIVE)
    """Free bytes that stay free on the file system; a recording does not start below it."""


class DeliverySettings(Settings):
    """Where sessions go."""

    store: str = ""
    """Object store: a folder, file:///folder or s3://bucket/prefix; empty: `store` in the user's data folder."""
    catalog: str = ""
    """Catalog: an SQLAlchemy URL without password, or a file's path for SQLite; empty: `catalog.db` in the data folder."""
    offline: bool = Field(False, json_schema_extra=LIVE)
    """Nothing is uploaded; sessions wait on this machine."""
    upload_while_recording: bool = Field(False, json_schema_extra=LIVE)
    """Uploads go on while a recording runs."""
    bandwidth_limit: Bytes = Field(0, ge=0, json_schema_extra=LIVE)
    """Most bytes per second of all uploads together; 0: no limit."""
    concurrent_uploads: int = Field(5, ge=1, le=100, json_schema_extra=LIVE)
    """Files uploaded at once."""
    threads: int = Field(4, ge=1, le=256, json_schema_extra=LIVE)
    """Worker threads for hashing and copying."""
    wake_lock: bool = Field(False, json_schema_extra=LIVE)
    """Keep the machine awake while uploading, where the system can."""
    endpoint_url: str = ""
    """End point of an S3 service other than AWS."""
    region: str = ""
    """Its region."""
    ca_bundle: str = ""
    """File of certificates to trust instead of the system's."""
    allow_http: bool = False
    """Plain HTTP beyond loopback."""
    credentials_file: str = ""
    """File (mode 600) with access_key_id, secret_access_key, session_token, catalog_password, as YAML."""
