"""The variables by which ROS 2 and Fast DDS are told how the nodes of a rig find each other and send large messages."""

import os
from pathlib import Path

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.places import PREFIX
from rig_capture.profiles.profile import Profile

TRANSPORTS = Path(__file__).parent / "transport"
"""Packaged XML profiles of Fast DDS, in a folder for each of its versions."""
FILE_VARIABLES = {"FASTRTPS_DEFAULT_PROFILES_FILE": "fastdds2", "FASTDDS_DEFAULT_PROFILES_FILE": "fastdds3"}
"""What names the file, and for which version: Jazzy has the first, Kilted the second."""
ONE_MACHINE = "one_machine"
"""What rigs with `discovery: LOCALHOST` take where neither they nor their environment name another; all others take `network`."""
_NETWORK = "network"
_TCP = "large_data"


def process_variables(profile: Profile) -> dict[str, str]:
    """What the environment of each process of a rig holds beside that of who starts it; `profile.host` says which machine this is.

    Raises:
        ProfileError: the transport's file is not there.
    """
    domain = {"ROS_DOMAIN_ID": str(profile.domain_id)} if profile.domain_id >= 0 else {}
    host = {PREFIX + "HOST": profile.host} if profile.host else {}
    return domain | host | dds_variables(profile)


def dds_variables(profile: Profile) -> dict[str, str]:
    """Those of them that tell DDS how to find and reach the rig.

    Raises:
        ProfileError: the transport's file is not there.
    """
    variables = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": profile.discovery,
        "ROS_STATIC_PEERS": ";".join(_peers(profile)),
        "ROS_DISCOVERY_SERVER": profile.discovery_server,
        "ROS_SUPER_CLIENT": "TRUE" if profile.super_client else "",
    }
    variables |= _named_or_default_file(profile)
    if profile.transport == _TCP:
        variables["FASTDDS_BUILTIN_TRANSPORTS"] = "LARGE_DATA"
    return {name: value for name, value in variables.items() if value}


def _named_or_default_file(profile: Profile) -> dict[str, str]:
    if profile.transport and profile.transport != _TCP:
        return file_variables(profile.transport)
    if any(name in os.environ for name in FILE_VARIABLES):
        return {}
    return file_variables(ONE_MACHINE if profile.discovery == "LOCALHOST" else _NETWORK)


def file_variables(transport: str) -> dict[str, str]:
    """Those that name the XML profile of Fast DDS: a packaged one by its name, or one's own by its path.

    Raises:
        ProfileError: it is not there.
    """
    return {name: str(_transport_file(transport, version)) for name, version in FILE_VARIABLES.items()}


def _peers(profile: Profile) -> list[str]:
    hosts = [settings.address for name, settings in profile.hosts.items() if settings.address and name != profile.host]
    return list(dict.fromkeys([*hosts, *profile.static_peers]))


def _transport_file(transport: str, version: str) -> Path:
    packaged = TRANSPORTS / version / f"{transport}.xml"
    path = packaged if packaged.is_file() else Path(transport).expanduser().absolute()
    if not path.is_file():
        known = ", ".join(sorted([_TCP, *(file.stem for file in (TRANSPORTS / version).glob("*.xml"))]))
        raise ProfileError(f"transport: {transport!r} is neither one of {known} nor the path of an XML profile of Fast DDS")
    return path
