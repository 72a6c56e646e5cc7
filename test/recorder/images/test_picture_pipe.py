"""Pictures through a pipe: the same bytes, kept until they are read, also where the system can't refer to our memory."""

import ctypes
import errno
import gc
import os
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from rig_capture.recorder.images import picture_pipe
from rig_capture.recorder.images.picture_pipe import PicturePipe, PipeStuck

Pipe = tuple[int, int]
SIZES = [1, 100, 4096, 5000, 460_800, 2_764_800, 7]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture(params=["as it is here", "without vmsplice", "forbidden"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*_: object) -> int:
        ctypes.set_errno(errno.ENOSYS)
        return -1

    if request.param != "as it is here":
        monkeypatch.setattr(picture_pipe, "_vmsplice", refuse if request.param == "forbidden" else None)
    return str(request.param)


def picture(seed: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


@pytest.mark.usefixtures("system")
def test_all_bytes_arrive_in_order_also_where_the_memory_is_used_for_something_else_at_once(pipe: Pipe) -> None:
    reader, writer = pipe
    sizes = SIZES * 4
    arrived = bytearray()

    def read() -> None:
        while len(arrived) < sum(sizes):
            arrived.extend(os.read(reader, 65_536))

    thread = threading.Thread(target=read)
    thread.start()
    pictures = PicturePipe(writer, 10)
    for seed, size in enumerate(sizes):
        pictures.write(picture(seed, size))
        np.full(size, 255, np.uint8)  # takes the memory that has become free
    thread.join()
    assert bytes(arrived) == b"".join(picture(seed, size).tobytes() for seed, size in enumerate(sizes))


def test_pictures_are_kept_until_they_are_read_and_no_longer(pipe: Pipe) -> None:
    reader, writer = pipe
    pictures = PicturePipe(writer, 10)
    first, second = picture(1, 50_000), picture(2, 50_000)
    seen = weakref.ref(first)
    pictures.write(first)
    del first
    gc.collect()
    assert (seen() is not None) or picture_pipe._vmsplice is None
    assert os.read(reader, 50_000) == picture(1, 50_000).tobytes()
    pictures.write(second)
    gc.collect()
    assert seen() is None
    assert os.read(reader, 50_000) == second.tobytes()


@pytest.mark.usefixtures("system")
def test_a_reader_that_takes_nothing_is_given_up(pipe: Pipe) -> None:
    pictures = PicturePipe(pipe[1], 0.2)
    with pytest.raises(PipeStuck):
        pictures.write(picture(1, 4 * 2**20))


@pytest.mark.usefixtures("system")
def test_a_reader_that_is_gone_is_told() -> None:
    reader, writer = os.pipe()
    pictures = PicturePipe(writer, 10)
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        pictures.write(picture(1, 100))
    os.close(writer)
