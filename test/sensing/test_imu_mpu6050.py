"""The MPU-6050 driver on a bus whose part behaves as the data sheet says."""

import math

import pytest

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.imu.mpu6050 import Mpu6050, filter_setting
from rig_capture.sensing.imu.sample import ImuSample
from test.sensing.i2c_parts import FakeBus, Mpu


def opened(part: Mpu, **more: object) -> tuple[Mpu6050, FakeBus]:
    bus = FakeBus({0x68: part})
    driver = Mpu6050(ImuSettings.model_validate({"driver": "mpu6050"} | more), lambda number: bus)
    driver.open()
    return driver, bus


def sample(driver: Mpu6050) -> ImuSample:
    while (result := driver.read()) is None:
        pass
    return result


@pytest.mark.parametrize("accel_range", [2, 4, 8, 16])
@pytest.mark.parametrize("gyro_range", [250, 500, 1000, 2000])
def test_readings_are_in_si_units_at_every_range(accel_range: int, gyro_range: int) -> None:
    part = Mpu()
    part.acceleration_g, part.rate_dps, part.raw_temperature = (0.5, -0.25, 1.0), (90.0, -45.0, 180.0), -521
    driver, _ = opened(part, accel_range_g=accel_range, gyro_range_dps=gyro_range)
    reading = sample(driver)
    assert reading.acceleration == pytest.approx((4.903, -2.452, 9.807), abs=0.01)
    assert reading.angular_velocity == pytest.approx((math.pi / 2, -math.pi / 4, math.pi), rel=2e-3)
    assert reading.temperature_c == pytest.approx(35.0, abs=0.01)


def test_newer_kin_are_known_by_identity_and_have_their_own_temperature() -> None:
    part = Mpu(identity=0x71)
    part.raw_temperature = 1335
    driver, _ = opened(part)
    assert sample(driver).temperature_c == pytest.approx(25.0, abs=0.01)
    assert part.registers[0x1D] == part.registers[0x1A] == 2


def test_the_filter_lies_below_half_the_rate() -> None:
    assert [filter_setting(rate) for rate in (1000, 400, 200, 100, 50, 5)] == [1, 1, 2, 3, 4, 6]


def test_another_part_at_the_address_is_refused() -> None:
    with pytest.raises(DeviceError, match="says it is 0xd1"):
        opened(Mpu(identity=0xD1))


def test_a_part_that_does_not_answer_says_what_to_check() -> None:
    bus = FakeBus({})
    driver = Mpu6050(ImuSettings(driver="mpu6050"), lambda number: bus)
    with pytest.raises(DeviceError, match="check wiring"):
        driver.open()
    driver.close()
    assert not bus.open


def test_a_bus_that_is_not_there_says_how_to_get_it() -> None:
    def missing(number: int) -> FakeBus:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(DeviceError, match=r"/dev/i2c-1.*i2c-dev"):
        Mpu6050(ImuSettings(driver="mpu6050"), missing).open()


def test_a_part_stuck_in_reset_is_an_error() -> None:
    part = Mpu()
    part.stuck = True
    with pytest.raises(DeviceError, match="reset"):
        opened(part)


def test_a_lost_part_is_an_error() -> None:
    driver, bus = opened(Mpu())
    sample(driver)
    bus.parts.clear()
    with pytest.raises(DeviceError, match="was lost"):
        sample(driver)


def test_a_rate_beyond_the_part_is_refused() -> None:
    with pytest.raises(DeviceError, match="1000 Hz at most"):
        opened(Mpu(), rate_hz=2000.0)
