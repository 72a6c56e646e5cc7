"""What tests of delivery share."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.credentials import Credentials
from rig_capture.profiles.settings.rig import DeliverySettings
from test.delivery.services import ACCESS_KEY, SECRET_KEY, PostgresServer, S3Server, s3_server

_numbers = itertools.count()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server for the tests of one file."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's credentials in the environment."""
    monkeypatch.setenv("RIG_CAPTURE_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("RIG_CAPTURE_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.fixture
def s3_settings(s3: S3Server, s3_credentials: None, tmp_path: Path) -> DeliverySettings:
    """A bucket for this test alone, and a catalog."""
    bucket = f"bucket-{next(_numbers)}"
    s3.client().create_bucket(Bucket=bucket)
    return DeliverySettings(store=f"s3://{bucket}/some/prefix", endpoint_url=s3.url, catalog=str(tmp_path / "catalog.db"))


@pytest.fixture
def folder_settings(tmp_path: Path) -> DeliverySettings:
    """A folder as store, and a catalog."""
    return DeliverySettings(store=str(tmp_path / "store"), catalog=str(tmp_path / "catalog.db"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    # Not below pytest's folder, which the user postgres can't enter.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="rig-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "server")
        try:
            server.start()
            yield server
        finally:
            server.stop()


OpenCatalog = Callable[[], Catalog]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Credentials]:
    """Where a new catalog may be made, and how it is opened; of each kind in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "catalog.db"), Credentials()
    server: PostgresServer = request.getfixturevalue("postgres")
    address = server.create(f"catalog_{os.getpid()}_{next(_numbers)}")
    return address, Credentials.model_validate({"catalog_password": server.password})


@pytest.fixture
def open_catalog(empty_database: tuple[str, Credentials]) -> Iterator[OpenCatalog]:
    """Opens one and the same new catalog, as often as called; of each kind in turn."""
    address, credentials = empty_database
    opened: list[Catalog] = []

    def open_it() -> Catalog:
        opened.append(Catalog(address, credentials))
        return opened[-1]

    yield open_it
    for catalog in opened:
        catalog.close()
