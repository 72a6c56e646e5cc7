"""The catalog: which recordings there are, of which nodes, with which files, and where they lie.

Nodes of one recording come in any order, from any number of machines at once, and again; they merge by recording hash.
"""

import importlib
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from sqlalchemy import URL, Connection, Row, Select, Table, delete, insert, select, update

from rig_capture.delivery import schema
from rig_capture.delivery.catalog_engine import catalog_address, catalog_errors, migrate, open_engine
from rig_capture.delivery.catalog_filter import Filter, conditions
from rig_capture.delivery.credentials import Credentials
from rig_capture.delivery.rows import FileRow, NodeRow, RecordingRow, Registration
from rig_capture.session.manifest import FileEntry, datetime_of

EVERYTHING = Filter()

_PER_STATEMENT = 500
"""Rows inserted at once."""


class Catalog:
    """An open catalog. Safe from many threads; writers in other processes are waited for."""

    def __init__(self, address: str, credentials: Credentials | None = None) -> None:
        """Opens a catalog and brings its schema up to date.

        Args:
            address: a file's path for SQLite, or an SQLAlchemy URL without password.
            credentials: hold the password; None: none.

        Raises:
            BadAddress, CatalogError, CatalogTooNew.
        """
        self._engine = open_engine(catalog_address(address, (credentials or Credentials()).catalog_password))
        try:
            migrate(self._engine)
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def url(self) -> str:
        """The address, without the password."""
        url = self._engine.url
        return URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query).render_as_string()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends connections."""
        self._engine.dispose()

    def register(self, registration: Registration) -> RecordingRow:
        """Adds one node's session to its recording, all or nothing; the same one again changes nothing.

        A node whose content changed replaces its former self. Participants and tags of all nodes come together.

        Raises:
            CatalogError: nothing was written.
        """
        with catalog_errors(self._engine), self._engine.begin() as connection:
            recording = _merge_recording(connection, registration)
            _replace_node(connection, recording, registration)
            if registration.participant and not registration.testing_mode:
                _link_participant(connection, recording, registration.participant)
            for tag in sorted(set(registration.tags)):
                _insert_new(connection, schema.tags, name=tag)
                tag_id = connection.execute(select(schema.tags.c.id).where(schema.tags.c.name == tag)).scalar_one()
                _insert_new(connection, schema.recording_tags, recording=recording, tag=tag_id)
            return _read(connection, [recording])[0]

    def recording(self, recording_hash: str) -> RecordingRow | None:
        """A recording by its hash; None where there is none. Raises CatalogError."""
        with catalog_errors(self._engine), self._engine.begin() as connection:
            found = connection.execute(_recording_id(recording_hash)).scalars()
            return next(iter(_read(connection, found)), None)

    def recordings(self, wanted: Filter = EVERYTHING) -> list[RecordingRow]:
        """All recordings that a filter lets through, oldest first. Raises CatalogError."""
        query = select(schema.recordings.c.id).where(*conditions(wanted)).order_by(schema.recordings.c.started_at, schema.recordings.c.id)
        with catalog_errors(self._engine), self._engine.begin() as connection:
            return _read(connection, connection.execute(query).scalars().all())

    def find(self, start: str) -> list[RecordingRow]:
        """Recordings whose id is `start`, or whose hash begins with it. Raises CatalogError."""
        table = schema.recordings.c
        query = select(table.id).where((table.recording_id == start) | table.recording_hash.startswith(start, autoescape=True))
        with catalog_errors(self._engine), self._engine.begin() as connection:
            return _read(connection, connection.execute(query).scalars().all())

    def node(self, recording_hash: str, name: str) -> NodeRow | None:
        """One node of a recording; None where there is none. Raises CatalogError."""
        query = select(*_columns(schema.nodes, NodeRow)).join(schema.recordings)
        with catalog_errors(self._engine), self._engine.begin() as connection:
            row = connection.execute(
                query.where(schema.recordings.c.recording_hash == recording_hash, schema.nodes.c.name == name)
            ).one_or_none()
        return None if row is None else NodeRow.model_validate(row._asdict())

    def files(self, recording_hash: str, name: str) -> list[FileRow]:
        """Files of one node, by path. Raises CatalogError."""
        query = select(*_columns(schema.files, FileRow)).join_from(schema.files, schema.nodes)
        query = query.join(schema.recordings, schema.nodes.c.recording == schema.recordings.c.id)
        query = query.where(schema.recordings.c.recording_hash == recording_hash, schema.nodes.c.name == name)
        with catalog_errors(self._engine), self._engine.begin() as connection:
            return [FileRow.model_validate(row._asdict()) for row in connection.execute(query.order_by(schema.files.c.path))]

    def holds(self, recording_hash: str, name: str, content_hash: str, store: str) -> bool:
        """Whether a node is registered with this very content, in this store. Raises CatalogError."""
        node = self.node(recording_hash, name)
        return node is not None and (node.content_hash, node.store) == (content_hash, store)


def slug_of(name: str) -> str:
    """What makes one person of several ways to type a name: ``"Ada  L."`` gives ``"ada-l"``."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[^\w]+", "-", folded).strip("-") or folded.strip()


