"""The variables by which ROS 2 and Fast DDS are told how the nodes of a rig find each other and send large messages."""

from rig_capture.profiles.dds_files import PEERS, RANGE, TCP, default_file_variables, file_variables
from rig_capture.profiles.places import PREFIX
from rig_capture.profiles.profile import Profile


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
        RANGE: profile.discovery,
        PEERS: ";".join(_peers(profile)),
        "ROS_DISCOVERY_SERVER": profile.discovery_server,
        "ROS_SUPER_CLIENT": "TRUE" if profile.super_client else "",
    }
    variables |= _named_or_default_file(profile)
    if profile.transport == TCP:
        variables["FASTDDS_BUILTIN_TRANSPORTS"] = "LARGE_DATA"
    return {name: value for name, value in variables.items() if value}


def _named_or_default_file(profile: Profile) -> dict[str, str]:
    if profile.transport and profile.transport != TCP:
        return file_variables(profile.transport)
    return default_file_variables(profile.discovery, ";".join(_peers(profile)))


def _peers(profile: Profile) -> list[str]:
    hosts = [settings.address for name, settings in profile.hosts.items() if settings.address and name != profile.host]
    return list(dict.fromkeys([*hosts, *profile.static_peers]))
