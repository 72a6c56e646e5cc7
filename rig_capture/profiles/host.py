"""The name of this machine in its rig, and its part of a profile."""

import dataclasses
import os
import socket
from typing import TYPE_CHECKING

from rig_capture.profiles.hosts import at_host
from rig_capture.profiles.places import PREFIX

if TYPE_CHECKING:  # every node imports this file, and none needs whole profiles
    from rig_capture.profiles.load import LoadedProfile


def host_name() -> str:
    """$RIG_CAPTURE_HOST, which a rig of several machines sets; else the machine's own name."""
    return os.environ.get(PREFIX + "HOST") or socket.gethostname()


def on_this_machine(loaded: "LoadedProfile") -> "LoadedProfile":
    """A profile as it is to run here: of a rig of several machines, with its `host` set.

    Raises:
        ProfileError: this machine is none of the rig's.
    """
    return dataclasses.replace(loaded, profile=at_host(loaded.profile, host_name()))
