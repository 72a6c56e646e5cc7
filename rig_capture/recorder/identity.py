"""Which machine this is, for manifests."""

import hashlib
import os
import uuid
from pathlib import Path

from rig_capture.profiles.places import PREFIX


def node_id(root: Path = Path("/")) -> str:
    """A stable id of this machine, 16 hex digits.

    A hash of /etc/machine-id, which itself is not to be told (machine-id(5)); where there is none, of the network
    hardware's address. A machine with a name of its own in a rig of several ($RIG_CAPTURE_HOST) counts by that as well: machines
    whose disks are copies of one have one machine-id, and two nodes of a recording with one id would take each other's place.
    """
    try:
        secret = (root / "etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        secret = ""
    host = os.environ.get(PREFIX + "HOST")
    text = f"rig_capture:{secret or uuid.getnode()}" + (f":{host}" if host else "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]
