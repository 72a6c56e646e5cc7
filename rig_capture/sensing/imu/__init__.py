"""Inertial measurement units; each kind lives in a file of its own."""

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.device import Driver
from rig_capture.sensing.imu.sample import ImuSample


def make_driver(settings: ImuSettings) -> Driver[ImuSample]:
    """The driver that the settings name; only that one is imported."""
    if settings.driver == "mpu6050":
        from rig_capture.sensing.imu.mpu6050 import Mpu6050

        return Mpu6050(settings)
    if settings.driver == "iio":
        from rig_capture.sensing.imu.iio import IioImu

        return IioImu(settings)
    if settings.driver == "plugin":
        from rig_capture.sensing.plugins import plugin_driver

        return plugin_driver(settings)
    from rig_capture.sensing.imu.synthetic import SyntheticImu

    return SyntheticImu(settings)
