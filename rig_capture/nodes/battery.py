"""Executable `battery`: a battery's state on a topic of the node's name."""

import math
from typing import NoReturn

from sensor_msgs.msg import BatteryState

from rig_capture.health.catalogue import BATTERY_EMPTY, BATTERY_LOW
from rig_capture.health.tracker import Below, Hold
from rig_capture.nodes.common.base import data_qos, run_node, time_message
from rig_capture.nodes.common.sensor import SensorNode
from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery import make_driver
from rig_capture.sensing.battery.reading import BatteryReading, BatteryStatus
from rig_capture.sensing.device import Driver

STATUS = {
    BatteryStatus.UNKNOWN: BatteryState.POWER_SUPPLY_STATUS_UNKNOWN,
    BatteryStatus.CHARGING: BatteryState.POWER_SUPPLY_STATUS_CHARGING,
    BatteryStatus.DISCHARGING: BatteryState.POWER_SUPPLY_STATUS_DISCHARGING,
    BatteryStatus.NOT_CHARGING: BatteryState.POWER_SUPPLY_STATUS_NOT_CHARGING,
    BatteryStatus.FULL: BatteryState.POWER_SUPPLY_STATUS_FULL,
}
HEALTH = {
    "Good": BatteryState.POWER_SUPPLY_HEALTH_GOOD,
    "Overheat": BatteryState.POWER_SUPPLY_HEALTH_OVERHEAT,
    "Dead": BatteryState.POWER_SUPPLY_HEALTH_DEAD,
    "Over voltage": BatteryState.POWER_SUPPLY_HEALTH_OVERVOLTAGE,
    "Unspecified failure": BatteryState.POWER_SUPPLY_HEALTH_UNSPEC_FAILURE,
    "Cold": BatteryState.POWER_SUPPLY_HEALTH_COLD,
    "Watchdog timer expire": BatteryState.POWER_SUPPLY_HEALTH_WATCHDOG_TIMER_EXPIRE,
    "Safety timer expire": BatteryState.POWER_SUPPLY_HEALTH_SAFETY_TIMER_EXPIRE,
}
TECHNOLOGY = {
    "NiMH": BatteryState.POWER_SUPPLY_TECHNOLOGY_NIMH,
    "Li-ion": BatteryState.POWER_SUPPLY_TECHNOLOGY_LION,
    "Li-poly": BatteryState.POWER_SUPPLY_TECHNOLOGY_LIPO,
    "LiFe": BatteryState.POWER_SUPPLY_TECHNOLOGY_LIFE,
    "NiCd": BatteryState.POWER_SUPPLY_TECHNOLOGY_NICD,
    "LiMn": BatteryState.POWER_SUPPLY_TECHNOLOGY_LIMN,
}


class BatteryNode(SensorNode[BatterySettings, BatteryReading]):
    """Publishes every reading."""

    settings_type = BatterySettings

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._publisher = self.create_publisher(BatteryState, self.get_name(), data_qos(10))

    def make_driver(self) -> Driver[BatteryReading]:
        return make_driver(self.settings)

    def publish_sample(self, sample: BatteryReading) -> None:
        message = battery_message(sample)
        message.header.frame_id = self.frame_id
        self._publisher.publish(message)
        if not math.isnan(sample.fraction):
            self._tell_charge(sample)

    def _tell_charge(self, sample: BatteryReading) -> None:
        """Low, or nearly empty. One that charges is on its way up, and no problem."""
        settings, percent = self.settings, 100 * sample.fraction
        charging = sample.status == BatteryStatus.CHARGING
        message = f"{self.get_name()} holds {percent:.0f} % ({sample.voltage_v:.2f} V)" + (", charging" if charging else "; charge it")
        for code, limit in ((BATTERY_LOW, settings.low_percent), (BATTERY_EMPTY, settings.empty_percent)):
            below = Below(on=limit, off=limit + settings.recovered_percent).passed(percent, is_open=self.health.is_open(code))
            evidence = {"percent": round(percent, 1), "voltage_v": _or_none(sample.voltage_v), "current_a": _or_none(sample.current_a)}
            self.health.set(
                code, problem=below and not charging, message=message, evidence=evidence, hold=Hold(on_s=settings.problem_hold_s)
            )

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        level, message, values = super().diagnose()
        return level, message, values | {"driver": self.settings.driver}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)


def battery_message(reading: BatteryReading) -> BatteryState:
    """A sensor_msgs/BatteryState without frame."""
    message = BatteryState(
        voltage=reading.voltage_v,
        temperature=reading.temperature_c,
        current=reading.current_a,
        charge=reading.charge_ah,
        capacity=reading.capacity_ah,
        design_capacity=reading.design_capacity_ah,
        percentage=reading.fraction,
        power_supply_status=STATUS[reading.status],
        power_supply_health=HEALTH.get(reading.health, BatteryState.POWER_SUPPLY_HEALTH_UNKNOWN),
        power_supply_technology=TECHNOLOGY.get(reading.technology, BatteryState.POWER_SUPPLY_TECHNOLOGY_UNKNOWN),
        present=reading.present,
        location=reading.location,
        serial_number=reading.serial_number,
    )
    message.header.stamp = time_message(reading.stamp_ns)
    return message


def make_node(name: str) -> BatteryNode:
    """The node, for `group`."""
    return BatteryNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("battery"))


if __name__ == "__main__":
    main()
