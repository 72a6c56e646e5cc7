"""Shared memory that killed nodes have left behind."""

import fcntl
import mmap
from pathlib import Path

from rig_capture.running.shared_memory import remove_leftovers

SEGMENT = "fastrtps_2e80c087588be6b3"


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(bytes(mmap.PAGESIZE))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_no_process_uses_goes_with_its_locks(tmp_path: Path) -> None:
    make(tmp_path, SEGMENT, f"{SEGMENT}_el", "fastrtps_port7417", "fastrtps_port7417_sl", "sem.fastrtps_port7417_mutex", "fastdds_port8000")
    make(tmp_path, "fastrtps_notes.txt", "jack-shm-registry", "sem.other_mutex")
    assert remove_leftovers(tmp_path, 0) == 3
    assert names(tmp_path) == {"fastrtps_notes.txt", "jack-shm-registry", "sem.other_mutex"}
    assert remove_leftovers(tmp_path / "nowhere") == 0


def test_what_is_locked_or_mapped_stays(tmp_path: Path) -> None:
    make(tmp_path, SEGMENT, f"{SEGMENT}_el", "fastrtps_port7417", "sem.fastrtps_port7417_mutex", "fastrtps_port7419")
    with (tmp_path / f"{SEGMENT}_el").open("rb") as lock, (tmp_path / "fastrtps_port7417").open("r+b") as port:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with mmap.mmap(port.fileno(), 0):
            assert remove_leftovers(tmp_path, 0) == 1
    assert names(tmp_path) == {SEGMENT, f"{SEGMENT}_el", "fastrtps_port7417", "sem.fastrtps_port7417_mutex"}


def test_what_has_just_been_made_stays(tmp_path: Path) -> None:
    make(tmp_path, "fastrtps_port7417")
    assert remove_leftovers(tmp_path, 60) == 0
    assert names(tmp_path) == {"fastrtps_port7417"}
