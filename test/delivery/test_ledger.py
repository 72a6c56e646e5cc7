"""The ledger: states per file, kills, migrations."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.delivery.ledger import MIGRATIONS, Ledger, LedgerError
from rig_capture.session.manifest import Manifest, read_manifest
from test.delivery.sessions import FILES, make_session


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Of a session of three files."""
    return read_manifest(make_session(tmp_path / "s"))


def test_each_file_goes_its_way(tmp_path: Path, manifest: Manifest) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.written("s", manifest)
        assert ledger.entries()["s"].text == "0 of 3 files uploaded"
        ledger.uploaded("s", "bag/bag_0.mcap")
        ledger.failed("s", "no net")
        assert (ledger.entries()["s"].text, ledger.entries()["s"].error) == ("1 of 3 files uploaded, failed", "no net")
        ledger.written("s", manifest)
        assert ledger.entries()["s"].files_uploaded == 1
        ledger.registered("s")
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert (ledger.entries()["s"].text, ledger.entries()["s"].error) == ("delivered", "")


def test_a_file_that_changed_is_to_be_uploaded_again(tmp_path: Path, manifest: Manifest) -> None:
    changed = read_manifest(make_session(tmp_path / "t", FILES | {"bag/metadata.yaml": b"other"}))
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.written("s", manifest)
        ledger.registered("s")
        ledger.written("s", changed)
        assert ledger.entries()["s"].text == "2 of 3 files uploaded"


SCRIPT = """
import sys
from pathlib import Path
from rig_capture.delivery.ledger import Ledger
from rig_capture.session.manifest import read_manifest
ledger, manifest = Ledger(Path(sys.argv[1])), read_manifest(Path(sys.argv[2]))
for number in range(10**6):
    ledger.written(f"s{number}", manifest)
    ledger.registered(f"s{number}")
    print(number, flush=True)
"""


def test_what_was_told_is_there_after_a_kill(tmp_path: Path, manifest: Manifest) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "ledger.db"), str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = next(int(line) for line in process.stdout if int(line) > 20)
        process.send_signal(signal.SIGKILL)
    with Ledger(tmp_path / "ledger.db") as ledger:
        entries = ledger.entries()
        assert all(entries[f"s{number}"].registration == "registered" for number in range(last + 1))
        ledger.written("s", manifest)


def test_an_old_one_is_migrated_once_and_keeps_its_data(tmp_path: Path, manifest: Manifest) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.written("s", manifest)
    newer = (*MIGRATIONS, "ALTER TABLE recordings ADD COLUMN note TEXT NOT NULL DEFAULT ''; UPDATE recordings SET note = 'x'")
    for _ in range(2):
        with Ledger(path, newer) as ledger:
            assert ledger.entries()["s"].files == 3
    with pytest.raises(LedgerError, match="update rig_capture"):
        Ledger(path)


def test_before_its_schema_changes_a_copy_is_kept(tmp_path: Path, manifest: Manifest) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path, MIGRATIONS[:1]) as ledger:
        ledger.written("s", manifest)
    with Ledger(path) as ledger:
        assert ledger.removals() == []
        ledger.registered("s")
    with sqlite3.connect(tmp_path / "ledger.db.v1.backup") as connection:
        assert connection.execute("SELECT name, registration FROM recordings").fetchall() == [("s", "pending")]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_each_file_has_its_states_from_the_first_byte_on(tmp_path: Path, manifest: Manifest) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.writing("s", manifest.recording_hash, {"bag/bag_0.mcap": 5, "bag/.temporary": 1})
        assert ledger.entries()["s"].text == "being written"
        assert ledger.states("s")["bag/bag_0.mcap"] == ("writing", "pending", "pending")
        ledger.written("s", manifest)
        assert set(ledger.states("s")) == set(FILES)
        ledger.uploading("s", "bag/bag_0.mcap")
        assert ledger.states("s")["bag/bag_0.mcap"] == ("written", "uploading", "pending")
        ledger.uploaded("s", "bag/bag_0.mcap")
        ledger.registering("s")
        assert ledger.states("s")["bag/bag_0.mcap"] == ("written", "uploaded", "registering")
        ledger.registered("s")
        assert set(ledger.states("s").values()) == {("written", "uploaded", "registered")}


def test_a_migration_that_fails_leaves_it_as_it_was_and_says_what_to_do(tmp_path: Path, manifest: Manifest) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.written("s", manifest)
    with pytest.raises(LedgerError, match="move it away"):
        Ledger(path, (*MIGRATIONS, "DROP TABLE files; SELECT no_such_column FROM recordings"))
    with Ledger(path) as ledger:
        assert ledger.entries()["s"].files == 3
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_something_else_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(tmp_path / "ledger.db")
