"""Which recordings of a catalog are wanted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from rig_capture.delivery import schema


@dataclass(frozen=True)
class Filter:
    """What all wanted recordings have in common; None does not matter."""

    rig: str | None = None
    label: str | None = None
    """Part of the label, whatever the case."""
    participant_slug: str | None = None
    tag: str | None = None
    since: datetime | None = None
    """Started then or later."""
    until: datetime | None = None
    """Started before."""
    testing_mode: bool | None = None


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    """The filter as conditions on the table of recordings."""
    table = schema.recordings.c
    found: list[ColumnElement[bool]] = []
    if wanted.rig is not None:
        found.append(table.rig == wanted.rig)
    if wanted.label is not None:
        found.append(table.label.icontains(wanted.label, autoescape=True))
    if wanted.since is not None:
        found.append(table.started_at >= wanted.since)
    if wanted.until is not None:
        found.append(table.started_at < wanted.until)
    if wanted.testing_mode is not None:
        found.append(table.testing_mode.is_(wanted.testing_mode))
    if wanted.participant_slug is not None:
        people = select(schema.recording_participants.c.recording).join(schema.participants)
        found.append(table.id.in_(people.where(schema.participants.c.slug == wanted.participant_slug)))
    if wanted.tag is not None:
        tagged = select(schema.recording_tags.c.recording).join(schema.tags)
        found.append(table.id.in_(tagged.where(schema.tags.c.name == wanted.tag)))
    return found
