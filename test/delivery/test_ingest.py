"""One ingest, from a session's folder into store and catalog."""

import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rig_capture.delivery.errors import (
    ContentMismatch,
    FileMissing,
    IncompleteManifest,
    ObjectStoreError,
    SessionNotComplete,
    UnsafeName,
    WritesNotEnabled,
)
from rig_capture.delivery.ingest import DataInterface, IngestResult, participant_for
from rig_capture.delivery.progress import UploadProgress
from rig_capture.delivery.rows import RecordingRow
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.session.errors import SessionError, UnsafePath, UnsupportedManifestVersion
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from rig_capture.session.manifest import FileEntry, content_hash, read_manifest
from test.delivery.services import S3Server
from test.delivery.sessions import FILES, RECORDING_ID, make_session

PREFIX = f"recordings/rig1/{RECORDING_ID}"


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest) -> DeliverySettings:
    """Settings with each kind of store in turn."""
    found: DeliverySettings = request.getfixturevalue(f"{request.param}_settings")
    return found


@pytest.fixture
def data(folder_settings: DeliverySettings) -> Iterator[DataInterface]:
    """A folder and an SQLite file."""
    with DataInterface.open(folder_settings) as interface:
        yield interface


def ingest(data: DataInterface, session: Path, **options: Any) -> IngestResult:
    """As the node and the command do it."""
    participant = participant_for(session, read_manifest(session))
    return data.ingest(manifest_path=session / "manifest.json", source_dir=session, participant=participant, **options)


def ingested(result: IngestResult) -> RecordingRow:
    """The recording of a result that has one."""
    assert result.recording is not None
    return result.recording


