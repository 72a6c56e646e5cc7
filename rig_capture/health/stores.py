"""Where the log of events is kept: rotating files of JSON lines, or an SQLite database; and how either is read."""

import contextlib
import heapq
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Protocol

from rig_capture.health.events import LARGEST_LINE, Event, EventError
from rig_capture.health.problems import OpenProblems

StillOpen = Callable[[], Iterable[Event]]
"""Events of the problems that are open: written again where older ones go, so that the log never forgets what is open."""

_WAL_PAGES = 64
"""Pages (of 4 kB) of a database's journal, beside its own size."""
LINES = "health.jsonl"
DATABASE = "health.db"


Identity = tuple[int, int, bytes]


class Store(Protocol):
    """A log that keeps within its size. For one thread."""

    def write(self, event: Event, still_open: StillOpen) -> None:
        """Appends an event. Raises OSError, sqlite3.Error; what was written before can be read."""

    def close(self) -> None:
        """Closes files; the next `write` opens them again."""


class LineStore:
    """`health.jsonl`, then `health.jsonl.1` and so on, the oldest last."""

    def __init__(self, folder: Path, max_bytes: int, files: int) -> None:
        """Opens nothing yet.

        Args:
            folder: is made where it is missing.
            max_bytes: most of one file.
            files: how many there are at most.
        """
        self._folder, self._max_bytes, self._files = folder, max_bytes, files
        self._path = folder / LINES
        self._file: BinaryIO | None = None
        self._size = 0

    def write(self, event: Event, still_open: StillOpen) -> None:
        line = event.line().encode() + b"\n"
        try:
            if self._file is None:
                self._open()
            if self._size and self._size + len(line) > self._max_bytes:
                self._rotate(still_open)
            self._append(line)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Without a buffer: what was not written is not kept for later, when it would come out of order.
        self._file = self._path.open("ab", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        if self._size and not _ends_whole(self._path):
            self._append(b"\n")

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        while data:
            done = self._file.write(data)
            self._size += done
            data = data[done:]

    def _rotate(self, still_open: StillOpen) -> None:
        self.close()
        for number in range(self._files - 1, 0, -1):
            newer = self._path if number == 1 else _rotated(self._path, number - 1)
            if newer.exists():
                newer.replace(_rotated(self._path, number))
        if self._files == 1:
            self._path.unlink()
        self._open()
        for event in still_open():
            self._append(event.line().encode() + b"\n")


class DatabaseStore:
    """`health.db`: one table; the oldest rows go where it would grow beyond its size."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Opens nothing yet.

        Args:
            folder: is made where it is missing.
            max_bytes: most of the database, give or take what SQLite needs beside.
        """
        self._folder, self._max_bytes = folder, max_bytes
        self._database: sqlite3.Connection | None = None

    def write(self, event: Event, still_open: StillOpen) -> None:
        try:
            if self._database is None:
                self._database = self._open()
            with self._database as database:
                if self._used(database) > self._max_bytes:
                    database.execute("DELETE FROM events WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 4 FROM events)")
                    for each in still_open():
                        _insert(database, each)
                _insert(database, event)
        except sqlite3.Error:
            self.close()
            raise

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        self._folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._folder / DATABASE)
        # A reader does not keep the writer waiting, and the log is no session: a power cut may cost its last events.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        database.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, stamp_ns INTEGER NOT NULL, line TEXT)")
        return database

    @staticmethod
    def _used(database: sqlite3.Connection) -> int:
        (pages,), (free,), (size,) = (
            database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


class LogReader:
    """Reads the log of a folder, from its beginning and then what is added, whichever way it is kept. For one thread."""

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet; the log need not be there."""
        self._folder = folder
        self._positions: dict[Identity, int] = {}
        self._last_row = 0
        self.problems = OpenProblems()
        """Those that are open by what was read so far."""
        self.torn = 0
        """Lines that are no events, such as one that a crash broke off."""

    def new(self) -> list[Event]:
        """Events that were added since the last call, oldest first; each once, though those still open may be written again.

        Raises:
            OSError, sqlite3.Error: the log can't be read.
        """
        both = heapq.merge(self._lines(), self._rows(), key=lambda event: event.stamp_ns)
        return [event for event in both if self.problems.see(event)]

    def _lines(self) -> Iterator[Event]:
        before, self._positions = self._positions, {}
        with contextlib.ExitStack() as opened:
            for file in reversed(list(self._open_all(opened))):
                yield from self._parsed(self._added_lines(file, before))

    def _open_all(self, opened: contextlib.ExitStack) -> Iterator[BinaryIO]:
        """All files, newest first. They may move on from name to name meanwhile; in this order none is missed."""
        newest, known = self._folder / LINES, set()
        numbers = [int(old.suffix[1:]) for old in self._folder.glob(f"{LINES}.[0-9]*")]
        for number in range(max(numbers, default=0) + 2):
            path = _rotated(newest, number) if number else newest
            if not path.is_file():
                continue
            with contextlib.suppress(FileNotFoundError):  # just moved on: it is the next one
                file = opened.enter_context(path.open("rb"))
                if (identity := _identity(file)) not in known:
                    known.add(identity)
                    yield file

    def _added_lines(self, file: BinaryIO, before: dict[Identity, int]) -> Iterator[bytes]:
        identity = _identity(file)
        position = file.seek(before.get(identity, 0))
        while line := file.readline(LARGEST_LINE):
            if not line.endswith(b"\n") and len(line) < LARGEST_LINE:
                break
            position += len(line)
            yield line
        self._positions[identity] = position

    def _rows(self) -> Iterator[Event]:
        path = self._folder / DATABASE
        if not path.exists():
            return
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT id, line FROM events WHERE id > ? ORDER BY id", (self._last_row,)).fetchall()
        self._last_row = found[-1][0] if found else self._last_row
        yield from self._parsed(line for _, line in found)

    def _parsed(self, lines: Iterable[str | bytes]) -> Iterator[Event]:
        for line in lines:
            try:
                yield Event.parse(line)
            except EventError:
                self.torn += 1


def _insert(database: sqlite3.Connection, event: Event) -> None:
    database.execute("INSERT INTO events (stamp_ns, line) VALUES (?, ?)", (event.stamp_ns, event.line()))


def _identity(file: BinaryIO) -> Identity:
    """What a file is known by, whatever it is called. Numbers of removed files are used again, so its beginning counts too."""
    state = os.fstat(file.fileno())
    identity = state.st_dev, state.st_ino, file.readline(LARGEST_LINE)
    file.seek(0)
    return identity


def _rotated(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
