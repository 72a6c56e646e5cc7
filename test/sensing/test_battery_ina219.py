"""The INA219 driver on a bus whose part computes as the data sheet says."""

import math

import pytest
from pydantic import ValidationError

from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery.ina219 import Ina219, calibration, configuration
from rig_capture.sensing.battery.reading import BatteryReading, BatteryStatus
from rig_capture.sensing.device import DeviceError
from test.sensing.i2c_parts import FakeBus, Ina219Part


def opened(part: Ina219Part, **more: object) -> tuple[Ina219, FakeBus]:
    bus = FakeBus({0x42: part})
    settings = BatterySettings.model_validate({"driver": "ina219", "rate_hz": 100.0, "shunt_ohm": part.shunt_ohm} | more)
    driver = Ina219(settings, lambda number: bus)
    driver.open()
    return driver, bus


def read(driver: Ina219) -> BatteryReading:
    reading = driver.read()
    assert reading is not None
    return reading


@pytest.mark.parametrize(("bus_v", "fraction"), [(8.4, 1.0), (7.2, 0.5), (6.0, 0.0), (5.5, 0.0), (8.6, 1.0)])
def test_the_charge_lies_between_the_empty_and_the_full_voltage(bus_v: float, fraction: float) -> None:
    part = Ina219Part()
    part.bus_v = bus_v
    reading = read(opened(part)[0])
    assert reading.voltage_v == pytest.approx(bus_v, abs=0.004)
    assert reading.fraction == pytest.approx(fraction, abs=0.002)


@pytest.mark.parametrize(("shunt_ohm", "max_current_a"), [(0.1, 3.2), (0.01, 5.0), (0.05, 1.0)])
@pytest.mark.parametrize("current_a", [-0.75, 0.5])
def test_the_current_is_measured_with_its_sign(shunt_ohm: float, max_current_a: float, current_a: float) -> None:
    part = Ina219Part(shunt_ohm)
    part.current_a = current_a
    reading = read(opened(part, max_current_a=max_current_a)[0])
    assert reading.current_a == pytest.approx(current_a, rel=0.01)
    assert reading.status == (BatteryStatus.DISCHARGING if current_a < 0 else BatteryStatus.CHARGING)
    assert math.isnan(reading.charge_ah)


def test_without_current_a_full_battery_is_full() -> None:
    part = Ina219Part()
    driver, _ = opened(part)
    assert read(driver).status == BatteryStatus.NOT_CHARGING
    part.bus_v = 8.39
    assert read(driver).status == BatteryStatus.FULL


def test_an_overflow_is_no_reading() -> None:
    part = Ina219Part()
    part.overflow = True
    assert math.isnan(read(opened(part)[0]).current_a)


def test_the_data_sheets_example() -> None:
    # SBOS448G, section 8.5.1: 15 A at most through 2 mOhm, with steps of 1 mA chosen, gives 20480.
    register, lsb = calibration(0.001 * 2**15, 0.002)
    assert register == 20480
    assert lsb == pytest.approx(0.001)


def test_ranges_are_as_small_as_can_be() -> None:
    assert configuration(BatterySettings(shunt_ohm=0.01, max_current_a=4.0)) == 0b0000_0110_1110_1111
    assert configuration(BatterySettings(full_v=25.2)) == 0b0011_1110_1110_1111


def test_a_dip_of_the_supply_is_noticed() -> None:
    part = Ina219Part()
    driver, _ = opened(part)
    read(driver)
    part.power_up()
    with pytest.raises(DeviceError, match="lost its calibration"):
        driver.read()


def test_a_lost_part_is_an_error() -> None:
    driver, bus = opened(Ina219Part())
    read(driver)
    bus.parts.clear()
    with pytest.raises(DeviceError, match="was lost"):
        driver.read()


def test_voltages_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match="above empty_v, which is 9 V"):
        BatterySettings(empty_v=9.0)
