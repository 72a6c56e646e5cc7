"""Values with units, as people write them."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9, "t": 10**12, "tb": 10**12}


def parse_bytes(value: object) -> int:
    """Bytes from a number or a text such as ``500000000``, ``2gb`` or ``1.5 m`` (decimal units, 1 kb = 1000 bytes).

    Raises:
        ValueError: not a size; the message says what is allowed.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(value).lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(
            f"{value!r} is not a size: write a number of bytes or one with a unit ({', '.join(u for u in _UNITS if u)}), such as 2gb"
        )
    return int(float(match[1]) * _UNITS[match[2]]) if "." in match[1] else int(match[1]) * _UNITS[match[2]]


def format_bytes(count: float) -> str:
    """A size for people, such as ``1.5 MB``; decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


Bytes = Annotated[int, BeforeValidator(parse_bytes), WithJsonSchema({"type": ["integer", "string"]})]
"""An int of bytes that also takes a text with a unit."""
