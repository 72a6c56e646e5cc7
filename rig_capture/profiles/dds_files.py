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
ONE_MACHINE = "one_machine"
"""What nodes with the discovery range LOCALHOST take where nothing names another; all others take `NETWORK`."""
NETWORK = "network"
TCP = "large_data"
"""Not a file, but a mode of Fast DDS."""


def file_variables(transport: str) -> dict[str, str]:
    """Those that name an XML profile: a packaged one by its name, or one's own by its path.

    Raises:
        ProfileError: it is not there.
    """
    return {name: str(_transport_file(transport, version)) for name, version in FILE_VARIABLES.items()}


def default_file_variables(discovery: str) -> dict[str, str]:
    """Those that name the file for a discovery range (ROS_AUTOMATIC_DISCOVERY_RANGE); none where the environment names one."""
    if any(name in os.environ for name in FILE_VARIABLES):
        return {}
    return file_variables(ONE_MACHINE if discovery == "LOCALHOST" else NETWORK)


def _transport_file(transport: str, version: str) -> Path:
    packaged = TRANSPORTS / version / f"{transport}.xml"
    path = packaged if packaged.is_file() else Path(transport).expanduser().absolute()
    if not path.is_file():
        known = ", ".join(sorted([TCP, *(file.stem for file in (TRANSPORTS / version).glob("*.xml"))]))
        raise ProfileError(f"transport: {transport!r} is neither one of {known} nor the path of an XML profile of Fast DDS")
    return path
