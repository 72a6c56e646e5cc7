"""Messages as rows of a table: fields of messages within messages by dots, arrays as a column per place."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from rig_capture.exporting.wish import Work
from rig_capture.reading.topic import TopicStream, leaf_names

_WIDEST = 4096
"""Columns of one array; longer ones are no rows of a table."""
_LARGEST_INT = 2**63 - 1
_OWN = ("stamp_ns", "received_ns")
_KINDS = {bool: "bool", int: "int64", float: "double", str: "string"}


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    kind: str
    """As Arrow calls it: ``bool``, ``int64``, ``uint64``, ``double``, ``string``; of arrays the type of their elements."""

    @property
    def is_number(self) -> bool:
        """Whether it can be interpolated."""
        return self.kind not in ("bool", "string")


@dataclass
class _Leaf:
    kind: str
    width: int | None
    """Of an array the longest one; None of a single value."""


class Fields:
    """The fields of a topic with a number, text or an array of numbers; lists of messages or of text are left out."""

    def __init__(self, leaves: dict[str, _Leaf]) -> None:
        self.columns: list[Column] = []
        self._getters = [(attrgetter(name), leaf.width) for name, leaf in leaves.items()]
        for name, leaf in leaves.items():
            shown = f"message.{name}" if name in _OWN else name
            places = [shown] if leaf.width is None else [f"{shown}[{index}]" for index in range(leaf.width)]
            self.columns += [Column(place, leaf.kind) for place in places]

    def row(self, message: object) -> list[Any]:
        """Values of the columns; None where an array is shorter than the longest one."""
        row: list[Any] = []
        for get, width in self._getters:
            value = get(message)
            if width is None:
                row.append(value)
            else:
                row += value.tolist()
                row += [None] * (width - len(value))
        return row


def fields_of(work: Work, stream: TopicStream) -> Fields:
    """The fields of all messages of a topic, which is read for it once; arrays that are too long for a table are told as left out."""
    leaves: dict[str, _Leaf] = {}
    names: list[str] = []
    for each in work.items(stream, stream.messages(), is_told=False):
        if not leaves:
            names = list(leaf_names(each.message))
            leaves = {name: _leaf(attrgetter(name)(each.message)) for name in names}
            widening = [(attrgetter(name), leaf) for name, leaf in leaves.items() if leaf.width is not None or leaf.kind == "int64"]
        for get, leaf in widening:
            _widen(leaf, get(each.message))
    for name in names:
        width = leaves[name].width
        if width is not None and width > _WIDEST:
            work.exported.left_out.append(f"{stream.name}: {name} has up to {width} places; arrays of more than {_WIDEST} are left out")
            del leaves[name]
    return Fields(leaves)


def _leaf(value: object) -> _Leaf:
    if isinstance(value, np.ndarray):
        return _Leaf(value.dtype.name, len(value))
    return _Leaf(_KINDS[type(value)], None)


def _widen(leaf: _Leaf, value: np.ndarray | int) -> None:
    if isinstance(value, np.ndarray):
        leaf.width = max(leaf.width or 0, len(value))
    elif value > _LARGEST_INT:
        leaf.kind = "uint64"
