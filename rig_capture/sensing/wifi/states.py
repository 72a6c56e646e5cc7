"""What a machine's Wi-Fi does."""

from enum import StrEnum


class WifiState(StrEnum):
    """What the machine's Wi-Fi does now."""

    IDLE = "idle"
    """As NetworkManager has it."""
    SETUP = "setup"
    """The hotspot of set-up is open."""
    CONNECTING = "connecting"
