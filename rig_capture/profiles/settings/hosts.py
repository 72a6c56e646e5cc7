"""Settings of rigs of several machines: what runs where, and how the machines find each other."""

from typing import Literal

from pydantic import Field

from rig_capture.profiles.settings.base import Settings


class HostSettings(Settings):
    """One machine of a rig."""

    nodes: tuple[str, ...] = ()
    """Its sensors, by node name, and those of `buttons`, `wifi` and `console` that run here and not on the lead."""
    hostname: str = ""
    """The machine's own name; empty: as the host is called here."""
    address: str = Field("", pattern=r"^[A-Za-z0-9_.:-]*$")
    """IP address or name by which the others reach it without multicast; empty: they find it by multicast."""
    storage_path: str = ""
    """Folder of the sessions on this machine; empty: the rig's."""
    required: bool = True
    """Where every host records, a recording does not start without this one."""


class DdsSettings(Settings):
    """How the nodes of a rig find each other and send large messages; variables of ROS 2 and Fast DDS."""

    domain_id: int = Field(-1, ge=-1, le=232)
    """ROS_DOMAIN_ID of the rig; -1: that of the environment."""
    discovery: Literal["", "OFF", "LOCALHOST", "SUBNET", "SYSTEM_DEFAULT"] = ""
    """ROS_AUTOMATIC_DISCOVERY_RANGE; empty: that of the environment. LOCALHOST with addresses of hosts: no multicast at all."""
    static_peers: tuple[str, ...] = ()
    """ROS_STATIC_PEERS beside the addresses of `hosts`: machines to look for by address, such as that of an operator."""
    discovery_server: str = Field("", pattern=r"^[A-Za-z0-9_.:;\[\]-]*$")
    """ROS_DISCOVERY_SERVER: ADDRESS:PORT of a Fast DDS discovery server, several with semicolons; empty: none."""
    super_client: bool = False
    """ROS_SUPER_CLIENT: clients of the discovery server see all topics, not only those of their own; for recording by pattern."""
    transport: str = ""
    """How Fast DDS sends: a packaged profile (`network`, `one_machine`, `addresses`, `large_messages`), `large_data` (TCP between
    machines), or the path of an XML profile of Fast DDS; empty: the packaged one that fits `discovery`."""
