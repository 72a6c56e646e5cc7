"""Settings of what a rig without keyboard and screen is operated by: a button with its lamp and buzzer, and Wi-Fi."""

from typing import Literal

from pydantic import Field

from rig_capture.profiles.settings.base import Settings


class ButtonsSettings(Settings):
    """A button, with a lamp and a buzzer where there are some. Pins are named as gpiozero does, such as GPIO17 or BOARD11."""

    button: str = Field("main", min_length=1)
    """Name of the button in its events."""
    pin: str = "GPIO17"
    """Pin of the button."""
    pull: Literal["up", "down", "none_high", "none_low"] = "up"
    """Pull resistor of the chip: up (the button connects to ground) or down (to the supply); without one, the level when pressed."""
    bounce_s: float = Field(0.02, ge=0, le=1)
    """Changes of the level within so long after one are bounces of the contact."""
    long_s: float = Field(5.0, gt=0, le=60)
    """A press held so long is a long one; it counts while still held."""
    double_s: float = Field(0.5, ge=0, le=5)
    """A second press so soon after the first makes a double one. Only looked for while idle, so that a stop is not delayed."""
    double_action: Literal["preview", "trigger", "none"] = "preview"
    """What a double press does while idle: tell others to show a preview, or save what just happened (trigger_recording)."""
    long_action: Literal["wifi_setup", "none"] = "wifi_setup"
    """What a long press does while idle: open Wi-Fi set-up (needs the node wifi)."""
    led_pin: str = ""
    """Pin of a lamp; empty: none."""
    buzzer_pin: str = ""
    """Pin of a buzzer that sounds when switched on; empty: none."""
    answer_s: float = Field(60.0, gt=0, le=600)
    """Longest wait for the recorder's answer."""
    retry_s: float = Field(10.0, gt=0, le=3600)
    """Wait before pins that could not be had are tried again."""


class WifiSettings(Settings):
    """Wi-Fi through NetworkManager."""

    interface: str = ""
    """Wireless interface; empty: the first."""
    hotspot_ssid: str = Field("", max_length=32)
    """Name of the hotspot that set-up opens; empty: rig- and the host's name."""
    hotspot_timeout_s: float = Field(300.0, gt=0, le=86400)
    """The hotspot closes by itself after so long."""
    hotspot_band: Literal["bg", "a"] = "bg"
    """2.4 GHz or 5 GHz."""
    hotspot_password_file: str = ""
    """File (mode 600) with the hotspot's password; empty: `hotspot_password` in the user's data folder, made once at random."""
    connect_timeout_s: float = Field(30.0, gt=0, le=600)
    """Longest wait for a connection."""
    scan_timeout_s: float = Field(15.0, gt=0, le=120)
    """Longest wait for the radio to look around."""
