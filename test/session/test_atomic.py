"""Atomic files."""

from pathlib import Path

import pytest

from rig_capture.session.atomic import remove_unfinished, write_atomic


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    write_atomic(target, b"old")
    write_atomic(target, b"new", mode=0o600)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(OSError, match="folder"):
        write_atomic(target, b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
    assert (target / "kept").exists()


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    kept = [tmp_path / "camera" / ".00000.mkv.tail", tmp_path / ".notes.tmp", tmp_path / "a.12.tmp"]
    for path in [*kept, tmp_path / ".manifest.json.17.tmp", tmp_path / "camera" / "..00000.mkv.tail.7193.tmp"]:
        path.touch()
    remove_unfinished(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)
