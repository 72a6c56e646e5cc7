"""The binary layout of one scan from an IIO buffer.

Kernel documentation: Documentation/ABI/testing/sysfs-bus-iio (scan_elements) and Documentation/iio/iio_devbuf.rst.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_TYPE = re.compile(r"(be|le):([su])(\d+)/(\d+)(?:X(\d+))?>>(\d+)")


@dataclass(frozen=True)
class ScanType:
    """How one channel is stored, as its `type` file says, such as ``le:s16/16>>0``."""

    order: Literal["big", "little"]
    signed: bool
    bits: int
    """Meaningful bits."""
    storage_bits: int
    repeat: int
    """Values in a row; only the first is used here."""
    shift: int
    """Right shift before the meaningful bits are taken."""

    @classmethod
    def parse(cls, text: str) -> "ScanType":
        """From a `type` file's text.

        Raises:
            ValueError: it is none.
        """
        match = _TYPE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text.strip()!r} is no IIO scan type such as le:s16/16>>0")
        order, sign, bits, storage, repeat, shift = match.groups()
        return cls("big" if order == "be" else "little", sign == "s", int(bits), int(storage), int(repeat or 1), int(shift))

    @property
    def size(self) -> int:
        """Bytes in the scan."""
        return self.storage_bits // 8 * self.repeat

    def decode(self, data: bytes) -> int:
        """The value at the beginning of `data`."""
        value = int.from_bytes(data[: self.storage_bits // 8], self.order) >> self.shift & (1 << self.bits) - 1
        return value - (1 << self.bits) if self.signed and value >> self.bits - 1 else value


@dataclass(frozen=True)
class ScanElement:
    """An enabled channel in the scan."""

    name: str
    """Such as ``in_accel_x``."""
    offset: int
    """Bytes from the scan's begin."""
    type: ScanType


@dataclass(frozen=True)
class ScanLayout:
    """All enabled channels of a device."""

    elements: tuple[ScanElement, ...]
    size: int
    """Bytes of one scan."""

    @classmethod
    def of(cls, types: dict[str, tuple[int, ScanType]]) -> "ScanLayout":
        """The kernel's layout: by index, each channel aligned to its own size, the whole to the largest.

        Args:
            types: index and type of each enabled channel, by name.
        """
        elements = []
        end = 0
        for name, (_, scan_type) in sorted(types.items(), key=lambda item: item[1][0]):
            begin = _aligned(end, scan_type.size)
            elements.append(ScanElement(name, begin, scan_type))
            end = begin + scan_type.size
        largest = max((element.type.size for element in elements), default=1)
        return cls(tuple(elements), _aligned(end, largest))

    @classmethod
    def read(cls, folder: Path) -> "ScanLayout":
        """From a device's `scan_elements` folder, as its channels are enabled now.

        Raises:
            OSError: it can't be read.
            ValueError: a type is unknown.
        """
        types: dict[str, tuple[int, ScanType]] = {}
        for enable in folder.glob("*_en"):
            if enable.read_text().strip() == "1":
                name = enable.name.removesuffix("_en")
                index = int((folder / f"{name}_index").read_text())
                types[name] = index, ScanType.parse((folder / f"{name}_type").read_text())
        return cls.of(types)

    def decode(self, scan: bytes) -> dict[str, int]:
        """Raw values by channel name."""
        return {element.name: element.type.decode(scan[element.offset :]) for element in self.elements}


def _aligned(offset: int, size: int) -> int:
    return (offset + size - 1) // size * size
