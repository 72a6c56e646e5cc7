"""The packaged XML profiles of Fast DDS, and the variables that name them.

Apart from `dds.py`, so that a node that starts needs no profile to find its file.
"""

import os
from pathlib import Path

from rig_capture.profiles.errors import ProfileError

TRANSPORTS = Path(__file__).parent / "transport"
"""In a folder for each version of Fast DDS."""
FILE_VARIABLES = {"FASTRTPS_DEFAULT_PROFILES_FILE": "fastdds2", "FASTDDS_DEFAULT_PROFILES_FILE": "fastdds3"}
"""What names the file, and for which version: Jazzy has the first, Kilted the second."""
RANGE, PEERS = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_STATIC_PEERS"
_LOCALHOST_ONLY = "ROS_LOCALHOST_ONLY"
"""Deprecated, and stronger than the range."""
ONE_MACHINE = "one_machine"
"""What nodes with the discovery range LOCALHOST take where nothing names another."""
ADDRESSES = "addresses"
"""What they take where they look for those of other machines, too, by address."""
NETWORK = "network"
"""What all others take."""
TCP = "large_data"
"""Not a file, but a mode of Fast DDS."""


def file_variables(transport: str) -> dict[str, str]:
    """Those that name an XML profile: a packaged one by its name, or one's own by its path.

    Raises:
        ProfileError: it is not there.
    """
    files = {name: str(_transport_file(transport, version)) for name, version in FILE_VARIABLES.items()}
    if transport != ONE_MACHINE:
        return files
    # With the range LOCALHOST, ROS makes transports of its own, beside those of the file.
    return files | {RANGE: "SYSTEM_DEFAULT"} | ({_LOCALHOST_ONLY: "0"} if _LOCALHOST_ONLY in os.environ else {})


def default_file_variables(discovery: str = "", static_peers: str = "") -> dict[str, str]:
    """Those that name the file where nobody names one; none where the environment does.

    Args:
        discovery: the range, as in ROS_AUTOMATIC_DISCOVERY_RANGE; empty: that of the environment.
        static_peers: addresses of other machines, as in ROS_STATIC_PEERS; empty: those of the environment.
    """
    discovery, static_peers = discovery or os.environ.get(RANGE, ""), static_peers or os.environ.get(PEERS, "")
    one_machine = file_variables(ONE_MACHINE)
    named = {os.environ[name] for name in FILE_VARIABLES if name in os.environ}
    # The file for one machine, and the range that goes with it, is what processes of a rig are given, which may start others.
    if named and (discovery in ("", one_machine[RANGE]) or not named <= set(one_machine.values())):
        return {}
    if discovery != "LOCALHOST":
        return file_variables(NETWORK)
    return file_variables(ADDRESSES) if static_peers else one_machine


def _transport_file(transport: str, version: str) -> Path:
    packaged = TRANSPORTS / version / f"{transport}.xml"
    path = packaged if packaged.is_file() else Path(transport).expanduser().absolute()
    if not path.is_file():
        known = ", ".join(sorted([TCP, *(file.stem for file in (TRANSPORTS / version).glob("*.xml"))]))
        raise ProfileError(f"transport: {transport!r} is neither one of {known} nor the path of an XML profile of Fast DDS")
    return path
