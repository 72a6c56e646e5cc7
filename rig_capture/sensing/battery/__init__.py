"""Batteries; each kind lives in a file of its own."""

from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery.reading import BatteryReading
from rig_capture.sensing.device import Driver


def make_driver(settings: BatterySettings) -> Driver[BatteryReading]:
    """The driver that the settings name; only that one is imported."""
    if settings.driver == "ina219":
        from rig_capture.sensing.battery.ina219 import Ina219

        return Ina219(settings)
    if settings.driver == "power_supply":
        from rig_capture.sensing.battery.power_supply import PowerSupply

        return PowerSupply(settings)
    if settings.driver == "plugin":
        from rig_capture.sensing.plugins import plugin_driver

        return plugin_driver(settings)
    from rig_capture.sensing.battery.synthetic import SyntheticBattery

    return SyntheticBattery(settings)
