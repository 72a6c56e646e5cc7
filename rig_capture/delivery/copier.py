"""Small files copied one after the other, and a program that does it in a process of its own: `python -I -S copier.py`.

The program is started by `copiers`, takes batches of jobs from standard input until it is closed, and writes to standard output what
became of each batch. What can't be copied, for whatever reason, is left to the one who asked, who finds the reason by doing it himself.
This file imports nothing that takes time to import.
"""

import hashlib
import marshal
import os
import stat
import sys

Job = tuple[str, int, str, str, str]
"""Source, its size in bytes, its SHA-256 (hex), the name of the copy while it is written, and its name afterwards."""


def copy(job: Job) -> str:
    """Copies one file; its copy appears whole, and only if it has the expected bytes. The copy's tag, empty where there is none."""
    source, size, sha256, temporary, target = job
    try:
        data = _read(source, size)
        if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
            return ""
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError:
        return ""
    try:
        try:
            if os.write(descriptor, data) != size:
                raise OSError
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        move(temporary, target)
    except OSError:
        _remove(temporary)
        return ""
    return tag(status)


def move(temporary: str, target: str) -> None:
    """Gives a file its name, in a folder that is made where it is missing. Raises OSError."""
    try:
        os.replace(temporary, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(temporary, target)


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
