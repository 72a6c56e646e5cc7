"""Lines of log files as they come, across rotation."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO


class FollowedFile:
    """A file that another process appends to, and moves away when it is full. It need not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._partial = b""

    def lines(self) -> Iterator[str]:
        """Whole lines that were added since the last call."""
        if self._file is None:
            self._open()
        while self._file is not None:
            moved = self._moved()  # asked first: what is written before the move is still read below
            self._partial += self._file.read()
            *whole, self._partial = self._partial.split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
            if not moved:
                return
            self._file.close()
            self._file = None
            self._open()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        if self.path.exists():
            self._file = self.path.open("rb")

    def _moved(self) -> bool:
        assert self._file is not None
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False  # between being moved and made anew
        here = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (here.st_dev, here.st_ino)


class Follower:
    """The log files of several processes."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._files = {name: FollowedFile(path) for name, path in paths.items()}

    def lines(self) -> Iterator[tuple[str, str]]:
        """New lines, each with the name of its process."""
        for name, file in self._files.items():
            for line in file.lines():
                yield name, line

    def close(self) -> None:
        """Closes all files."""
        for file in self._files.values():
            file.close()


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file; none where it is missing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200 * count))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
