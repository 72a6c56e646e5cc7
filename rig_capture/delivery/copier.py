"""Small files copied one after the other, and a program that does it in a process of its own: `python -I -S copier.py`.

The program is started by `copier_pool`, takes batches of jobs from standard input until it is closed, and writes to standard output what
became of each batch. What can't be copied, for whatever reason, is left to the one who asked, who finds the reason by doing it himself.
This file imports nothing that takes time to import.
"""

import hashlib
import marshal
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing's, which takes long to import
    from collections.abc import Callable

Job = tuple[str, int, str, str, str]
"""Source, its size in bytes, its SHA-256 (hex), the name of the copy while it is written, and its name afterwards."""


def copy(job: Job) -> str:
    """Copies one file; its copy appears whole, and only if it has the expected bytes. The copy's tag, empty where there is none."""
    source, size, sha256, temporary, target = job
    try:
        data = _read(source, size)
        if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
            return ""
        return tag(make_file(temporary, target, lambda file: write_all(file, memoryview(data))))
    except OSError:
        return ""


def make_file(temporary: str, target: str, fill: "Callable[[int], None]") -> os.stat_result:
    """Makes a file that appears whole, in a folder that is made where it is missing; where `fill` raises, nothing is left.

    Args:
        temporary: its name while it is written, on the same file system.
        target: its name afterwards.
        fill: writes to a descriptor.

    Raises:
        OSError: it can't be made.
        Exception: what `fill` raised.
    """
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            fill(descriptor)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        _move(temporary, target)
    except BaseException:
        _remove(temporary)
        raise
    return status


def write_all(target: int, data: memoryview) -> None:
    """Writes all bytes to a descriptor. Raises OSError."""
    while data:
        data = data[os.write(target, data) :]


def tag(status: os.stat_result) -> str:
    """What changes whenever a file is made anew."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _read(source: str, size: int) -> bytes:
    # Not blocking, so that a pipe put in a file's place can't hold us.
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(descriptor, size + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _move(temporary: str, target: str) -> None:
    try:
        os.replace(temporary, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(temporary, target)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it lies among the files on their way, and goes with them


def main() -> None:
    """Works until standard input is closed, as it also is by the end of the one who asks."""
    while True:
        try:
            jobs = marshal.load(sys.stdin.buffer)  # noqa: S302  # of the process that started this one
        except EOFError:
            return
        marshal.dump([copy(job) for job in jobs], sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
