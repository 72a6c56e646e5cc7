"""What presses a button's ups and downs make: short, double, long. Pure: the time comes from who calls."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Press(StrEnum):
    """As in rig_capture_msgs/ButtonEvent."""

    SHORT = "short"
    DOUBLE = "double"
    LONG = "long"


@dataclass(frozen=True)
class Recognised:
    """A press."""

    press: Press
    held_s: float
    """How long the button was held; of a double press the first time; of a long one until it counted."""


class _Stage(Enum):
    UP = auto()
    DOWN = auto()
    BETWEEN = auto()
    """After a short press, while a second may make it a double one."""
    SPENT = auto()
    """Still held, but its press has been told."""


class PressRecogniser:
    """Takes each change of the button, and the passing of time; tells each press once.

    A double press is told at its second down, a long one when it has been held long enough, a short one when no second press
    can come any more.
    """

    def __init__(self, long_s: float, double_s: float) -> None:
        self._long_s = long_s
        self._double_s = double_s
        self._stage = _Stage.UP
        self._since = 0.0
        self._held_s = 0.0

    @property
    def deadline(self) -> float | None:
        """When `tick` is to be called, if nothing happens before; None: not at all."""
        waits = {_Stage.DOWN: self._long_s, _Stage.BETWEEN: self._double_s}
        return self._since + waits[self._stage] if self._stage in waits else None

    def down(self, now: float) -> Recognised | None:
        """The button was pressed. A second down without an up between changes nothing."""
        told = self.tick(now)  # a press whose time was up just before
        if self._stage is _Stage.BETWEEN:
            self._stage = _Stage.SPENT
            return Recognised(Press.DOUBLE, self._held_s)
        if self._stage is _Stage.UP:
            self._enter(_Stage.DOWN, now)
        return told

    def up(self, now: float, *, double: bool = True) -> Recognised | None:
        """The button was let go.

        Args:
            now: monotonic time, s.
            double: whether a second press may make this a double one; if not, it is told at once.
        """
        told = self.tick(now)
        if self._stage is _Stage.SPENT:
            self._stage = _Stage.UP
        elif self._stage is _Stage.DOWN:
            self._held_s = now - self._since
            if not double or not self._double_s:
                self._stage = _Stage.UP
                return Recognised(Press.SHORT, self._held_s)
            self._enter(_Stage.BETWEEN, now)
        return told

    def tick(self, now: float) -> Recognised | None:
        """Time has passed."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return None
        if self._stage is _Stage.DOWN:
            self._stage = _Stage.SPENT
            return Recognised(Press.LONG, self._long_s)
        self._stage = _Stage.UP
        return Recognised(Press.SHORT, self._held_s)

    def _enter(self, stage: _Stage, now: float) -> None:
        self._stage, self._since = stage, now
