"""Texas Instruments INA219 on I2C, between a battery and its load, as on common UPS boards.

Registers and formulas: "INA219 Zero-Drift, Bidirectional Current/Power Monitor With I2C Interface", SBOS448G, section 8.5
(programming) and 8.6 (register maps). Registers are 16 bits, high byte first.
"""

import math
import threading
import time

from rig_capture.profiles.settings.devices import BatterySettings
from rig_capture.sensing.battery.reading import BatteryReading, BatteryStatus
from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.i2c import I2cBus, OpenBus, claim, open_smbus, signed16
from rig_capture.sensing.pacing import Pacer

CONFIGURATION, SHUNT_VOLTAGE, BUS_VOLTAGE, POWER, CURRENT, CALIBRATION = range(6)

BUS_RANGE_32V = 1 << 13
GAINS_V = (0.04, 0.08, 0.16, 0.32)
"""Full scale of the shunt voltage by PG, bits 11 and 12."""
AVERAGE_32 = 0b1101
"""BADC (bits 7 to 10) and SADC (bits 3 to 6): 32 samples averaged, 17 ms."""
CONTINUOUS = 0b111
CALIBRATION_CONSTANT = 0.04096
BUS_LSB_V = 0.004
OVERFLOW = 1 << 0
IDLE_A = 0.01
"""Below it the battery neither charges nor discharges: noise."""


class Ina219:
    """Bus voltage and current; the state of charge is a straight line between the empty and the full voltage."""

    def __init__(self, settings: BatterySettings, open_bus: OpenBus = open_smbus) -> None:
        self._settings = settings
        self._open_bus = open_bus
        self._address = settings.i2c_address
        self._name = f"INA219 at address {settings.i2c_address:#x} of I2C bus {settings.i2c_bus}"
        self._bus: I2cBus | None = None
        self._stop = threading.Event()

    def open(self) -> None:
        self._calibration, self._current_lsb = calibration(self._settings.max_current_a, self._settings.shunt_ohm)
        self._bus = claim(self._open_bus, self._settings.i2c_bus)
        try:
            self._write(CONFIGURATION, configuration(self._settings))
            self._write(CALIBRATION, self._calibration)
        except OSError as error:
            raise DeviceError(f"{self._name} does not answer ({error}); check wiring, power and i2c_address") from error
        self._pacer = Pacer(self._settings.rate_hz, self._stop, at_once=True)

    def read(self) -> BatteryReading | None:
        if not self._pacer.wait_latest():
            return None
        stamp_ns = time.time_ns()
        try:
            bus_register = self._read(BUS_VOLTAGE) & 0xFFFF
            current_register, calibration_now = self._read(CURRENT), self._read(CALIBRATION)
        except OSError as error:
            raise DeviceError(f"{self._name} was lost ({error}); check wiring and power") from error
        if calibration_now != self._calibration:
            raise DeviceError(f"{self._name} has lost its calibration, as after a dip of its supply; it is set up again")
        current = math.nan if bus_register & OVERFLOW else current_register * self._current_lsb
        return self._reading(stamp_ns, (bus_register >> 3) * BUS_LSB_V, current)

    def close(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()

    def interrupt(self) -> None:
        self._stop.set()

    def _reading(self, stamp_ns: int, voltage: float, current: float) -> BatteryReading:
        settings = self._settings
        fraction = (voltage - settings.empty_v) / (settings.full_v - settings.empty_v)
        status = BatteryStatus.UNKNOWN
        if not math.isnan(current):
            idle = BatteryStatus.FULL if fraction > 0.95 else BatteryStatus.NOT_CHARGING
            status = idle if abs(current) < IDLE_A else BatteryStatus.CHARGING if current > 0 else BatteryStatus.DISCHARGING
        return BatteryReading(
            stamp_ns, voltage_v=voltage, current_a=current, fraction=min(1.0, max(0.0, fraction)), status=status, technology="Li-ion"
        )

    def _read(self, register: int) -> int:
        assert self._bus is not None
        high, low = self._bus.read_i2c_block_data(self._address, register, 2)
        return signed16(high, low)

    def _write(self, register: int, value: int) -> None:
        assert self._bus is not None
        self._bus.write_i2c_block_data(self._address, register, [value >> 8, value & 0xFF])


def configuration(settings: BatterySettings) -> int:
    """The configuration register: smallest ranges that hold the battery's voltage and largest current, averaged."""
    shunt_v = settings.max_current_a * settings.shunt_ohm
    gain = next((gain for gain, full_scale in enumerate(GAINS_V) if shunt_v <= full_scale * 1.001), len(GAINS_V) - 1)
    bus_range = 0 if settings.full_v <= 15 else BUS_RANGE_32V
    return bus_range | gain << 11 | AVERAGE_32 << 7 | AVERAGE_32 << 3 | CONTINUOUS


def calibration(max_current_a: float, shunt_ohm: float) -> tuple[int, float]:
    """The calibration register, and what one step of the current register is worth in A.

    Bit 0 of the register does not exist, and it holds at most 0xFFFE; the step is made to fit.
    """
    wanted_lsb = max_current_a / 2**15
    register = min(0xFFFE, int(CALIBRATION_CONSTANT / (wanted_lsb * shunt_ohm)) & 0xFFFE)
    return register, CALIBRATION_CONSTANT / (register * shunt_ohm)
