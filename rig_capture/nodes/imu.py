"""Executable `imu`: an inertial measurement unit on `<name>/data_raw` and `<name>/temperature`."""

from typing import NoReturn

from sensor_msgs.msg import Imu, Temperature

from rig_capture.health.catalogue import IMU_SAMPLES_LOST
from rig_capture.nodes.common.base import data_qos, run_node, time_message
from rig_capture.nodes.common.sensor import SensorNode
from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.device import Driver
from rig_capture.sensing.imu import make_driver
from rig_capture.sensing.imu.sample import ImuSample

UNKNOWN = [-1.0] + [0.0] * 8
"""Covariance of what is not measured at all (sensor_msgs/Imu)."""
TEMPERATURE_PERIOD_NS = 1_000_000_000


class ImuNode(SensorNode[ImuSettings, ImuSample]):
    """Publishes every sample, and the temperature once a second."""

    settings_type = ImuSettings
    loss_code = IMU_SAMPLES_LOST

    def __init__(self, name: str) -> None:
        super().__init__(name)
        name = self.get_name()
        self._data = self.create_publisher(Imu, f"{name}/data_raw", data_qos(self.settings.depth))
        self._temperature = self.create_publisher(Temperature, f"{name}/temperature", data_qos(10))
        self._temperature_ns = 0
        self._missed = 0
        self._acceleration_covariance = diagonal(self.settings.accel_stddev)
        self._angular_velocity_covariance = diagonal(self.settings.gyro_stddev)

    def make_driver(self) -> Driver[ImuSample]:
        return make_driver(self.settings)

    def publish_sample(self, sample: ImuSample) -> None:
        self._missed = sample.missed
        self._data.publish(self._message(sample))
        if sample.temperature_c is not None and abs(sample.stamp_ns - self._temperature_ns) >= TEMPERATURE_PERIOD_NS:
            self._temperature_ns = sample.stamp_ns
            message = Temperature(temperature=sample.temperature_c)
            message.header.stamp = time_message(sample.stamp_ns)
            message.header.frame_id = self.frame_id
            self._temperature.publish(message)

    def lost(self) -> int:
        return self._missed

    def settings_changed(self, before: ImuSettings) -> None:
        super().settings_changed(before)
        self._acceleration_covariance = diagonal(self.settings.accel_stddev)
        self._angular_velocity_covariance = diagonal(self.settings.gyro_stddev)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        level, message, values = super().diagnose()
        return level, message, values | {"driver": self.settings.driver, "missed": self._missed}

    def _message(self, sample: ImuSample) -> Imu:
        message = Imu(orientation_covariance=UNKNOWN)
        message.header.stamp = time_message(sample.stamp_ns)
        message.header.frame_id = self.frame_id
        if sample.acceleration is None:
            message.linear_acceleration_covariance = UNKNOWN
        else:
            vector = message.linear_acceleration
            vector.x, vector.y, vector.z = sample.acceleration
            message.linear_acceleration_covariance = self._acceleration_covariance
        if sample.angular_velocity is None:
            message.angular_velocity_covariance = UNKNOWN
        else:
            vector = message.angular_velocity
            vector.x, vector.y, vector.z = sample.angular_velocity
            message.angular_velocity_covariance = self._angular_velocity_covariance
        return message


def diagonal(stddev: float) -> list[float]:
    """A 3 by 3 covariance, row by row, of three independent axes."""
    variance = stddev**2
    return [variance, 0.0, 0.0, 0.0, variance, 0.0, 0.0, 0.0, variance]


def make_node(name: str) -> ImuNode:
    """The node, for `group`."""
    return ImuNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("imu"))


if __name__ == "__main__":
    main()
