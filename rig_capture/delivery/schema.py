"""Tables of the catalog. A change here needs a migration under `migrations/versions/`; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone, UTC; SQLite keeps it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of(table: str) -> Column[Any]:
    return Column(table, Integer, ForeignKey(f"{table}s.id", ondelete="CASCADE"), nullable=False)


recordings = Table(
    "recordings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("recording_hash", String(64), nullable=False, unique=True),
    Column("recording_id", Text, nullable=False, index=True),
    Column("rig", Text, nullable=False, index=True),
    Column("organisation", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("testing_mode", Boolean, nullable=False),
    Column("started_at", UtcTime, nullable=False, index=True),
    Column("ended_at", UtcTime),
    Column("registered_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
"""One row for each recording, whatever number of nodes took part."""

nodes = Table(
    "nodes",
    metadata,
    Column("id", Integer, primary_key=True),
    _of("recording"),
    Column("name", Text, nullable=False),
    Column("hostname", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("room", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("end_reason", Text),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("content_hash", String(64), nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("store", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("manifest_sha256", String(64), nullable=False),
    Column("registered_at", UtcTime, nullable=False),
    UniqueConstraint("recording", "name"),
)
"""What one machine recorded, and where it is. A node's `prefix` and a file's `path` together are the object's key."""

files = Table(
    "files",
    metadata,
    Column("id", Integer, primary_key=True),
    _of("node"),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("kind", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("etag", Text, nullable=False),
    UniqueConstraint("node", "path"),
)

participants = Table(
    "participants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
)
"""People recorded; the slug makes one of `Ada L.` and `ada l`."""

recording_participants = Table(
    "recording_participants",
    metadata,
    _of("recording"),
    _of("participant"),
    UniqueConstraint("recording", "participant"),
)

tags = Table("tags", metadata, Column("id", Integer, primary_key=True), Column("name", Text, nullable=False, unique=True))

recording_tags = Table("recording_tags", metadata, _of("recording"), _of("tag"), UniqueConstraint("recording", "tag"))

states = Table(
    "states",
    metadata,
    Column("id", Integer, primary_key=True),
    _of("recording"),
    Column("node", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_states_recording", "recording"),
)
"""What happened to a recording, in order: registered, replaced."""
