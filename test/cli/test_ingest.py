"""The command `ingest`, in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig_capture.delivery.catalog import Catalog
from rig_capture.session.lock import SessionLock
from test.delivery.sessions import make_session

IDS = [f"rec_20260507_14302{n}_a1b2" for n in range(4)]


@dataclass(frozen=True)
class Answer:
    """What the command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, parsed."""
        return json.loads(self.out)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A rescued disk with two good sessions and a folder of something else."""
    make_session(tmp_path / "disk" / f"{IDS[0]}_mac", recording_id=IDS[0], participant="Ada")
    make_session(tmp_path / "disk" / IDS[1], recording_id=IDS[1])
    (tmp_path / "disk" / "photos").mkdir()
    return tmp_path / "disk"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Store and catalog."""
    return tmp_path / "data"


def ingest(data_dir: Path, *arguments: object, **environment: str) -> Answer:
    """Runs it with store and catalog in `data_dir`."""
    variables = os.environ | {"RIG_CAPTURE_DATA_DIR": str(data_dir)} | environment
    command = [sys.executable, "-m", "rig_capture.cli", "ingest", *map(str, arguments)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def test_all_sessions_of_a_disk_go_in_and_again_nothing_is_sent(disk: Path, data_dir: Path) -> None:
    first = ingest(data_dir, "--path", disk, "--json")
    assert first.code == 0, first.err
    assert (first.json["files_uploaded"], first.json["files_skipped"], first.json["failed"]) == (7, 0, 0)
    assert [session["status"] for session in first.json["sessions"]] == ["ok", "ok"]
    again = ingest(data_dir, "--path", disk, "--json")
    assert (again.code, again.json["files_uploaded"], again.json["files_skipped"], again.json["bytes_uploaded"]) == (0, 0, 7, 0)
    with Catalog(str(data_dir / "catalog.db")) as catalog:
        assert [row.recording_id for row in catalog.recordings()] == IDS[:2]
        assert {row.recording_hash for row in catalog.recordings()} == {session["recording_hash"] for session in first.json["sessions"]}
        assert catalog.recordings()[0].participants == ("Ada",)


def test_each_session_is_told_apart_and_one_failure_stops_no_other(disk: Path, data_dir: Path) -> None:
    bad = make_session(disk / "aaa_bad", recording_id=IDS[2])
    (bad / "bag/bag_0.mcap").unlink()
    (disk / "rec_20250101_000000_dead").mkdir()
    with SessionLock(make_session(disk / "locked", recording_id=IDS[3], complete=False)):
        answer = ingest(data_dir, "--path", disk, "--json")
    assert answer.code == 1
    by_name = {session["name"]: session for session in answer.json["sessions"]}
    assert {name: session["status"] for name, session in by_name.items()} == {
        "aaa_bad": "failed",
        f"{IDS[0]}_mac": "ok",
        IDS[1]: "ok",
        "locked": "in_progress",
        "rec_20250101_000000_dead": "needs_reconstruction",
    }
    assert by_name["aaa_bad"]["error"].startswith("FileMissing: ")
    assert (answer.json["failed"], answer.json["need_reconstruction"]) == (1, 1)


def test_the_table_tells_people_the_same(disk: Path, data_dir: Path) -> None:
    (disk / "rec_20250101_000000_dead").mkdir()
    (disk / IDS[1] / "bag/bag_0.mcap").unlink()
    answer = ingest(data_dir, "--path", disk)
    assert answer.code == 1
    for words in (f"{IDS[0]}_mac", "1 ok · 1 failed · 1 need reconstruction", "FileMissing", "`rig reconstruct`", str(data_dir / "store")):
        assert words in answer.out


@pytest.mark.parametrize("content", ["empty", "only reconstruction", "missing"])
def test_with_nothing_to_do_the_exit_code_is_2(tmp_path: Path, data_dir: Path, content: str) -> None:
    root = tmp_path / "root"
    if content != "missing":
        root.mkdir()
    if content == "only reconstruction":
        (root / "rec_20250101_000000_dead").mkdir()
    answer = ingest(data_dir, "--path", root)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert not (data_dir / "store" / "recordings").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--store", "ftp://x"], ["--catalog", "mysql://x/y"], ["--profile", "no-such-profile"], ["--store", "s3://u:p@x/y"], ["--nonsense"]],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_one_message(disk: Path, data_dir: Path, arguments: list[str]) -> None:
    answer = ingest(data_dir, "--path", disk, *arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert "rror" in answer.err


def test_an_unreachable_catalog_is_exit_code_1(disk: Path, data_dir: Path) -> None:
    answer = ingest(data_dir, "--path", disk, "--catalog", "postgresql://rig@127.0.0.1:1/x")
    assert answer.code == 1
    assert "127.0.0.1" in answer.err
    assert "Traceback" not in answer.err


def test_store_and_catalog_can_be_named(disk: Path, data_dir: Path, tmp_path: Path) -> None:
    arguments = ["--store", (tmp_path / "elsewhere").as_uri(), "--catalog", tmp_path / "other.db"]
    assert ingest(data_dir, "--path", disk, *arguments).code == 0
    assert (tmp_path / "other.db").exists()
    assert (tmp_path / "elsewhere" / "recordings" / "rig1" / IDS[1] / "host-a" / "manifest.json").exists()
    assert not data_dir.exists()


def test_the_path_may_be_one_session(disk: Path, data_dir: Path) -> None:
    answer = ingest(data_dir, "--path", disk / IDS[1], "--json")
    assert (answer.code, [session["name"] for session in answer.json["sessions"]]) == (0, [IDS[1]])


def test_secrets_in_the_environment_are_never_shown(disk: Path, data_dir: Path) -> None:
    secrets = {
        "RIG_CAPTURE_ACCESS_KEY_ID": "AKsecret",
        "RIG_CAPTURE_SECRET_ACCESS_KEY": "SKsecret",
        "RIG_CAPTURE_CATALOG_PASSWORD": "PWsecret",
    }
    answer = ingest(data_dir, "--path", disk, "--catalog", "postgresql://rig@127.0.0.1:1/x", **secrets)
    assert answer.code == 1
    assert "secret" not in answer.out + answer.err
