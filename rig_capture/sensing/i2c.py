"""The I2C bus as drivers see it: the part of smbus2 that they use, and nothing else."""

from collections.abc import Callable
from typing import Protocol

from rig_capture.sensing.device import DeviceError


class I2cBus(Protocol):
    """An open bus; smbus2.SMBus is one. Each call raises OSError where the part does not answer."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        """One register."""

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        """Sets one register."""

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        """Consecutive registers in one transfer."""

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        """Sets consecutive registers in one transfer."""

    def close(self) -> None:
        """Lets go of the bus."""


OpenBus = Callable[[int], I2cBus]
"""Opens a bus by its number; raises OSError."""


def open_smbus(number: int) -> I2cBus:
    """The Linux bus /dev/i2c-<number>."""
    from smbus2 import SMBus

    bus: I2cBus = SMBus(number)
    return bus


def claim(open_bus: OpenBus, number: int) -> I2cBus:
    """Opens a bus.

    Raises:
        DeviceError: it is not there, or not ours to use.
    """
    try:
        return open_bus(number)
    except OSError as error:
        raise DeviceError(
            f"I2C bus /dev/i2c-{number} can't be opened ({error}); enable I2C on this machine, load the module i2c-dev, "
            "and add the user to the group i2c"
        ) from error


def signed16(high: int, low: int) -> int:
    """A two's complement number from its two bytes."""
    value = high << 8 | low
    return value - 0x10000 if value & 0x8000 else value
