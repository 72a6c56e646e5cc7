"""Drivers of other packages, found by the entry points of the group `rig_capture.drivers`.

An entry point leads to something that is called with the device's settings and gives a `Driver`, such as the driver's class.
"""

from importlib.metadata import entry_points
from typing import Any

from rig_capture.profiles.settings.devices import DeviceSettings
from rig_capture.sensing.device import DeviceError, Driver

GROUP = "rig_capture.drivers"


def plugin_driver(settings: DeviceSettings) -> Driver[Any]:
    """The driver that the setting `plugin` names.

    Raises:
        DeviceError: no installed package has it, or it can't be imported.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    entry = found.get(settings.plugin)
    if entry is None:
        there = f"there are {', '.join(sorted(found))}" if found else "there are none"
        raise DeviceError(
            f"no installed package has a driver {settings.plugin!r} (entry points {GROUP}: {there}); install it beside rig_capture"
        )
    try:
        make = entry.load()
    except (ImportError, AttributeError) as error:
        raise DeviceError(f"the driver {settings.plugin!r} ({entry.value}) can't be imported: {error}; install what it needs") from error
    driver: Driver[Any] = make(settings)
    return driver