def _columns(table: Table, model: type[FileRow | NodeRow]) -> list[Any]:
    return [table.c[name] for name in model.model_fields]


def _recording_id(recording_hash: str) -> Select[int]:
    return select(schema.recordings.c.id).where(schema.recordings.c.recording_hash == recording_hash)


def _insert_new(connection: Connection, table: Table, **values: object) -> bool:
    """Inserts a row unless it, by its unique columns, is there; whether it was inserted."""
    # Of one of the two only: the other takes a tenth of a second to import.
    name = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    dialect = importlib.import_module(f"sqlalchemy.dialects.{name}")
    return connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing()).rowcount > 0


def _merge_recording(connection: Connection, registration: Registration) -> int:
    """Makes the recording's row or merges into it, and holds its lock until the transaction ends; returns its id."""
    table, node, now = schema.recordings, registration.node, datetime.now(UTC)
    own = registration.model_dump(include={"recording_hash", "recording_id", "rig", "organisation", "label", "testing_mode"})
    times = {"started_at": node.started_at, "ended_at": node.ended_at}
    new = _insert_new(connection, table, **own, **times, registered_at=now, updated_at=now)
    query = select(table).where(table.c.recording_hash == registration.recording_hash).with_for_update()
    row = connection.execute(query).mappings().one()
    if not new:
        merged = {
            "label": row["label"] or registration.label,
            "organisation": row["organisation"] or registration.organisation,
            "testing_mode": row["testing_mode"] or registration.testing_mode,
            "started_at": min(row["started_at"], node.started_at),
            "ended_at": max(filter(None, (row["ended_at"], node.ended_at)), default=None),
        }
        changed = {name: value for name, value in merged.items() if value != row[name]}
        if changed:
            connection.execute(update(table).where(table.c.id == row["id"]).values(**changed, updated_at=now))
    return int(row["id"])


def _replace_node(connection: Connection, recording: int, registration: Registration) -> None:
    table, node = schema.nodes, registration.node
    query = select(table).where(table.c.recording == recording, table.c.name == node.name)
    former = connection.execute(query).mappings().one_or_none()
    values = node.model_dump()
    if former is not None:
        if all(former[name] == value for name, value in values.items() if name != "registered_at"):
            return
        connection.execute(delete(table).where(table.c.id == former["id"]))
    node_id = connection.execute(insert(table).values(recording=recording, **values).returning(table.c.id)).scalar_one()
    rows = [_file_values(file, registration.etags[file.path], node_id) for file in registration.files]
    for start in range(0, len(rows), _PER_STATEMENT):
        connection.execute(insert(schema.files), rows[start : start + _PER_STATEMENT])
    state = {"state": "registered" if former is None else "replaced", "detail": f"{node.state}, content {node.content_hash}"}
    connection.execute(insert(schema.states).values(recording=recording, node=node.name, at=node.registered_at, **state))
    connection.execute(update(schema.recordings).where(schema.recordings.c.id == recording).values(updated_at=node.registered_at))


def _file_values(file: FileEntry, etag: str, node: int) -> dict[str, object]:
    return {
        "node": node,
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        "kind": file.kind,
        "stream": file.stream,
        "started_at": datetime_of(file.started_at) if file.started_at else None,
        "ended_at": datetime_of(file.ended_at) if file.ended_at else None,
        "etag": etag,
    }


def _link_participant(connection: Connection, recording: int, name: str) -> None:
    table, slug = schema.participants, slug_of(name)
    _insert_new(connection, table, slug=slug, name=name)
    participant = connection.execute(select(table.c.id).where(table.c.slug == slug)).scalar_one()
    _insert_new(connection, schema.recording_participants, recording=recording, participant=participant)


def _read(connection: Connection, ids: Iterable[int]) -> list[RecordingRow]:
    """Recordings with all that belongs to them, in the order of `ids`."""
    result = []
    for recording in ids:
        row = connection.execute(select(schema.recordings).where(schema.recordings.c.id == recording)).mappings().one()
        own = {str(name): value for name, value in row.items() if name != "id"}
        node_rows = connection.execute(
            select(*_columns(schema.nodes, NodeRow)).where(schema.nodes.c.recording == recording).order_by(schema.nodes.c.name)
        )
        result.append(
            RecordingRow(
                **own,
                participants=_linked(connection, schema.participants, schema.recording_participants, recording),
                tags=_linked(connection, schema.tags, schema.recording_tags, recording),
                nodes=tuple(NodeRow.model_validate(node._asdict()) for node in node_rows),
            )
        )
    return result


def _linked(connection: Connection, table: Table, link: Table, recording: int) -> tuple[str, ...]:
    query = select(table.c.name).join(link).where(link.c.recording == recording).order_by(table.c.name)
    rows: Iterable[Row[Any]] = connection.execute(query)
    return tuple(row.name for row in rows)
