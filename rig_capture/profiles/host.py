"""The name of this machine in its rig."""

import os
import socket

from rig_capture.profiles.load import PREFIX


def host_name() -> str:
    """$RIG_CAPTURE_HOST, which a rig of several machines sets; else the machine's own name."""
    return os.environ.get(PREFIX + "HOST") or socket.gethostname()
