"""What is added to a session on its way: sent like its other files, also later, and never swept before it is sent."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.proof import NotProven, prove_storage
from rig_capture.delivery.rebuild import rebuild
from rig_capture.delivery.retention import RemovedSession, RoomMaker
from rig_capture.delivery.uploader_report import IDLE, UploaderReport
from rig_capture.delivery.worker import UploadWorker
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.profiles.settings.uploader import UploaderParameters
from rig_capture.session.additions import add_files, put_files, with_additions
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from rig_capture.session.manifest import read_manifest
from test.delivery.sessions import FILES, RECORDING_ID, make_session
from test.parts import wait_until

ADDED = {"attachments/manifest.json", "attachments/notes.txt"}


@pytest.fixture(params=["folder_settings", "s3_settings"])
def data(request: pytest.FixtureRequest) -> Iterator[DataInterface]:
    """Store and catalog, of each kind in turn."""
    settings: DeliverySettings = request.getfixturevalue(request.param)
    with DataInterface.open(settings) as opened:
        yield opened


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A complete session."""
    return make_session(tmp_path / "sessions" / RECORDING_ID)


def attach(session: Path, tmp_path: Path, name: str = "notes.txt") -> None:
    """Adds a file."""
    (tmp_path / name).write_text(f"what {name} says")
    add_files(session, "attachments", [tmp_path / name])


def send(session: Path, data: DataInterface) -> tuple[int, int]:
    """Brings a session into store and catalog; files uploaded and skipped."""
    result = data.ingest(manifest_path=SessionLayout(session).manifest, source_dir=session)
    return result.files_uploaded, result.files_skipped


def paths(catalog: Catalog) -> set[str]:
    """Of all files of the session that the catalog knows."""
    (recording,) = catalog.recordings()
    return {file.path for file in catalog.files(recording.recording_hash, recording.nodes[0].name)}


def test_what_is_added_to_a_session_that_is_in_already_is_all_that_is_sent(session: Path, data: DataInterface, tmp_path: Path) -> None:
    assert send(session, data) == (len(FILES), 0)
    own = SessionLayout(session).manifest.read_bytes()
    attach(session, tmp_path)
    assert not data.holds(with_additions(session, read_manifest(session)))
    with pytest.raises(NotProven, match="other content"):
        prove_storage(session, data)
    assert send(session, data) == (len(ADDED), len(FILES))
    assert data.holds(with_additions(session, read_manifest(session)))
    assert prove_storage(session, data).files == len(FILES) + len(ADDED) + 1
    assert paths(data.catalog) == FILES.keys() | ADDED
    prefix = data.catalog.recordings()[0].nodes[0].prefix
    assert data.store.get(prefix + "attachments/notes.txt") == b"what notes.txt says"
    assert data.store.get(prefix + "manifest.json") == own
    attach(session, tmp_path, "more.txt")
    assert send(session, data) == (2, len(FILES) + 1)


def test_a_file_that_was_replaced_is_replaced_in_the_store_too(session: Path, data: DataInterface) -> None:
    for content in (b"old", b"new"):
        put_files(session, "estimates", {"a.json": lambda path, content=content: path.write_bytes(content)})  # type: ignore[misc]
        assert send(session, data)[0] == (len(FILES) + 2 if content == b"old" else 2)
        prefix = data.catalog.recordings()[0].nodes[0].prefix
        assert data.store.get(prefix + "estimates/a.json") == content
        assert prove_storage(session, data).files == len(FILES) + 3
    put_files(session, "estimates", {"a.json": lambda path: path.write_bytes(b"new")})
    assert data.holds(with_additions(session, read_manifest(session)))


def test_a_catalog_made_anew_knows_what_was_added(session: Path, data: DataInterface, tmp_path: Path) -> None:
    attach(session, tmp_path)
    send(session, data)
    with Catalog(str(tmp_path / "anew.db")) as catalog:
        assert [outcome.error for outcome in rebuild(data.store, catalog)] == [""]
        assert paths(catalog) == FILES.keys() | ADDED


