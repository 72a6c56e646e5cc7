"""InvenSense MPU-6050 and its kin on I2C.

Registers: "MPU-6000 and MPU-6050 Register Map and Descriptions", revision 4.2 (RM-MPU-6000A-00); for the MPU-6500 and
MPU-9250 "Register Map", revision 2.1 (RM-MPU-6500A-00) and 1.6 (RM-MPU-9250A-00), which differ in the identity, the
temperature formula and the accelerometer's own filter.
"""

import math
import threading
import time

from rig_capture.profiles.settings.devices import ImuSettings
from rig_capture.sensing.device import DeviceError
from rig_capture.sensing.i2c import I2cBus, OpenBus, claim, open_smbus, signed16
from rig_capture.sensing.imu.sample import STANDARD_GRAVITY, ImuSample, Vector
from rig_capture.sensing.pacing import Pacer

SMPLRT_DIV, CONFIG, GYRO_CONFIG, ACCEL_CONFIG, ACCEL_CONFIG_2 = 0x19, 0x1A, 0x1B, 0x1C, 0x1D
ACCEL_XOUT_H, PWR_MGMT_1, WHO_AM_I = 0x3B, 0x6B, 0x75
DEVICE_RESET, CLOCK_FROM_GYRO = 0x80, 0x01

MPU6050_IDENTITY = 0x68
KIN = {MPU6050_IDENTITY: "MPU-6050", 0x70: "MPU-6500", 0x71: "MPU-9250", 0x73: "MPU-9255"}

GYRO_LSB_PER_DPS = {250: 131.0, 500: 65.5, 1000: 32.8, 2000: 16.4}
ACCEL_LSB_PER_G = {2: 16384, 4: 8192, 8: 4096, 16: 2048}
FILTER_BANDWIDTHS_HZ = {1: 184, 2: 94, 3: 44, 4: 21, 5: 10, 6: 5}
"""DLPF_CFG to the accelerometer's bandwidth; with any of these the part samples at 1 kHz."""
INTERNAL_RATE_HZ = 1000
RESET_TIMEOUT_S = 0.5


class Mpu6050:
    """Reads acceleration, temperature and angular velocity in one burst, at absolute deadlines."""

    def __init__(self, settings: ImuSettings, open_bus: OpenBus = open_smbus) -> None:
        self._settings = settings
        self._open_bus = open_bus
        self._address = settings.i2c_address
        self._name = f"MPU-6050 at address {settings.i2c_address:#x} of I2C bus {settings.i2c_bus}"
        self._accel_scale = STANDARD_GRAVITY / ACCEL_LSB_PER_G[settings.accel_range_g]
        self._gyro_scale = math.radians(1.0 / GYRO_LSB_PER_DPS[settings.gyro_range_dps])
        self._identity = MPU6050_IDENTITY
        self._bus: I2cBus | None = None
        self._stop = threading.Event()

    def open(self) -> None:
        if self._settings.rate_hz > INTERNAL_RATE_HZ:
            raise DeviceError(f"{self._name} samples at {INTERNAL_RATE_HZ} Hz at most; lower rate_hz ({self._settings.rate_hz:g})")
        bus = self._bus = claim(self._open_bus, self._settings.i2c_bus)
        try:
            self._identify(bus)
            self._reset(bus)
            self._configure(bus)
        except OSError as error:
            raise DeviceError(f"{self._name} does not answer ({error}); check wiring, power and i2c_address") from error
        self._pacer = Pacer(self._settings.rate_hz, self._stop)

    def read(self) -> ImuSample | None:
        assert self._bus is not None
        if not self._pacer.wait_latest():
            return None
        stamp_ns = time.time_ns()
        try:
            data = self._bus.read_i2c_block_data(self._address, ACCEL_XOUT_H, 14)
        except OSError as error:
            raise DeviceError(f"{self._name} was lost ({error}); check wiring and power") from error
        raw = [signed16(data[at], data[at + 1]) for at in range(0, 14, 2)]
        return ImuSample(
            stamp_ns, _scaled(raw[0:3], self._accel_scale), _scaled(raw[4:7], self._gyro_scale), self._celsius(raw[3]), self._pacer.missed
        )

    def close(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()

    def interrupt(self) -> None:
        self._stop.set()

    def _identify(self, bus: I2cBus) -> None:
        self._identity = bus.read_byte_data(self._address, WHO_AM_I)
        if self._identity not in KIN:
            known = ", ".join(f"{identity:#x} ({name})" for identity, name in KIN.items())
            raise DeviceError(f"{self._name} says it is {self._identity:#x}, not one of {known}; check i2c_bus and i2c_address")

    def _reset(self, bus: I2cBus) -> None:
        bus.write_byte_data(self._address, PWR_MGMT_1, DEVICE_RESET)
        # The bit clears itself when the reset is done.
        deadline = time.monotonic() + RESET_TIMEOUT_S
        while bus.read_byte_data(self._address, PWR_MGMT_1) & DEVICE_RESET:
            if time.monotonic() > deadline or self._stop.wait(0.005):
                raise DeviceError(f"{self._name} did not come out of its reset; switch its power off and on")
        bus.write_byte_data(self._address, PWR_MGMT_1, CLOCK_FROM_GYRO)

    def _configure(self, bus: I2cBus) -> None:
        settings = self._settings
        dlpf = filter_setting(settings.rate_hz)
        registers = {
            SMPLRT_DIV: 0,  # as fast as it can: at our own rate, its clock against ours would repeat and skip samples
            CONFIG: dlpf,
            GYRO_CONFIG: list(GYRO_LSB_PER_DPS).index(settings.gyro_range_dps) << 3,
            ACCEL_CONFIG: list(ACCEL_LSB_PER_G).index(settings.accel_range_g) << 3,
        }
        if self._identity != MPU6050_IDENTITY:
            registers[ACCEL_CONFIG_2] = dlpf
        for register, value in registers.items():
            bus.write_byte_data(self._address, register, value)

    def _celsius(self, raw: int) -> float:
        return raw / 340.0 + 36.53 if self._identity == MPU6050_IDENTITY else raw / 333.87 + 21.0


def filter_setting(rate_hz: float) -> int:
    """DLPF_CFG: the widest low-pass below half the rate, against aliasing; the narrowest where none is."""
    return next((setting for setting, bandwidth in FILTER_BANDWIDTHS_HZ.items() if bandwidth <= rate_hz / 2), 6)


def _scaled(raw: list[int], scale: float) -> Vector:
    return raw[0] * scale, raw[1] * scale, raw[2] * scale
