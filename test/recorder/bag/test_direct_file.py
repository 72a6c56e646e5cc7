"""Whatever way bytes take into a bag's file, they are all there after a push, in order."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig_capture.recorder.bag.direct_file import DirectFile

STEPS = st.lists(st.one_of(st.integers(0, 3_000_000), st.sampled_from([1, 4095, 4096, 4097, 4 * 2**20, 9_000_001]), st.none()), max_size=12)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_after_each_push_the_file_holds_all_bytes_and_nothing_else(steps: list[int | None]) -> None:
    pattern, expected = os.urandom(10_000_000), bytearray()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bag.mcap"
        file = DirectFile(path)
        for step in steps:
            if step is None:
                file.push()
                assert path.read_bytes() == expected
            else:
                start = len(expected) % 1000
                file.write(pattern[start : start + step // 3], pattern[start + step // 3 : start + step])
                expected += pattern[start : start + step]
            assert file.position == len(expected)
        file.sync()
        file.close()
        assert path.read_bytes() == expected


def test_more_parts_than_one_call_takes_are_all_written(tmp_path: Path) -> None:
    parts = [number.to_bytes(2, "little") for number in range(5000)]
    file = DirectFile(tmp_path / "bag.mcap")
    file.write(*parts)
    file.close()
    assert (tmp_path / "bag.mcap").read_bytes() == b"".join(parts)


def test_large_writes_go_past_the_page_cache_where_the_file_system_can(tmp_path: Path) -> None:
    path = tmp_path / "bag.mcap"
    file = DirectFile(path)
    if file._direct is None:
        pytest.skip(f"{tmp_path}: its file system has no O_DIRECT")
    os.close(file._file)
    file._file = os.open(os.devnull, os.O_WRONLY)  # whatever goes the ordinary way is lost
    data = os.urandom(8 * 2**20)
    file.write(data)
    file.push()
    assert not path.read_bytes(), "much at once, but for the first time"
    file._position = 0
    file.write(data)
    file.close()
    assert path.read_bytes() == data


def test_a_failure_is_not_taken_for_another_alignment(tmp_path: Path) -> None:
    file = DirectFile(tmp_path / "bag.mcap")
    if file._direct is not None:
        os.close(file._direct)
    file._direct = os.open(os.devnull, os.O_RDONLY)  # refuses to be written
    file.write(bytes(8 * 2**20))
    file.push()
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write(bytes(8 * 2**20))
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.push()
    file.close()


def test_a_disk_that_is_full_is_told_once_and_ever_again(tmp_path: Path) -> None:
    file = DirectFile(tmp_path / "bag.mcap")
    for descriptor in (file._file, file._direct):
        if descriptor is not None:
            os.close(descriptor)
    file._file, file._direct = os.open("/dev/full", os.O_WRONLY), None
    with pytest.raises(OSError, match="No space left") as raised:
        file.write(bytes(5 * 2**20))
    assert raised.value.errno == errno.ENOSPC
    os.close(file._file)
    file._file = os.open(os.devnull, os.O_WRONLY)  # there is room again, but bytes are missing
    with pytest.raises(OSError, match="No space left"):
        file.write(b"more")
    with pytest.raises(OSError, match="No space left"):
        file.push()
    file.close()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "bag.mcap").write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        DirectFile(tmp_path / "bag.mcap")
    assert (tmp_path / "bag.mcap").read_bytes() == b"kept"
