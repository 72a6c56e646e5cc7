"""The made-up battery."""

import pytest

from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery.reading import BatteryStatus
from rig_capture.sensing.battery.synthetic import LOWEST, PERIOD_S, reading_at


def test_it_empties_and_fills_and_its_numbers_agree() -> None:
    settings = BatterySettings()
    full, half, low, charging = (reading_at(PERIOD_S * part, 0, settings) for part in (0.0, 0.25, 0.5, 0.75))
    assert (full.fraction, low.fraction) == pytest.approx((1.0, LOWEST))
    assert (half.status, charging.status) == (BatteryStatus.DISCHARGING, BatteryStatus.CHARGING)
    assert half.current_a == -charging.current_a < 0
    assert full.charge_ah - half.charge_ah == pytest.approx(-half.current_a * PERIOD_S / 4 / 3600)
