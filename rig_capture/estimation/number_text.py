"""Long columns of decimal numbers as JSON that is read quickly: every number takes the same room, with spaces before it.

Any JSON reader takes it as it is. Here it is read many times faster than number by number, whole columns of characters at a time, which
is what keeps an hour of poses below a second. What is written otherwise, by other programs, is left to the ordinary reader.
"""

from collections.abc import Iterable

import numpy as np

from rig_capture.estimation.columns import Column

_SPACE, _COMMA, _MINUS, _POINT, _ZERO = b" ,-.0"
_NULL = np.frombuffer(b"null", np.uint8)
_LARGEST = 2.0**53
"""Whole numbers up to here are exact as double."""
_BLOCK = 16384
"""Numbers that are read at a time: so few that all of it stays in the processor's cache."""


def number_text(values: Column, digits: int) -> bytes | None:
    """Numbers (N,) as the text of a JSON array, with so many digits (at least one) after the point; NaN is null.

    None where that can't be done: no numbers, or too large ones.
    """
    missing = np.isnan(values)
    scaled = np.rint(np.where(missing, 0.0, values.astype(np.float64)) * 10**digits)
    if not scaled.size or np.abs(scaled).max() >= _LARGEST:
        return None
    rest = np.abs(scaled).astype(np.int64)
    places = max(digits + 1, len(str(int(rest.max()))))
    text = np.full((max(places + 2, len(_NULL)) + 1, scaled.size), _SPACE, np.uint8)  # a row per character: quicker
    text[-1] = _COMMA
    at = len(text) - 2
    for place in range(places):
        if place == digits:
            text[at] = _POINT
            at -= 1
        more, digit = np.divmod(rest, 10)
        text[at] = np.where((rest > 0) | (place <= digits), digit + _ZERO, _SPACE)
        rest, at = more, at - 1
    negative = np.flatnonzero(scaled < 0)
    text[(text[:, negative] != _SPACE).argmax(axis=0) - 1, negative] = _MINUS
    text[:-1, missing] = _SPACE
    text[-1 - len(_NULL) : -1, missing] = _NULL[:, None]
    return b"[" + np.ascontiguousarray(text.T).tobytes()[:-1] + b"]"


def numbers_of(body: bytes) -> Column | None:
    """Numbers out of the text between the brackets, as `number_text` made it; None where it is anything else."""
    width = body.find(b",") + 1
    if width < 4 or (len(body) + 1) % width:
        return None
    text = np.frombuffer(body + b",", np.uint8).reshape(-1, width)
    values = np.empty(len(text))
    for begin in range(0, len(text), _BLOCK):
        found = _block(text[begin : begin + _BLOCK])
        if found is None:
            return None
        values[begin : begin + _BLOCK] = found
    return values


def _block(rows: Column) -> Column | None:
    """Numbers (N,) out of characters (N, width), some of them null."""
    text = np.ascontiguousarray(rows.T)
    missing = text[-2] == _NULL[-1]
    if not missing.any():
        return _parsed(text)
    nulls = text[:-1, missing]
    if len(nulls) < len(_NULL) or (nulls[-len(_NULL) :] != _NULL[:, None]).any() or (nulls[: -len(_NULL)] != _SPACE).any():
        return None
    values = np.full(len(missing), np.nan)
    if not missing.all():
        found = _parsed(np.ascontiguousarray(text[:, ~missing]))
        if found is None:
            return None
        values[~missing] = found
    return values if (text[-1] == _COMMA).all() else None


def _parsed(text: Column) -> Column | None:
    """Numbers (N,) out of characters (width, N): spaces, a minus, digits, a point in the same place for all, digits, a comma."""
    points = np.flatnonzero(text[:, 0] == _POINT)
    if len(points) != 1 or (text[points[0]] != _POINT).any() or (text[-1] != _COMMA).any():
        return None
    point = int(points[0])
    total = np.zeros(text.shape[1])
    begun = np.zeros(text.shape[1], bool)
    negative = np.zeros(text.shape[1], bool)
    for at in [*range(point), *range(point + 1, len(text) - 1)]:
        digit = text[at] - _ZERO  # of other characters, more than 9
        is_digit, minus = digit <= 9, text[at] == _MINUS
        before = ~begun & (minus | (text[at] == _SPACE))
        if not (is_digit | before).all() or (at in (point - 1, point + 1) and not is_digit.all()):
            return None
        total = total * 10 + digit * is_digit
        begun |= is_digit | minus
        negative |= minus
    if point + 2 > len(text) - 1 or np.abs(total).max(initial=0) >= _LARGEST:
        return None
    return np.where(negative, -total, total) / 10.0 ** (len(text) - point - 2)


def take_columns(data: bytes, names: Iterable[str]) -> tuple[bytes, dict[str, Column]]:
    """Takes columns that begin on lines of their own out of a JSON text: the text with empty arrays in their place, and the columns."""
    places: list[tuple[int, int]] = []
    columns: dict[str, Column] = {}
    for name in names:
        key = f'\n"{name}":['.encode()
        begin = data.find(key) + len(key)
        end = data.find(b"]", begin)
        if begin < len(key) or end < 0 or data.find(key, begin) >= 0:
            continue
        column = numbers_of(data[begin:end])
        if column is not None:
            places.append((begin, end))
            columns[name] = column
    rest, at = [], 0
    for begin, end in sorted(places):
        rest.append(data[at:begin])
        at = end
    return b"".join([*rest, data[at:]]), columns
