"""Batteries of the power-supply class, from trees as real machines show them."""

import math
from pathlib import Path

import pytest

from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery.power_supply import PowerSupply
from rig_capture.sensing.battery.reading import BatteryReading, BatteryStatus
from rig_capture.sensing.device import DeviceError


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")
    return folder


@pytest.fixture
def supplies(tmp_path: Path) -> Path:
    """A machine with a mains supply and a mouse, and no battery yet."""
    root = tmp_path / "class/power_supply"
    write(root / "AC", type="Mains", online=1)
    write(root / "hid-mouse", type="Battery", scope="Device", capacity=20)
    return root


def read(root: Path, **more: object) -> BatteryReading:
    driver = PowerSupply(BatterySettings.model_validate({"driver": "power_supply", "sysfs_root": str(root.parents[1])} | more))
    driver.open()
    reading = driver.read()
    driver.close()
    assert reading is not None
    return reading


def test_a_battery_that_counts_charge(supplies: Path) -> None:
    write(supplies / "BAT0", type="Battery", status="Discharging", technology="Li-ion", health="Good", present=1, serial_number="77")
    write(supplies / "BAT0", voltage_now=7_400_000, current_now=1_500_000, charge_now=2_000_000, charge_full=4_000_000)
    write(supplies / "BAT0", charge_full_design=4_400_000, capacity=51, temp=312)
    reading = read(supplies)
    assert (reading.voltage_v, reading.current_a, reading.charge_ah, reading.capacity_ah) == pytest.approx((7.4, -1.5, 2.0, 4.0))
    assert (reading.design_capacity_ah, reading.fraction, reading.temperature_c) == pytest.approx((4.4, 0.51, 31.2))
    assert (reading.status, reading.technology, reading.health) == (BatteryStatus.DISCHARGING, "Li-ion", "Good")
    assert (reading.location, reading.serial_number, reading.present) == ("BAT0", "77", True)


def test_a_battery_that_counts_energy(supplies: Path) -> None:
    write(supplies / "BAT1", type="Battery", status="Charging", voltage_now=12_000_000, voltage_min_design=11_000_000)
    write(supplies / "BAT1", power_now=24_000_000, energy_now=33_000_000, energy_full=44_000_000)
    reading = read(supplies)
    assert (reading.current_a, reading.charge_ah, reading.capacity_ah, reading.fraction) == pytest.approx((2.0, 3.0, 4.0, 0.75))


def test_a_negative_current_of_a_discharging_battery_stays_negative(supplies: Path) -> None:
    write(supplies / "BAT0", type="Battery", status="Discharging", current_now=-900_000)
    assert read(supplies).current_a == pytest.approx(-0.9)


def test_what_is_not_measured_is_nan(supplies: Path) -> None:
    write(supplies / "BAT0", type="Battery", status="Sleeping", voltage_now=0, power_now=5, energy_now=1, energy_full=0)
    reading = read(supplies)
    assert reading.status == BatteryStatus.UNKNOWN
    assert math.isnan(reading.current_a)
    assert math.isnan(reading.temperature_c)
    assert math.isnan(reading.design_capacity_ah)
    assert math.isnan(reading.fraction)


def test_a_named_battery_is_taken_also_where_it_is_no_machines(supplies: Path) -> None:
    assert read(supplies, supply="hid-mouse").fraction == pytest.approx(0.2)


def test_no_battery_names_what_there_is(supplies: Path) -> None:
    with pytest.raises(DeviceError, match=r"there: AC \(Mains\), hid-mouse \(Battery\)"):
        read(supplies)


def test_a_battery_taken_out_is_lost(supplies: Path) -> None:
    battery = write(supplies / "BAT0", type="Battery", capacity=50)
    driver = PowerSupply(BatterySettings(driver="power_supply", sysfs_root=str(supplies.parents[1]), rate_hz=100.0))
    driver.open()
    assert driver.read() is not None
    (battery / "type").unlink()
    with pytest.raises(DeviceError, match="is gone"):
        driver.read()
