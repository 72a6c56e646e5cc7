"""Connections to the catalog's database, and its schema brought up to date.

Everything that differs between SQLite and PostgreSQL, save what SQLAlchemy itself hides, is here.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

from pydantic import SecretStr
from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from rig_capture.delivery import schema
from rig_capture.delivery.errors import BadAddress, CatalogError, CatalogTooNew

HEAD = "0001"
"""Revision of the newest migration."""

BUSY_S = 30
"""Longest wait for another writer."""
CONNECT_S = 10

_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where Alembic keeps the revision of the schema, as Alembic makes it."""

_ADVISORY_LOCK = 0x7269675F636174
"""PostgreSQL's lock that migrations take ("rig_cat")."""


def catalog_address(text_or_path: str, password: SecretStr) -> URL:
    """The URL of a catalog given as settings give it.

    Raises:
        BadAddress: it is neither a path nor an SQLAlchemy URL of SQLite or PostgreSQL, or holds a password.
    """
    if "://" not in text_or_path:
        return URL.create("sqlite", database=str(Path(text_or_path).expanduser().absolute()))
    try:
        url = make_url(text_or_path)
    except (ArgumentError, ValueError) as error:
        raise BadAddress("catalog: write a file's path, sqlite:////path/catalog.db or postgresql://user@host/database") from error
    if url.password:
        raise BadAddress("catalog: the address holds a password; put it into credentials_file or RIG_CAPTURE_CATALOG_PASSWORD")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise BadAddress(f"catalog {url}: {url.get_backend_name()} is not supported; SQLite and PostgreSQL are")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    secret = password.get_secret_value()
    return url.set(password=secret) if secret and url.get_backend_name() == "postgresql" else url


def open_engine(url: URL) -> Engine:
    """An engine whose `begin()` takes the database's write lock at once on SQLite.

    Raises:
        BadAddress: the driver is missing.
        CatalogError: the folder of an SQLite file can't be made.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError(f"catalog {url.database}: its folder can't be made: {error.strerror}") from error
    arguments: dict[str, Any] = {"timeout": BUSY_S} if sqlite else {"connect_timeout": CONNECT_S}
    try:
        engine = create_engine(url, connect_args=arguments, pool_pre_ping=not sqlite, hide_parameters=True)
    except (NoSuchModuleError, ImportError) as error:
        raise BadAddress(f"catalog {url.render_as_string(hide_password=True)}: its driver is missing: {error}") from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    # Python's driver begins transactions late and ends them before DDL; SQLAlchemy's own BEGIN below does neither.
    connection.isolation_level = None
    cursor = connection.cursor()
    # The driver's own time-out does not hold for the change of mode, which fails while another process makes it.
    for attempt in Retrying(
        retry=retry_if_exception_type(OperationalError), stop=stop_after_delay(BUSY_S), wait=wait_fixed(0.02), reraise=True
    ):
        with attempt:
            cursor.execute("PRAGMA journal_mode=WAL")
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail, not wait, where another wrote in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def catalog_errors(engine: Engine) -> Iterator[None]:
    """Turns the database's errors into CatalogError, without what was written."""
    try:
        yield
    except DBAPIError as error:
        raise CatalogError(f"catalog {_shown(engine)}: {str(error.orig).strip()}") from error
    except PoolTimeout as error:
        raise CatalogError(f"catalog {_shown(engine)}: {error}") from error


def _shown(engine: Engine) -> str:
    return engine.url.database or "" if engine.dialect.name == "sqlite" else engine.url.render_as_string(hide_password=True)


def migrate(engine: Engine) -> None:
    """Brings the schema up to date, in one transaction, however many processes open the catalog at once.

    Raises:
        CatalogTooNew: it was made by newer software.
        CatalogError: the database can't be reached; where a migration fails, all is as it was.
    """
    with catalog_errors(engine):
        with engine.connect() as connection:
            if _revision(connection) == HEAD:
                return
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            revision = _revision(connection)
            if revision is None and not inspect(connection).get_table_names():
                _create(connection)
            elif revision != HEAD:
                _upgrade(connection, revision)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.execute(select(_version.c.version_num)).scalar()


def _create(connection: Connection) -> None:
    """Makes all tables as they are now; to load Alembic and go through the migrations takes ten times as long."""
    schema.metadata.create_all(connection)
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=HEAD))


def _upgrade(connection: Connection, revision: str | None) -> None:
    # Imported here: most openings find nothing to do, and alembic is a fifth of a small process's memory.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every plug-in that it loads
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise CatalogTooNew(f"catalog {_shown(connection.engine)}: has schema {revision}, this software knows {HEAD}; update rig_capture")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
