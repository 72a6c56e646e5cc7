"""The uploader's work, without ROS."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.ledger import read_entries
from rig_capture.delivery.uploader_report import IDLE, OFFLINE, PAUSED, UPLOADING, WAITING, UploaderReport
from rig_capture.delivery.worker import UploadWorker
from rig_capture.profiles.places import ledger_path
from rig_capture.profiles.settings.uploader import UploaderParameters
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from test.delivery.services import S3Server, s3_server
from test.delivery.sessions import make_session
from test.parts import wait_until

IDS = [f"rec_20260507_14302{n}_a1b2" for n in range(4)]
Start = Callable[..., "Watched"]


class Watched:
    """A worker and all it reported."""

    def __init__(self, settings: UploaderParameters) -> None:
        self.reports: list[UploaderReport] = []
        self.worker = UploadWorker(settings, self.reports.append)

    def until(self, condition: Callable[[UploaderReport], bool], what: str) -> UploaderReport:
        """The report once the condition holds for it."""
        wait_until(lambda: condition(self.worker.report()), f"{what} (it is {self.worker.report()})")
        return self.worker.report()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where sessions lie."""
    return tmp_path / "sessions"


@pytest.fixture
def start(root: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker; a folder is the store unless told otherwise."""
    started: list[Watched] = []

    def begin(**settings: Any) -> Watched:
        places = {"storage_path": str(root), "store": str(tmp_path / "store"), "catalog": str(tmp_path / "catalog.db")}
        times = {"scan_interval_s": 60.0, "retry_min_s": 0.05, "retry_max_s": 0.2}
        started.append(Watched(UploaderParameters.model_validate(places | times | settings)))
        started[-1].worker.start()
        return started[-1]

    yield begin
    for watched in started:
        watched.worker.stop()


def test_what_is_on_disk_at_start_goes_oldest_first(start: Start, root: Path) -> None:
    for recording_id in reversed(IDS):
        make_session(root / recording_id, recording_id=recording_id)
    watched = start()
    report = watched.until(lambda report: report.state == IDLE and report.sessions_done == 4, "all in")
    assert list(report.ingested) == IDS
    assert (report.queued, report.last_error, report.sessions_failed) == (0, "", 0)
    assert report.bytes_uploaded == sum(path.stat().st_size for path in root.rglob("*") if path.parent.name not in IDS and path.is_file())


def test_what_is_registered_is_not_sent_again_by_the_next_process(start: Start, root: Path) -> None:
    make_session(root / IDS[0], recording_id=IDS[0])
    first = start()
    first.until(lambda report: report.sessions_done == 1, "in")
    first.worker.stop()
    second = start()
    second.until(lambda report: bool(second.reports) or report.state == IDLE, "looked")
    second.worker.stop()
    assert second.worker.report().sessions_done == 0


def test_what_became_of_each_session_is_noted(start: Start, root: Path) -> None:
    make_session(root / IDS[0], recording_id=IDS[0])
    bad = make_session(root / IDS[1], recording_id=IDS[1])
    (bad / "bag/bag_0.mcap").write_bytes(bytes(10240))
    watched = start()
    watched.until(lambda report: report.sessions_done == 1 and report.sessions_failed == 1, "one in, one not")
    watched.worker.stop()
    entries = read_entries(ledger_path())
    assert entries[IDS[0]].text == "delivered"
    assert entries[IDS[1]].registration == "pending"
    assert "ContentMismatch" in entries[IDS[1]].error


def test_a_broken_ledger_stops_nothing(start: Start, root: Path) -> None:
    ledger_path().parent.mkdir(parents=True, exist_ok=True)
    ledger_path().write_bytes(b"no database at all" * 100)
    make_session(root / IDS[0], recording_id=IDS[0])
    start().until(lambda report: report.sessions_done == 1, "in")


def test_the_machine_is_kept_awake_while_uploading(start: Start, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "systemd-inhibit"
    program.parent.mkdir()
    held, over = tmp_path / "held", tmp_path / "over"
    program.write_text(f'#!/bin/sh\necho "$@" >{held}\nwhile [ "$1" != cat ]; do shift; done\n"$@"\ntouch {over}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    make_session(root / IDS[0], {"f": os.urandom(4 * 2**20)}, recording_id=IDS[0])
    watched = start(wake_lock=True, bandwidth_limit=4_000_000)
    watched.until(lambda report: report.current_bytes > 2**20, "uploading")
    wait_until(held.exists, "the lock")
    assert "--what=sleep:idle" in held.read_text()
    assert not over.exists()
    watched.until(lambda report: report.state == IDLE, "in")
    wait_until(over.exists, "the end of the lock")


def test_where_the_machine_can_not_be_kept_awake_it_uploads_all_the_same(
    start: Start, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    make_session(root / IDS[0], recording_id=IDS[0])
    start(wake_lock=True).until(lambda report: report.sessions_done == 1, "in")


def test_a_wake_brings_in_what_is_new(start: Start, root: Path) -> None:
    watched = start()
    make_session(root / IDS[0], recording_id=IDS[0])
    watched.worker.wake()
    watched.until(lambda report: report.ingested == (IDS[0],), "the new session in")


def test_incomplete_cancelled_and_failed_sessions_stay(start: Start, root: Path) -> None:
    make_session(root / IDS[0], recording_id=IDS[0], complete=False)
    make_session(root / IDS[1], recording_id=IDS[1], state="cancelled")
    make_session(root / IDS[2], recording_id=IDS[2], state="failed")
    make_session(root / IDS[3], recording_id=IDS[3], state="recovered")
    report = start().until(lambda report: report.state == IDLE and report.sessions_done == 1, "one in")
    assert report.ingested == (IDS[3],)
    assert report.last_error == ""


def test_one_that_fails_is_reported_and_does_not_hold_up_the_others(start: Start, root: Path) -> None:
    for recording_id in IDS:
        make_session(root / recording_id, recording_id=recording_id)
    bad = root / IDS[0] / "bag/bag_0.mcap"
    good = bad.read_bytes()
    bad.write_bytes(bytes(len(good)))
    watched = start()
    report = watched.until(lambda report: report.sessions_done == 3 and report.state == WAITING, "the others in")
    assert (report.sessions_failed, report.queued) == (1, 1)
    assert "ContentMismatch" in report.last_error
    bad.write_bytes(good)
    watched.worker.retry()
    report = watched.until(lambda report: report.sessions_done == 4 and report.state == IDLE, "the mended one in")
    assert (report.sessions_failed, report.last_error) == (0, "")


def test_offline_nothing_is_opened_or_sent(start: Start, root: Path, tmp_path: Path) -> None:
    make_session(root / IDS[0], recording_id=IDS[0])
    watched = start(offline=True)
    watched.until(lambda report: report.state == OFFLINE and bool(report.detail), "offline")
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "catalog.db").exists()


def test_it_pauses_in_the_middle_of_a_file_and_goes_on(start: Start, root: Path) -> None:
    make_session(root / IDS[0], {"f": os.urandom(20 * 2**20)}, recording_id=IDS[0])
    watched = start(bandwidth_limit=8_000_000)
    watched.until(lambda report: report.state == UPLOADING and report.current_bytes > 0, "uploading")
    watched.worker.set_paused(True)
    watched.until(lambda report: report.state == PAUSED, "paused")
    assert watched.worker.report().current == ""
    watched.worker.set_paused(False)
    watched.until(lambda report: report.sessions_done == 1, "in after all")


@pytest.mark.parametrize("way", ["heard", "lock"])
def test_it_waits_while_a_recording_runs(start: Start, root: Path, way: str) -> None:
    make_session(root / IDS[0], recording_id=IDS[0])
    recorded = make_session(root / IDS[1], recording_id=IDS[1], complete=False)
    if way == "lock":
        with SessionLock(recorded):
            watched = start()
            watched.until(lambda report: report.state == WAITING and "recording" in report.detail, "waiting")
    else:
        watched = start(offline=False)
        watched.worker.set_recording(True)
        make_session(root / IDS[2], recording_id=IDS[2])
        watched.worker.wake()
        watched.until(lambda report: report.state == WAITING and "recording" in report.detail, "waiting")
        watched.worker.set_recording(False)
    SessionLayout(recorded).complete_mark.touch()
    watched.worker.wake()
    watched.until(lambda report: IDS[1] in report.ingested and report.state == IDLE, "all in")


def test_where_told_it_uploads_while_recording(start: Start, root: Path) -> None:
    make_session(root / IDS[0], recording_id=IDS[0])
    with SessionLock(make_session(root / IDS[1], recording_id=IDS[1], complete=False)):
        start(upload_while_recording=True).until(lambda report: report.ingested == (IDS[0],), "in")


def test_a_stop_in_the_middle_is_quick_and_leaves_both_sides_sound(start: Start, root: Path, tmp_path: Path) -> None:
    make_session(root / IDS[0], {"f": os.urandom(20 * 2**20)}, recording_id=IDS[0])
    watched = start(bandwidth_limit=2_000_000)
    watched.until(lambda report: report.current_bytes > 0, "uploading")
    begin = time.monotonic()
    watched.worker.stop()
    assert time.monotonic() - begin < 2
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    start().until(lambda report: report.sessions_done == 1, "in after all")
    with Catalog(str(tmp_path / "catalog.db")) as catalog:
        assert len(catalog.recordings()) == 1


@pytest.mark.usefixtures("s3_credentials")
def test_a_store_that_comes_back_gets_everything(start: Start, root: Path, tmp_path: Path) -> None:
    for recording_id in IDS[:2]:
        make_session(root / recording_id, recording_id=recording_id)
    server = S3Server(tmp_path)
    watched = start(store="s3://bucket", endpoint_url=server.url, retry_max_s=0.5)
    report = watched.until(lambda report: report.sessions_failed > 0, "failure without a server")
    assert "ObjectStoreError" in report.last_error
    try:
        server.start()
        server.client().create_bucket(Bucket="bucket")
        watched.worker.retry()
        watched.until(lambda report: report.sessions_done == 2, "both in")
        watched.worker.stop()
    finally:
        server.kill()


@pytest.mark.usefixtures("s3_credentials")
def test_a_stop_in_the_middle_of_parts_goes_on_where_it_was(start: Start, root: Path, tmp_path: Path) -> None:
    make_session(root / IDS[0], {"f": os.urandom(30 * 2**20)}, recording_id=IDS[0])
    with s3_server(tmp_path) as server:
        server.client().create_bucket(Bucket="bucket")
        s3 = {"store": "s3://bucket", "endpoint_url": server.url}
        watched = start(**s3, bandwidth_limit=12_000_000, concurrent_uploads=1)  # one part after the other
        watched.until(lambda report: report.current_bytes > 17 * 2**20, "two parts up")
        begin = time.monotonic()
        watched.worker.stop()
        assert time.monotonic() - begin < 2
        before = len(server.log)
        again = start(**s3)
        again.until(lambda report: report.sessions_done == 1, "in")
        again.worker.stop()
        # Four parts, of which two were there. What was cut off in the middle the server may note late.
        parts = re.findall(r"PUT /bucket/recordings\S*partNumber=(\d+)", server.log[before:])
        assert sorted(parts) in (["3", "4"], ["3", "3", "4"])
        assert len(re.findall(r"PUT /bucket/recordings\S*/manifest\.json", server.log[before:])) == 1
        assert "Uploads" not in server.client().list_multipart_uploads(Bucket="bucket")


def test_wrong_settings_are_reported_and_the_worker_lives(start: Start, root: Path) -> None:
    make_session(root / IDS[0], recording_id=IDS[0])
    watched = start(catalog="mysql://host/db")
    report = watched.until(lambda report: bool(report.last_error), "an error")
    assert "mysql" in report.last_error
    watched.worker.check()


def test_a_password_in_an_address_is_refused_and_never_reported(start: Start, root: Path) -> None:
    make_session(root / IDS[0], recording_id=IDS[0])
    watched = start(catalog="postgresql://rig:s3cret@127.0.0.1/x")
    report = watched.until(lambda report: bool(report.last_error), "an error")
    assert "RIG_CAPTURE_CATALOG_PASSWORD" in report.last_error
    assert "s3cret" not in str(watched.reports)
    assert report.catalog == "postgresql://rig@127.0.0.1/x"
