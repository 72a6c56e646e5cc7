"""What the network looks like from this machine: links, addresses, default route, and whether the outside answers."""

from rig_capture.sensing.network.state import NetworkReading, NetworkState
from rig_capture.sensing.network.watch import NetworkWatch

__all__ = ["NetworkReading", "NetworkState", "NetworkWatch"]
