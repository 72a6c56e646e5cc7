"""What the uploader tells of itself."""

import re
from dataclasses import dataclass

IDLE, UPLOADING, OFFLINE, PAUSED, WAITING = "idle", "uploading", "offline", "paused", "waiting"


@dataclass(frozen=True)
class UploaderReport:
    """What the uploader is doing; fields as in the message UploaderStatus."""

    state: str = IDLE
    detail: str = ""
    store: str = ""
    catalog: str = ""
    queued: int = 0
    sessions_done: int = 0
    sessions_failed: int = 0
    current: str = ""
    current_bytes: int = 0
    current_total: int = 0
    bytes_uploaded: int = 0
    rate_bytes_s: float = 0.0
    last_error: str = ""
    ingested: tuple[str, ...] = ()


def shown_address(address: str) -> str:
    """An address without the password that should not be in it, and is refused when it is used."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", address)
