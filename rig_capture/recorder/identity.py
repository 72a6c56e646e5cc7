"""Which machine this is, for manifests."""

import hashlib
import uuid
from pathlib import Path


def node_id(root: Path = Path("/")) -> str:
    """A stable id of this machine, 16 hex digits.

    A hash of /etc/machine-id, which itself is not to be told (machine-id(5)); where there is none, of the network
    hardware's address.
    """
    try:
        secret = (root / "etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        secret = ""
    return hashlib.sha256(f"rig_capture:{secret or uuid.getnode()}".encode()).hexdigest()[:16]
