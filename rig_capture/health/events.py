"""Health events: a problem that began, its recovery, or an incident that is over as soon as it is told."""

from collections.abc import Mapping
from enum import IntEnum

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

LARGEST_LINE = 64 * 1024
"""Bytes; a longer line of a log is none of ours."""


class Severity(IntEnum):
    """How much it matters; the values are those of the message HealthEvent."""

    INFO = 0
    WARNING = 1
    ERROR = 2


class EventError(ValueError):
    """Text that is no health event; the message says why."""


class Event(BaseModel):
    """One health event, as it is published, logged and recorded."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stamp_ns: int
    """When it was told, ns since the epoch."""
    node: str
    """Fully qualified name of the node that told it."""
    family: str
    """What kind of thing it is about; see `catalogue.Family`."""
    code: str
    """What happened; see `catalogue`."""
    subject: str = ""
    """To what, where a code can befall several things, such as a device or a topic."""
    severity: Severity
    message: str
    """What happened, to what, and what to do; for people."""
    recovered: bool = False
    """Ends a problem that was told before."""
    evidence: Mapping[str, JsonValue] = {}
    """What was measured."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What a problem and its recovery have in common: node, code, subject."""
        return self.node, self.code, self.subject

    def line(self) -> str:
        """As one line of JSON, without its end."""
        return self.model_dump_json()

    @classmethod
    def parse(cls, line: str | bytes) -> "Event":
        """From a line of JSON. Raises EventError."""
        if len(line) > LARGEST_LINE:
            raise EventError(f"a line of {len(line)} bytes is no health event; at most {LARGEST_LINE}")
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise EventError(f"no health event: {'.'.join(map(str, first['loc']))} {first['msg']}") from error
