"""I2C parts as their data sheets describe them, behind a bus with smbus2's calls."""

from typing import Protocol


class Part(Protocol):
    """A part with registers."""

    def read(self, register: int, length: int) -> list[int]:
        """Consecutive bytes from a register on."""

    def write(self, register: int, data: list[int]) -> None:
        """Sets bytes from a register on."""


class FakeBus:
    """A bus; what has no part does not answer, as on the real one."""

    def __init__(self, parts: dict[int, Part]) -> None:
        self.parts = parts
        self.open = True

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        return self._part(i2c_addr).read(register, 1)[0]

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._part(i2c_addr).write(register, [value])

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        return self._part(i2c_addr).read(register, length)

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        self._part(i2c_addr).write(register, data)

    def close(self) -> None:
        self.open = False

    def _part(self, address: int) -> Part:
        assert self.open
        if address not in self.parts:
            raise OSError(121, "Remote I/O error")
        return self.parts[address]


class Mpu:
    """An MPU-6050 or kin: asleep after power-up and reset, measuring what the test sets, at the ranges it is told."""

    def __init__(self, identity: int = 0x68) -> None:
        self.identity = identity
        self.acceleration_g = (0.0, 0.0, 1.0)
        self.rate_dps = (0.0, 0.0, 0.0)
        self.raw_temperature = 0
        self.stuck = False
        self.registers: dict[int, int] = {}
        self._resetting = 0
        self._reset()

    def read(self, register: int, length: int) -> list[int]:
        if register == 0x6B and self._resetting:
            if not self.stuck:
                self._resetting -= 1
            return [0x80]
        return [self._register(register + offset) for offset in range(length)]

    def write(self, register: int, data: list[int]) -> None:
        for offset, value in enumerate(data):
            self.registers[register + offset] = value
        if self.registers.get(0x6B, 0) & 0x80:
            self._reset()
            self._resetting = 2

    def _reset(self) -> None:
        self.registers = {0x6B: 0x40}

    def _register(self, register: int) -> int:
        if register == 0x75:
            return self.identity
        if 0x3B <= register <= 0x48:
            asleep = self.registers[0x6B] & 0x40
            return 0 if asleep else self._measurement()[register - 0x3B]
        return self.registers.get(register, 0)

    def _measurement(self) -> bytes:
        accel_lsb = 16384 >> (self.registers.get(0x1C, 0) >> 3 & 3)
        gyro_lsb = 131.0 / 2 ** (self.registers.get(0x1B, 0) >> 3 & 3)
        accel = [round(value * accel_lsb) for value in self.acceleration_g]
        gyro = [round(value * gyro_lsb) for value in self.rate_dps]
        words = [*accel, self.raw_temperature, *gyro]
        return b"".join(max(-32768, min(32767, word)).to_bytes(2, "big", signed=True) for word in words)


class Ina219Part:
    """An INA219 across a shunt: 16-bit registers, current from shunt voltage and calibration as the data sheet computes it."""

    def __init__(self, shunt_ohm: float = 0.1) -> None:
        self.shunt_ohm = shunt_ohm
        self.bus_v = 7.2
        self.current_a = 0.0
        self.overflow = False
        self.power_up()

    def power_up(self) -> None:
        """What a dip of the supply does."""
        self.registers = {0: 0x399F, 5: 0}

    def read(self, register: int, length: int) -> list[int]:
        assert length == 2
        return list((self._word(register) & 0xFFFF).to_bytes(2, "big"))

    def write(self, register: int, data: list[int]) -> None:
        assert len(data) == 2
        value = data[0] << 8 | data[1]
        self.registers[register] = value & 0xFFFE if register == 5 else value

    def _word(self, register: int) -> int:
        full_scale_uv = 40_000 << (self.registers[0] >> 11 & 3)
        shunt_uv = max(-full_scale_uv, min(full_scale_uv, self.current_a * self.shunt_ohm * 1e6))
        shunt = round(shunt_uv / 10)
        if register == 1:
            return shunt
        if register == 2:
            return int(self.bus_v / 0.004) << 3 | 0b10 | int(self.overflow)
        if register == 4:
            return shunt * self.registers[5] // 4096
        return self.registers[register]