def test_a_session_arrives_whole_with_its_manifest(settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", participant="Ada", tags=("walk",))
    with DataInterface.open(settings) as data:
        result = ingest(data, session)
        assert (result.files_uploaded, result.files_skipped, result.paused) == (4, 0, False)
        assert result.bytes_uploaded == sum(map(len, FILES.values())) + 4
        for path in [*FILES, "participant.txt", "manifest.json"]:
            assert data.store.get(f"{PREFIX}/host-a/{path}") == (session / path).read_bytes()
        row = ingested(result)
        assert (row.participants, row.tags, row.rig) == (("Ada",), ("walk",), "rig1")
        assert row.recording_hash == read_manifest(session).recording_hash


def test_again_everything_is_skipped(settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s")
    with DataInterface.open(settings) as data:
        first = ingest(data, session)
        again = ingest(data, session)
    assert (again.files_uploaded, again.files_skipped, again.bytes_uploaded) == (0, 3, 0)
    assert again.recording == first.recording


def test_with_a_lost_catalog_nothing_is_sent_again(settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s")
    with DataInterface.open(settings) as data:
        ingest(data, session)
    with DataInterface.open(settings.model_copy(update={"catalog": str(tmp_path / "new.db")})) as data:
        result = ingest(data, session)
    assert (result.files_uploaded, result.files_skipped) == (0, 3)
    assert result.recording is not None


def test_skipping_costs_no_request_per_file(s3_settings: DeliverySettings, s3: S3Server, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", {f"f{number}": os.urandom(10) for number in range(100)})
    with DataInterface.open(s3_settings) as data:
        ingest(data, session)
        before = s3.log.count("HTTP/1.1")
        assert ingest(data, session).files_skipped == 100
        assert s3.log.count("HTTP/1.1") - before == 1


def test_only_what_is_missing_or_changed_is_sent(settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s")
    with DataInterface.open(settings) as data:
        ingest(data, session)
        # As the recorder's repair may: one file has other bytes of the same number, one is new.
        make_session(session, FILES | {"bag/bag_0.mcap": bytes(len(FILES["bag/bag_0.mcap"])), "health.jsonl": b"{}\n"}, state="recovered")
        result = ingest(data, session)
        assert (result.files_uploaded, result.files_skipped) == (2, 2)
        assert [node.state for node in ingested(result).nodes] == ["recovered"]
        assert data.store.get(f"{PREFIX}/host-a/bag/bag_0.mcap") == (session / "bag/bag_0.mcap").read_bytes()


@pytest.mark.parametrize("order", [(0, 1), (1, 0), None], ids=["participant first", "participant last", "at once"])
def test_two_nodes_of_one_recording_become_one(settings: DeliverySettings, tmp_path: Path, order: tuple[int, int] | None) -> None:
    sessions = [
        make_session(tmp_path / "rec_mac", participant="Ada"),
        make_session(tmp_path / "rec_eeg", {"eeg/0.bin": b"x"}, host="host-b"),
    ]

    def one(session: Path) -> None:
        with DataInterface.open(settings) as data:
            ingest(data, session)

    if order is None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, sessions))
    else:
        for index in order:
            one(sessions[index])
    with DataInterface.open(settings) as data:
        (row,) = data.catalog.recordings()
        assert [node.name for node in row.nodes] == ["host-a", "host-b"]
        assert row.participants == ("Ada",)
        keys = {stored.key for stored in data.store.list(f"{PREFIX}/")}
        assert {f"{PREFIX}/host-a/manifest.json", f"{PREFIX}/host-b/manifest.json", f"{PREFIX}/host-b/eeg/0.bin"} <= keys


def test_the_same_session_sent_by_two_at_once_is_there_once(settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", FILES | {"large": os.urandom(20 * 2**20)}, participant="Ada")

    def one(_: int) -> IngestResult | ObjectStoreError:
        with DataInterface.open(settings) as data:
            try:
                return ingest(data, session)
            except ObjectStoreError as error:
                # Both may send parts of one upload; the slower one finds it completed, and comes again.
                return error

    with ThreadPoolExecutor(2) as pool:
        assert any(isinstance(result, IngestResult) for result in pool.map(one, range(2)))
    with DataInterface.open(settings) as data:
        assert ingest(data, session).files_uploaded == 0
        assert data.store.get(f"{PREFIX}/host-a/large") == (session / "large").read_bytes()
        (row,) = data.catalog.recordings()
        assert [node.file_count for node in row.nodes] == [5]


def test_the_participant_is_nobody_in_testing_mode(data: DataInterface, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", participant="Ada", testing_mode=True)
    assert participant_for(session, read_manifest(session)) is None
    assert ingested(ingest(data, session)).participants == ()


@pytest.mark.parametrize(("text", "name"), [("  Ada L. \r\nmore", "Ada L."), ("", "typed"), (" \n", "typed"), ("\n\nBo", "Bo")])
def test_the_participant_is_the_first_line_that_was_typed(tmp_path: Path, text: str, name: str) -> None:
    session = make_session(tmp_path / "s")
    SessionLayout(session).participant.write_bytes(text.encode())
    manifest = read_manifest(session).model_copy(update={"participant": "typed"})
    assert participant_for(session, manifest) == name


@pytest.mark.parametrize("roles", [(), ("raw_rw",), ("assets_rw",)])
def test_writing_needs_both_roles(folder_settings: DeliverySettings, tmp_path: Path, roles: tuple[str, ...]) -> None:
    session = make_session(tmp_path / "s")
    with DataInterface.open(folder_settings, roles) as data:
        with pytest.raises(WritesNotEnabled) as caught:
            ingest(data, session)
        assert set(caught.value.missing) == {"raw_rw", "assets_rw"} - set(roles)
        assert list(data.store.list("recordings/")) == []
        data.enable_writes(("assets_rw", "raw_rw"))
        assert ingest(data, session).files_uploaded == 3


def rewrite(session: Path, **changes: Any) -> None:
    """Changes a manifest as somebody with an editor might."""
    import json

    path = session / "manifest.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value != "gone"}))


Change = Callable[[Path], object]
BROKEN: dict[str, tuple[Change, type[Exception], str]] = {
    "older": (lambda s: rewrite(s, schema_version=3), UnsupportedManifestVersion, "version 3"),
    "newer": (lambda s: rewrite(s, schema_version=5), UnsupportedManifestVersion, "version 5"),
    "no hash": (lambda s: rewrite(s, recording_hash="gone"), SessionError, "recording_hash"),
    "no files": (lambda s: rewrite(s, files=[]), IncompleteManifest, "files"),
    "no content hash": (lambda s: rewrite(s, content_hash=None), IncompleteManifest, "content_hash"),
    "foreign hash": (lambda s: rewrite(s, recording_hash="0" * 64), IncompleteManifest, "recording_hash"),
    "foreign content": (lambda s: rewrite(s, content_hash="0" * 64), IncompleteManifest, "content_hash"),
    "no time": (lambda s: rewrite(s, started_at="yesterday"), SessionError, "yesterday"),
    "node of dots": (lambda s: rewrite(s, node_id=".."), UnsafeName, "node"),
    "NUL": (lambda s: rewrite(s, label="a\0b"), UnsafeName, "NUL"),
    "lone surrogate": (lambda s: rewrite(s, tags=["\ud800"]), UnsafeName, "Unicode"),
    "lone surrogate in the id": (lambda s: rewrite(s, recording_id="\ud800"), SessionError, "recording_id"),
    "still recording": (lambda s: rewrite(s, state="recording"), SessionNotComplete, "interrupted"),
    "cancelled": (lambda s: rewrite(s, state="cancelled"), SessionNotComplete, "cancelled"),
    "no mark": (lambda s: SessionLayout(s).complete_mark.unlink(), SessionNotComplete, "mark"),
    "file gone": (lambda s: (s / "bag/bag_0.mcap").unlink(), FileMissing, "bag_0.mcap"),
    "file shorter": (lambda s: (s / "bag/bag_0.mcap").write_bytes(b""), ContentMismatch, "bag_0.mcap"),
    "file changed": (lambda s: (s / "bag/bag_0.mcap").write_bytes(bytes(10240)), ContentMismatch, "SHA-256"),
}


@pytest.mark.parametrize(("change", "error", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_told_and_nothing_registered(
    data: DataInterface, tmp_path: Path, change: Change, error: type[Exception], words: str
) -> None:
    session = make_session(tmp_path / "s")
    change(session)
    with pytest.raises(error, match=words):
        data.ingest(manifest_path=session / "manifest.json", source_dir=session)
    assert data.catalog.recordings() == []
    assert not any(stored.key.endswith("manifest.json") for stored in data.store.list("recordings/"))


def test_a_locked_session_is_refused(data: DataInterface, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s")
    with SessionLock(session), pytest.raises(SessionNotComplete, match="being recorded"):
        ingest(data, session)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../secret", "a//b", "./a", "link/secret", "manifest.json", "x\ny", "a" * 300]
)
def test_a_path_that_leaves_the_folder_is_never_read(data: DataInterface, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    session = make_session(tmp_path / "s", {"a/f": b"x"})
    (session / "link").symlink_to(tmp_path)
    hostile = {"path": path, "size": 6, "sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", "kind": "other"}
    rewrite(session, files=[hostile], content_hash=content_hash([FileEntry.model_validate(hostile)]) if path != "\ud800" else "0" * 64)
    with pytest.raises((UnsafePath, UnsafeName)):
        data.ingest(manifest_path=session / "manifest.json", source_dir=session)
    assert list(data.store.list("recordings/")) == []


def test_progress_never_falls_and_ends_at_the_total(settings: DeliverySettings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {f"f{number}": os.urandom(3 * 2**20) for number in range(4)} | {"large": os.urandom(9 * 2**20)}
    events: list[UploadProgress] = []
    with DataInterface.open(settings) as data, caplog.at_level(logging.INFO, "rig_capture.delivery.progress"):
        ingest(data, make_session(tmp_path / "s", files), progress=events.append)
    assert all(before.bytes_processed <= after.bytes_processed for before, after in itertools.pairwise(events))
    assert all(before.files_done <= after.files_done for before, after in itertools.pairwise(events))
    assert (events[-1].bytes_processed, events[-1].files_done, events[-1].files_total) == (21 * 2**20, 5, 5)
    assert {event.bytes_total for event in events} == {21 * 2**20}
    assert len(events) > 20
    assert "100.0 %, 5 of 5 files" in caplog.text


def test_it_backs_off_while_something_else_is_active_and_goes_on_after(settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", {f"f{number}": os.urandom(2**20) for number in range(20)})
    active = threading.Event()
    with DataInterface.open(settings.model_copy(update={"bandwidth_limit": 20_000_000, "concurrent_uploads": 2})) as data:
        result = ingest(data, session, is_active=active.is_set, progress=lambda event: active.set() if event.files_done else None)
        assert result.paused
        assert result.recording is None
        assert data.catalog.recordings() == []
        again = ingest(data, session)
        assert again.files_uploaded + again.files_skipped == 20
        assert again.files_skipped >= 1
        sizes = {stored.key: stored.size for stored in data.store.list(f"{PREFIX}/host-a/")}
        assert sizes == {
            f"{PREFIX}/host-a/{name}": (session / name).stat().st_size for name in [*(f"f{n}" for n in range(20)), "manifest.json"]
        }


def test_a_failing_store_stops_the_others_and_names_the_key(s3_settings: DeliverySettings, s3: S3Server, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s")
    with DataInterface.open(s3_settings.model_copy(update={"store": "s3://no-such-bucket"})) as data:
        with pytest.raises(ObjectStoreError, match="NoSuchBucket") as caught:
            ingest(data, session)
        assert caught.value.key.startswith(PREFIX)
        assert data.catalog.recordings() == []


def test_the_bandwidth_is_shared_by_all_files(folder_settings: DeliverySettings, tmp_path: Path) -> None:
    import time

    session = make_session(tmp_path / "s", {f"f{number}": os.urandom(2**20) for number in range(8)})
    limited = folder_settings.model_copy(update={"bandwidth_limit": 8 * 2**20, "concurrent_uploads": 4})
    with DataInterface.open(limited) as data:
        begin = time.monotonic()
        ingest(data, session)
        assert 0.8 < time.monotonic() - begin < 2.0


SCRIPT = """
import sys
from pathlib import Path
from rig_capture.delivery.ingest import DataInterface
from rig_capture.profiles.settings.rig import DeliverySettings
session = Path(sys.argv[1])
with DataInterface.open(DeliverySettings.model_validate_json(sys.argv[2])) as data:
    tell = lambda event: print(event.bytes_processed, flush=True)
    data.ingest(manifest_path=session / "manifest.json", source_dir=session, progress=tell)
"""


def test_killed_in_the_middle_the_next_one_moves_what_is_missing(settings: DeliverySettings, tmp_path: Path) -> None:
    files = {f"f{number}": os.urandom(2**20) for number in range(10)} | {"large": os.urandom(20 * 2**20)}
    session = make_session(tmp_path / "s", files)
    slow = settings.model_copy(update={"bandwidth_limit": 25_000_000, "concurrent_uploads": 2})
    command = [sys.executable, "-c", SCRIPT, str(session), slow.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if int(line) > 12 * 2**20)
        process.send_signal(signal.SIGKILL)
    with DataInterface.open(settings) as data:
        assert data.catalog.recordings() == []
        result = ingest(data, session)
        assert 0 < result.files_skipped < 11
        assert result.files_uploaded + result.files_skipped == 11
        for path, content in files.items():
            assert data.store.get(f"{PREFIX}/host-a/{path}") == content
        assert len(ingested(result).nodes) == 1
