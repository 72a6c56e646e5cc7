"""The catalog on SQLite and PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from rig_capture.delivery import catalog_engine, schema
from rig_capture.delivery.catalog import Catalog, slug_of
from rig_capture.delivery.credentials import Credentials
from rig_capture.delivery.errors import BadAddress, CatalogError, CatalogTooNew
from rig_capture.delivery.rows import NodeRow, Registration
from rig_capture.session.manifest import FileEntry
from test.delivery.services import PostgresServer, free_port

OpenCatalog = Callable[[], Catalog]
START = datetime(2026, 5, 7, 14, 30, 22, 123456, tzinfo=UTC)


def registration(node: str = "host-a", *, recording: str = "1", content: str = "c", **fields: Any) -> Registration:
    """One node's part of a recording."""
    files = tuple(FileEntry(path=f"f{n}", size=n, sha256=content * 64, kind="bag", started_at=START.isoformat()) for n in range(3))
    row = NodeRow(
        name=node,
        hostname=node,
        site="lab",
        room="1",
        state="complete",
        end_reason="stopped",
        started_at=fields.pop("started_at", START),
        ended_at=START + timedelta(minutes=1),
        content_hash=content * 64,
        file_count=len(files),
        bytes=2**40,
        store="file:///store",
        prefix=f"recordings/rig/{recording}/{node}/",
        manifest_sha256=content * 64,
        registered_at=datetime.now(UTC),
    )
    values: dict[str, Any] = {"etags": {file.path: "e" for file in files}}
    values |= {"organisation": "", "label": "", "testing_mode": False, "participant": None, "tags": ()}
    return Registration.model_validate(
        {"recording_hash": recording * 64, "recording_id": f"rec_{recording}", "rig": "rig", "node": row, "files": files} | values | fields
    )


def test_what_was_registered_is_told_again(open_catalog: OpenCatalog) -> None:
    with open_catalog() as catalog:
        row = catalog.register(registration(participant="Ada", tags=("b", "a"), label="walk"))
    with open_catalog() as catalog:
        assert catalog.recording("1" * 64) == row
        assert catalog.recordings() == [row]
        files = catalog.files("1" * 64, "host-a")
        assert [(file.path, file.started_at, file.ended_at, file.etag) for file in files] == [(f"f{n}", START, None, "e") for n in range(3)]
        assert catalog.recording("2" * 64) is None
    assert (row.participants, row.tags, row.label, row.started_at) == (("Ada",), ("a", "b"), "walk", START)
    assert row.nodes[0].bytes == 2**40


def test_the_same_registration_again_changes_nothing(open_catalog: OpenCatalog) -> None:
    with open_catalog() as catalog:
        first = catalog.register(registration(participant="Ada", tags=("a",)))
        again = catalog.register(registration(participant="Ada", tags=("a",)))
    assert again == first


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nodes_of_one_recording_merge_in_any_order(open_catalog: OpenCatalog, order: tuple[int, int]) -> None:
    parts = [
        registration("host-a", participant="Ada", tags=("a",)),
        registration("host-b", tags=("b",), label="walk", started_at=START - timedelta(seconds=2)),
    ]
    with open_catalog() as catalog:
        for index in order:
            catalog.register(parts[index])
        (row,) = catalog.recordings()
    assert [node.name for node in row.nodes] == ["host-a", "host-b"]
    assert (row.participants, row.tags, row.label) == (("Ada",), ("a", "b"), "walk")
    assert row.started_at == START - timedelta(seconds=2)


def test_many_nodes_registered_at_once_give_one_recording(open_catalog: OpenCatalog) -> None:
    barrier = threading.Barrier(8)

    def register(number: int) -> None:
        # Opened at once too, so that the migrations race.
        barrier.wait(30)
        with open_catalog() as catalog:
            catalog.register(registration(f"host-{number}", participant="Ada", tags=("x", f"t{number}")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register, range(8)))
    with open_catalog() as catalog:
        (row,) = catalog.recordings()
    assert len(row.nodes) == 8
    assert row.participants == ("Ada",)
    assert len(row.tags) == 9


def test_a_node_with_other_content_replaces_its_former_self(open_catalog: OpenCatalog) -> None:
    with open_catalog() as catalog:
        catalog.register(registration(content="c"))
        row = catalog.register(registration(content="d"))
        assert [node.content_hash for node in row.nodes] == ["d" * 64]
        assert {file.sha256 for file in catalog.files("1" * 64, "host-a")} == {"d" * 64}
        assert catalog.holds("1" * 64, "host-a", "d" * 64, "file:///store")
        assert not catalog.holds("1" * 64, "host-a", "d" * 64, "file:///elsewhere")


def test_nobody_takes_part_in_a_test_recording(open_catalog: OpenCatalog) -> None:
    with open_catalog() as catalog:
        assert catalog.register(registration(participant="Ada", testing_mode=True)).participants == ()


def test_one_person_typed_in_two_ways_is_one_participant(open_catalog: OpenCatalog) -> None:
    with open_catalog() as catalog:
        catalog.register(registration(participant="Ada  L."))
        assert catalog.register(registration("host-b", participant="ada l")).participants == ("Ada  L.",)


@pytest.mark.parametrize(("name", "slug"), [("Ada  L.", "ada-l"), ("ÅSA", "åsa"), ("  p01 ", "p01"), ("???", "???"), ("田中", "田中")])
def test_a_slug_keeps_letters_of_any_script(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@pytest.mark.parametrize("migrated", [False, True])
def test_a_new_catalog_has_the_schema_that_migrations_make_and_the_code_uses(
    empty_database: tuple[str, Credentials], open_catalog: OpenCatalog, migrated: bool
) -> None:
    address, credentials = empty_database
    engine = catalog_engine.open_engine(catalog_engine.catalog_address(address, credentials.catalog_password))
    if migrated:
        with engine.begin() as connection:
            # A database that is not empty is left to the migrations.
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    open_catalog()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == catalog_engine.HEAD
    engine.dispose()


def test_a_catalog_of_newer_software_is_refused_unchanged(tmp_path: Path) -> None:
    Catalog(str(tmp_path / "c.db")).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'c.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CatalogTooNew, match="update rig_capture"):
        Catalog(str(tmp_path / "c.db"))
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    engine.dispose()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_bytes(b"no database, " * 100)
    with pytest.raises(CatalogError, match=r"c\.db"):
        Catalog(str(tmp_path / "c.db"))


@pytest.mark.parametrize("address", ["mysql://host/db", "postgresql://user:pass@host/db", "://", "postgresql://host:port/db"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadAddress) as caught:
        Catalog(address)
    assert "pass@" not in str(caught.value)


def test_a_wrong_password_is_an_error_that_does_not_hold_it(postgres: PostgresServer) -> None:
    with pytest.raises(CatalogError) as caught:
        Catalog(postgres.url("postgres"), Credentials.model_validate({"catalog_password": "wrong-secret"}))
    assert "wrong-secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_an_unreachable_server_is_a_catalog_error() -> None:
    with pytest.raises(CatalogError, match=r"127\.0\.0\.1"):
        Catalog(f"postgresql://rig@127.0.0.1:{free_port()}/x")


def test_the_address_never_shows_the_password(postgres: PostgresServer) -> None:
    with Catalog(postgres.url("postgres"), Credentials.model_validate({"catalog_password": postgres.password})) as catalog:
        assert catalog.url == f"postgresql+psycopg://rig@127.0.0.1:{postgres.port}/postgres"
