"""Where a console is reached, told in a file to those who may open it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from rig_capture.profiles.places import console_file
from rig_capture.session.atomic import write_atomic


@dataclass(frozen=True)
class ConsolePlace:
    """A console that runs on this machine."""

    url: str
    """With the token; a browser that opens it is let in."""
    address: str
    """Without."""
    token: str
    pid: int


def tell_place(file: Path, address: str, token: str) -> None:
    """Writes it down; only the owner may read it. Raises OSError."""
    place = ConsolePlace(f"{address}?token={token}", address, token, os.getpid())
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(file, f"{json.dumps(asdict(place))}\n".encode(), 0o600, durable=False)


def console_place(namespace: str, domain_id: int) -> ConsolePlace | None:
    """The console of a rig; None where it does not run, or not for this user.

    Args:
        namespace: of the rig.
        domain_id: its ROS domain; -1: that of the environment.
    """
    if domain_id < 0:
        domain_id = int(os.environ.get("ROS_DOMAIN_ID") or 0)
    try:
        place = ConsolePlace(**json.loads(console_file(namespace, domain_id).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    # One that was killed leaves its file behind.
    return place if psutil.pid_exists(place.pid) else None
