"""What is added to a finished session: all of it or nothing, under plain names, never over anything."""

import hashlib
import os
from pathlib import Path

import pytest

from rig_capture.session.additions import AdditionError, add_files, additions_changed_ns, read_additions, with_additions
from rig_capture.session.errors import SessionError, SessionLocked, UnsafePath
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from rig_capture.session.manifest import content_hash, read_manifest
from test.delivery.sessions import make_session


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A finished session."""
    return make_session(tmp_path / "sessions" / "rec_20260507_143022_a1b2")


def source(tmp_path: Path, name: str = "notes.txt", data: bytes = b"notes") -> Path:
    """A file somewhere else."""
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_files_are_listed_with_size_hash_time_and_label_and_the_manifest_stays_as_it_is(session: Path, tmp_path: Path) -> None:
    before = SessionLayout(session).manifest.read_bytes()
    manifest = read_manifest(session)
    assert with_additions(session, manifest) is manifest
    add_files(session, "attachments", [source(tmp_path), source(tmp_path, "größe.csv", b"")], "by hand")
    add_files(session, "attachments", [source(tmp_path, "a.bin", bytes(3_000_000))])
    listed = read_additions(session, "attachments").files
    assert [(file.path, file.size, file.label) for file in listed] == [
        ("a.bin", 3_000_000, ""),
        ("größe.csv", 0, "by hand"),
        ("notes.txt", 5, "by hand"),
    ]
    assert listed[2].sha256 == hashlib.sha256(b"notes").hexdigest()
    assert (session / "attachments" / "notes.txt").read_bytes() == b"notes"
    assert SessionLayout(session).manifest.read_bytes() == before
    whole = with_additions(session, manifest)
    assert {entry.path for entry in whole.files} - {entry.path for entry in manifest.files} == {
        f"attachments/{name}" for name in ("a.bin", "größe.csv", "notes.txt", "manifest.json")
    }
    assert whole.content_hash == content_hash(whole.files) != manifest.content_hash


def test_rooms_are_apart(session: Path, tmp_path: Path) -> None:
    add_files(session, "attachments", [source(tmp_path)])
    assert read_additions(session, "estimates").files == ()
    changed_ns = additions_changed_ns(session)
    add_files(session, "estimates", [source(tmp_path)])
    assert len(read_additions(session, "estimates").files) == 1
    assert additions_changed_ns(session) > changed_ns > 0


@pytest.mark.parametrize("name", ["manifest.json", ".hidden", "a\nb", "back\\slash", "ä" * 101, "\udcff"])
def test_hostile_names_are_refused_and_nothing_is_added(session: Path, tmp_path: Path, name: str) -> None:
    bad = tmp_path / "from" / name
    bad.parent.mkdir()
    bad.write_bytes(b"")
    with pytest.raises(AdditionError, match="its name"):
        add_files(session, "attachments", [source(tmp_path), bad])
    assert not (session / "attachments").exists()


def test_what_is_there_is_never_replaced(session: Path, tmp_path: Path) -> None:
    add_files(session, "attachments", [source(tmp_path)])
    (session / "attachments" / "stray").write_bytes(b"somebody's")
    for names in (["new", "notes.txt"], ["new", "stray"], ["new", "new"]):
        with pytest.raises(AdditionError, match="already; rename one of them"):
            add_files(session, "attachments", [source(tmp_path, name, b"other") for name in names])
    assert (session / "attachments" / "notes.txt").read_bytes() == b"notes"
    assert sorted(path.name for path in (session / "attachments").iterdir()) == ["manifest.json", "notes.txt", "stray"]


def test_what_is_no_file_is_refused(session: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "nowhere", tmp_path / "fifo", tmp_path / "sessions"):
        with pytest.raises(AdditionError, match=r"no such file|no regular file"):
            add_files(session, "attachments", [path])


def test_a_session_that_is_recorded_or_not_finished_is_refused(session: Path, tmp_path: Path) -> None:
    with SessionLock(session), pytest.raises(SessionLocked):
        add_files(session, "attachments", [source(tmp_path)])
    SessionLayout(session).complete_mark.unlink()
    with pytest.raises(SessionError, match="not finished"):
        add_files(session, "attachments", [source(tmp_path)])
    with pytest.raises(SessionError, match="no manifest"):
        add_files(tmp_path, "attachments", [source(tmp_path)])


def test_what_an_interrupted_copy_left_is_swept_and_a_room_that_leads_elsewhere_is_refused(session: Path, tmp_path: Path) -> None:
    (session / "attachments").mkdir()
    (session / "attachments" / ".notes.txt.tmp").write_bytes(b"no")
    add_files(session, "attachments", [source(tmp_path)])
    assert sorted(path.name for path in (session / "attachments").iterdir()) == ["manifest.json", "notes.txt"]
    (session / "estimates").symlink_to(tmp_path)
    with pytest.raises(UnsafePath):
        add_files(session, "estimates", [source(tmp_path)])


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "{}x",
        '{"schema_version": 2}',
        '{"files": [{"path": "../../etc/passwd", "size": 1, "sha256": "' + "0" * 64 + '", "added_at": "2026-05-07T14:30:22Z"}]}',
    ],
)
def test_a_list_that_is_none_is_named(session: Path, text: str) -> None:
    (session / "attachments").mkdir()
    (session / "attachments" / "manifest.json").write_text(text)
    with pytest.raises(AdditionError, match=r"attachments/manifest\.json: "):
        with_additions(session, read_manifest(session))
