"""Where things are on this machine when the settings leave it open; nodes and command share these."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from rig_capture.profiles.settings.health import HealthSettings
from rig_capture.profiles.settings.rig import DeliverySettings, StorageSettings

PREFIX = "RIG_CAPTURE_"
"""Of the variables that say where things are, and of those that stand for a setting."""


def config_dir() -> Path:
    """Folder of the user's configuration (XDG), or $RIG_CAPTURE_CONFIG_DIR."""
    import platformdirs

    return Path(os.environ.get(PREFIX + "CONFIG_DIR") or platformdirs.user_config_dir("rig_capture"))


def data_dir() -> Path:
    """Folder of the user's data (XDG): sessions, store, catalog by default; or $RIG_CAPTURE_DATA_DIR."""
    import platformdirs

    return Path(os.environ.get(PREFIX + "DATA_DIR") or platformdirs.user_data_dir("rig_capture"))


def sessions_dir(settings: StorageSettings) -> Path:
    """Folder of the sessions on this machine."""
    return _absolute(settings.storage_path) if settings.storage_path else data_dir() / "sessions"


def store_url(settings: DeliverySettings) -> str:
    """Object store: an absolute path of a folder, or an address such as ``file:///folder`` or ``s3://bucket/prefix``."""
    return _address(settings.store) if settings.store else str(data_dir() / "store")


def catalog_url(settings: DeliverySettings) -> str:
    """Catalog: an absolute path of an SQLite file, or an SQLAlchemy URL."""
    return _address(settings.catalog) if settings.catalog else str(data_dir() / "catalog.db")


def ledger_path() -> Path:
    """The ledger of what this machine uploaded; or $RIG_CAPTURE_LEDGER."""
    given = os.environ.get(PREFIX + "LEDGER")
    return _absolute(given) if given else data_dir().absolute() / "ledger.db"


def rig_key(namespace: str, domain_id: int) -> str:
    """A folder's name for what belongs to the rig in a namespace and a ROS domain."""
    return f"{namespace.strip('/').replace('/', '.') or 'root'}-{domain_id}"


def runtime_dir() -> Path:
    """Folder for what lives as long as a rig runs (XDG), or $RIG_CAPTURE_RUNTIME_DIR."""
    import platformdirs

    # Where no session manager made a runtime folder, as in containers and over cron, one of the user's own does.
    fallback = platformdirs.user_runtime_dir if os.environ.get("XDG_RUNTIME_DIR") else platformdirs.user_state_dir
    return Path(os.environ.get(PREFIX + "RUNTIME_DIR") or fallback("rig_capture")).absolute()


def status_file(namespace: str, domain_id: int) -> Path:
    """The JSON file with the status of a rig, where its settings name no other."""
    return runtime_dir() / rig_key(namespace, domain_id) / "status.json"


def health_dir(settings: HealthSettings, namespace: str, domain_id: int) -> Path:
    """Folder of the health log of a rig."""
    return _absolute(settings.log_folder) if settings.log_folder else data_dir().absolute() / "health" / rig_key(namespace, domain_id)


def console_file(namespace: str, domain_id: int) -> Path:
    """Where a rig's console tells its address and token to who may read it, while it runs."""
    return runtime_dir() / rig_key(namespace, domain_id) / "console.json"


def console_token_file(namespace: str, domain_id: int) -> Path:
    """The token of a rig's console, where none is given."""
    return data_dir().absolute() / "console" / f"{rig_key(namespace, domain_id)}.token"


def console_media_dir(namespace: str, domain_id: int) -> Path:
    """What a rig's console makes ready for browsers; removed when it ends."""
    return data_dir().absolute() / "console" / f"{rig_key(namespace, domain_id)}.media"


def jobs_dir(namespace: str, domain_id: int) -> Path:
    """Folder of the jobs of a rig."""
    return data_dir().absolute() / "jobs" / rig_key(namespace, domain_id)


def estimate_jobs_dir() -> Path:
    """Folder of jobs of videos from outside."""
    return data_dir().absolute() / "estimate_jobs"


def estimator_file(namespace: str, domain_id: int) -> Path:
    """What the estimator of a rig notes of streams that could not be estimated."""
    return data_dir().absolute() / "estimator" / f"{rig_key(namespace, domain_id)}.json"


def models_dir() -> Path:
    """Folder of the files of models that the estimator may use."""
    return data_dir().absolute() / "models"


def _address(text: str) -> str:
    return text if urlsplit(text).scheme else str(_absolute(text))


def _absolute(text: str) -> Path:
    # Not resolved: a link such as /mnt/ssd may point elsewhere tomorrow.
    return Path(text).expanduser().absolute()