def test_hostile_lists_of_additions_send_nothing(session: Path, data: DataInterface, tmp_path: Path) -> None:
    (tmp_path / "sessions" / "secret").write_text("secret")
    attach(session, tmp_path)
    listed = session / "attachments" / "manifest.json"
    values = json.loads(listed.read_bytes())
    values["files"][0]["path"] = "../../secret"
    listed.write_text(json.dumps(values))
    with pytest.raises(Exception, match=r"attachments/manifest\.json"):
        send(session, data)
    assert list(data.store.list("")) == []


def test_the_uploader_sends_what_is_added_later(session: Path, tmp_path: Path) -> None:
    places = {"storage_path": str(session.parent), "store": str(tmp_path / "store"), "catalog": str(tmp_path / "catalog.db")}
    reports: list[UploaderReport] = []
    worker = UploadWorker(UploaderParameters.model_validate(places), reports.append)
    worker.start()
    try:
        wait_until(lambda: worker.report().sessions_done == 1, "the session")
        attach(session, tmp_path)
        worker.wake()
        wait_until(lambda: worker.report().sessions_done == 2, "what was added")
    finally:
        worker.stop()
    with Catalog(places["catalog"]) as catalog:
        assert paths(catalog) == FILES.keys() | ADDED


def test_a_session_is_swept_only_when_what_was_added_is_in_too(session: Path, tmp_path: Path) -> None:
    places = {"storage_path": str(session.parent), "store": str(tmp_path / "store"), "catalog": str(tmp_path / "catalog.db")}
    settings = RecorderParameters.model_validate(places)
    removed: list[RemovedSession] = []
    with DataInterface.open(settings) as data:
        send(session, data)
        attach(session, tmp_path)
        maker = RoomMaker(settings, lambda: True, removed.append, look_s=0.05, retry_s=0.05)
        maker.start()
        try:
            wait_until(maker.ask(), "a look")
            assert session.exists()
            assert "other content" in maker.last_error
            send(session, data)
            wait_until(lambda: not session.exists(), "the removal")
        finally:
            maker.stop()
    assert [entry.recording_id for entry in removed] == [RECORDING_ID]


def stored(store: Path, path: str) -> list[bytes]:
    return [file.read_bytes() for file in store.rglob(path)]


def test_a_session_that_is_being_changed_waits_and_has_not_failed(session: Path, tmp_path: Path) -> None:
    places = {"storage_path": str(session.parent), "store": str(tmp_path / "store"), "catalog": str(tmp_path / "catalog.db")}
    put_files(session, "estimates", {"big.json": lambda path: path.write_bytes(bytes(1_000_000))})
    make_session(session.with_name("rec_20260507_143099_a1b2"), recording_id="rec_20260507_143099_a1b2")
    reports: list[UploaderReport] = []
    worker = UploadWorker(UploaderParameters.model_validate(places | {"bandwidth_limit": 1_000_000}), reports.append)
    try:
        with SessionLock(session):
            worker.start()
            wait_until(lambda: worker.report().sessions_done == 1 and worker.report().state == IDLE, "the other session")
        worker.wake()
        wait_until(lambda: worker.report().current_bytes > 0, "the upload")
        # Replaced while it is on its way: what goes up is not what the list of before says.
        put_files(session, "estimates", {"big.json": lambda path: path.write_bytes(os.urandom(1_000_000))})
        # On a slow machine it was up before it was replaced, and goes up once more; or the worker looked while it was being replaced,
        # and rests.
        worker.wake()
        wait_until(lambda: worker.report().sessions_done >= 2, "the session")
        worker.wake()
        now = (session / "estimates/big.json").read_bytes()
        wait_until(lambda: stored(tmp_path / "store", "estimates/big.json") == [now], "the session as it is now")
    finally:
        worker.stop()
    assert not any(report.sessions_failed or report.last_error for report in reports)
    with Catalog(places["catalog"]) as catalog:
        prefixes = [recording.nodes[0].prefix for recording in catalog.recordings() if recording.recording_id == RECORDING_ID]
    assert (tmp_path / "store" / prefixes[0] / "estimates/big.json").read_bytes() == now
