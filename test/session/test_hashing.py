"""The hash of a file is that of its bytes, whatever way they are read."""

import hashlib
import os
from pathlib import Path

import pytest

from rig_capture.session.hashing import sha256_file


@pytest.mark.parametrize("spare_cache", [False, True])
@pytest.mark.parametrize("size", [0, 1, 4096, 2**20, 2**20 + 1, 3 * 2**20 + 4097])
@pytest.mark.parametrize("cached", [False, True])
def test_a_file_is_hashed_whole_and_progress_ends_with_its_size(tmp_path: Path, size: int, *, cached: bool, spare_cache: bool) -> None:
    path, data = tmp_path / "file", os.urandom(size)
    path.write_bytes(data)
    if not cached:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    told: list[int] = []
    assert sha256_file(path, told.append, spare_cache=spare_cache) == hashlib.sha256(data).hexdigest()
    assert told == sorted(told)
    assert (told[-1] if told else 0) == size


def test_what_progress_raises_ends_the_work(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * 2**20))

    def stop(done: int) -> None:
        raise InterruptedError(str(done))

    with pytest.raises(InterruptedError, match=str(2**20)):
        sha256_file(path, stop, spare_cache=True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        sha256_file(tmp_path / "nothing", spare_cache=True)
