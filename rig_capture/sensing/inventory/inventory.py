"""Taking an inventory: every source at once, each by itself."""

import logging
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from rig_capture.sensing.inventory import alsa, boards, cameras, machine, sound
from rig_capture.sensing.inventory.items import (
    Camera,
    GpioChip,
    I2cBus,
    IioDevice,
    NetworkInterface,
    PowerSupply,
    SoundSource,
    Volume,
)
from rig_capture.sensing.inventory.places import Absent, Places, Unreadable

log = logging.getLogger(__name__)


class Inventory(BaseModel):
    """What a machine has. A source that found nothing is an empty list; why stands in `absent` or `problems`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    looked_at: datetime
    took_s: float
    alsa: tuple[SoundSource, ...] = ()
    """Capture devices of the kernel's sound system."""
    pulse: tuple[SoundSource, ...] = ()
    """Sources of PulseAudio, or of PipeWire in its place."""
    pipewire: tuple[SoundSource, ...] = ()
    jack: tuple[SoundSource, ...] = ()
    """Ports of JACK that deliver sound, those of one client together."""
    cameras: tuple[Camera, ...] = ()
    iio: tuple[IioDevice, ...] = ()
    i2c: tuple[I2cBus, ...] = ()
    power_supplies: tuple[PowerSupply, ...] = ()
    volumes: tuple[Volume, ...] = ()
    gpio: tuple[GpioChip, ...] = ()
    network: tuple[NetworkInterface, ...] = ()
    absent: Mapping[str, str] = {}
    """Sources that this machine does not have, and why."""
    problems: Mapping[str, str] = {}
    """Sources that could not be read, or not whole, and why."""


def take_inventory(places: Places | None = None, *, probe: bool = False) -> Inventory:
    """Asks every source at once; takes a few tenths of a second, and at most what a hanging sound server is given.

    Never disturbs what records: devices that are in use are not opened.

    Args:
        places: where to look; None: this machine.
        probe: also open idle ALSA devices to ask for formats, and read the identity of parts on I2C at addresses where parts
            that this software knows may be. Both are harmless to most hardware, and not to all.
    """
    at = places or Places()
    sources: dict[str, Callable[[], tuple[Any, ...]]] = {
        "alsa": lambda: alsa.alsa(at, probe=probe),
        "pulse": sound.pulse,
        "pipewire": sound.pipewire,
        "jack": sound.jack,
        "cameras": lambda: cameras.cameras(at),
        "iio": lambda: boards.iio(at),
        "i2c": lambda: boards.i2c(at, probe=probe),
        "power_supplies": lambda: machine.power_supplies(at),
        "volumes": machine.volumes,
        "gpio": lambda: boards.gpio(at),
        "network": lambda: machine.network(at),
    }
    looked_at, begin = datetime.now(UTC), time.monotonic()
    found: dict[str, tuple[Any, ...]] = {}
    absent: dict[str, str] = {}
    problems: dict[str, str] = {}
    with ThreadPoolExecutor(len(sources), "inventory") as pool:
        futures = {name: pool.submit(source) for name, source in sources.items()}
        for name, future in futures.items():
            _collect(name, future, found, absent, problems)
    took_s = round(time.monotonic() - begin, 3)
    return Inventory(host=socket.gethostname(), looked_at=looked_at, took_s=took_s, absent=absent, problems=problems, **found)


def _collect(
    name: str, future: "Future[tuple[Any, ...]]", found: dict[str, tuple[Any, ...]], absent: dict[str, str], problems: dict[str, str]
) -> None:
    try:
        found[name] = future.result()
    except Absent as reason:
        absent[name] = str(reason)
    except Unreadable as reason:
        problems[name] = str(reason)
    except Exception as error:
        # Odd hardware and newer programs say things nobody foresaw; the rest of the inventory is still worth having.
        log.exception("inventory of %s failed", name)
        problems[name] = f"{type(error).__name__}: {error}; please report this with the output of `rig --debug inventory`"
