"""What an inventory lists. All models are frozen; empty text, zero or an empty list mean "not known"."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class Item(BaseModel):
    """Something the machine has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """What people call it."""
    profile: str = ""
    """A line of a profile that uses it, section first; empty where none does."""


class SoundSource(Item):
    """Something that sound can be recorded from."""

    device: str
    """Value of the setting `device`."""
    formats: tuple[str, ...] = ()
    """Sample formats in its own words, such as S16_LE or s16le."""
    rates_hz: tuple[int, ...] = ()
    """Sample rates; two of them with `rates_are_range` are the least and the most."""
    rates_are_range: bool = False
    channels: tuple[int, ...] = ()
    """How many it can deliver."""
    state: str = ""
    """Such as running, suspended or in use."""
    is_default: bool = False
    monitors: str = ""
    """Output whose sound it delivers; empty for a true input."""


class FrameSize(BaseModel):
    """A picture size and its rates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    height: int
    rates_hz: tuple[float, ...] = ()


class PictureFormat(BaseModel):
    """A pixel format and its sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    """Four characters, such as MJPG."""
    description: str = ""
    setting: str = ""
    """Value of the setting `pixel_format`; empty where this software can't use it."""
    sizes: tuple[FrameSize, ...] = ()


class Camera(Item):
    """A Video4Linux2 device that delivers pictures."""

    path: str
    stable_path: str = ""
    """Link below /dev/v4l/by-id, which stays where the camera is plugged in elsewhere."""
    driver: str = ""
    bus: str = ""
    formats: tuple[PictureFormat, ...] = ()


class IioDevice(Item):
    """A sensor of the Industrial I/O subsystem."""

    device: str
    """Such as iio:device0."""
    channels: tuple[str, ...] = ()
    rates_hz: tuple[float, ...] = ()


class I2cPart(BaseModel):
    """Something at an address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: int
    name: str
    """As its kernel driver or its identity register says."""
    driver: str = ""
    """Kernel driver that has it; empty: free for a driver of ours."""
    profile: str = ""
    """A line of a profile that uses it."""


class I2cBus(Item):
    """An I2C bus."""

    number: int
    usable: bool
    """This user may open it."""
    parts: tuple[I2cPart, ...] = ()


class PowerSupply(Item):
    """A battery or another supply of the power-supply class."""

    kind: str
    """Such as Battery, Mains or USB."""
    status: str = ""
    percent: int | None = None
    voltage_v: float | None = None
    online: bool | None = None
    model: str = ""
    scope: str = ""
    """Device for batteries of mice and headsets."""


class Volume(Item):
    """A mounted file system on a disk."""

    mount: str
    device: str
    filesystem: str = ""
    size: int = 0
    """Bytes."""
    free: int = 0
    """Bytes."""
    travels: bool = False
    """Its disk is removable or external: sessions can be offloaded to it."""
    model: str = ""


class GpioChip(Item):
    """A chip with pins."""

    path: str
    lines: int = 0


class NetworkInterface(Item):
    """A network interface."""

    kind: str
    """ethernet, wireless, loopback or other."""
    state: str = ""
    """As the kernel says: up, down, dormant, unknown."""
    hardware_address: str = ""
    addresses: tuple[str, ...] = ()
    speed_mbps: int = 0


_OTHER_THAN_TEXT = {"true", "false", "null"}


def profile_line(section: str, wish: str, settings: Mapping[str, object]) -> str:
    """A line of YAML for a profile: a section with one node.

    Args:
        section: such as ``cameras``.
        wish: what the node is to be called; made a ROS name.
        settings: of the node.
    """
    words = re.sub(r"[^a-z0-9]+", "_", wish.lower()).strip("_")[:40].strip("_")
    node = words if words[:1].isalpha() else f"{section.rstrip('s')}_{words}".rstrip("_")
    inside = ", ".join(f"{key}: {_yaml(value)}" for key, value in settings.items())
    return f"{section}: {{{node}: {{{inside}}}}}"


def _yaml(value: object) -> str:
    if isinstance(value, str) and (value.lower() in _OTHER_THAN_TEXT or not re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value)):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:g}" if isinstance(value, float) else str(value)
