"""What this machine has done for each file it recorded: written, uploaded, registered; and which sessions it removed, and why.

Each file has three states: of its writing (``writing``, ``written``), its upload (``pending``, ``uploading``, ``uploaded``) and its
registration (``pending``, ``registering``, ``registered``).

The ledger is a note for people and for `rig sessions`, which have no store at hand. What is to be done is decided by disk, store and
catalog; a ledger that is lost costs nothing but this knowledge.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict

from rig_capture.delivery.errors import DeliveryError
from rig_capture.session.manifest import Manifest

logger = logging.getLogger(__name__)

_BUSY_S = 10.0

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE recordings (
        name TEXT PRIMARY KEY, recording_hash TEXT NOT NULL, registration TEXT NOT NULL, error TEXT NOT NULL, changed_at REAL NOT NULL
    );
    CREATE TABLE files (
        recording TEXT NOT NULL REFERENCES recordings (name) ON DELETE CASCADE, path TEXT NOT NULL, size INTEGER NOT NULL,
        sha256 TEXT NOT NULL, write TEXT NOT NULL, upload TEXT NOT NULL, registration TEXT NOT NULL, PRIMARY KEY (recording, path)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE removals (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL, reason TEXT NOT NULL, bytes INTEGER NOT NULL, proof TEXT NOT NULL, at REAL NOT NULL,
        state TEXT NOT NULL
    );
    """,
)
"""From each version to the next; `PRAGMA user_version` counts them."""


class LedgerError(DeliveryError):
    """A ledger that can't be used."""


class LedgerEntry(BaseModel):
    """One session of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The session's folder."""
    registration: str
    """pending or registered."""
    files: int
    files_uploaded: int
    writing: int = 0
    """Files that were not complete when they were last looked at."""
    error: str
    """Why the last try failed."""

    @property
    def text(self) -> str:
        """In a few words."""
        if self.registration == "registered":
            return "delivered"
        if self.writing:
            return "being written"
        return f"{self.files_uploaded} of {self.files} files uploaded{', failed' if self.error else ''}"


class Removal(BaseModel):
    """A session that was removed from this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The session's folder."""
    reason: str
    bytes: int
    proof: str
    """What was found in store and catalog just before."""
    at: datetime
    """UTC."""
    state: str
    """removed; or removing, where the removal was interrupted or failed, and is finished at the recorder's next start."""


class Ledger:
    """An open ledger. Safe from many threads and processes; what was told is there after a kill at any moment."""

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Opens or makes it, and brings its schema up to date, all or nothing; its data stay.

        Args:
            path: of the file.
            migrations: SQL from each version to the next.

        Raises:
            LedgerError: it can't be used, and is as it was.
        """
        self._path = path
        self._lock = threading.Lock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with self._errors():
                self._connection.execute("PRAGMA foreign_keys=ON")
                self._migrate(migrations)
                self._connection.execute("PRAGMA journal_mode=WAL")
                # After a power cut the last notes may be missing, which is no harm; after a kill none is.
                self._connection.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def writing(self, name: str, recording_hash: str, sizes: dict[str, int]) -> None:
        """A session is being recorded; its files so far, with their bytes. Raises LedgerError."""
        rows = [(name, path, size) for path, size in sizes.items()]
        with self._transaction() as connection:
            self._begin(connection, name, recording_hash)
            connection.executemany(
                "INSERT INTO files VALUES (?, ?, ?, '', 'writing', 'pending', 'pending') "
                "ON CONFLICT DO UPDATE SET size = excluded.size, sha256 = '', "
                "write = 'writing', upload = 'pending', registration = 'pending'",
                rows,
            )

    def written(self, name: str, manifest: Manifest) -> None:
        """A complete session is on disk; what is known of files that did not change stays. Raises LedgerError."""
        rows = [(name, entry.path, entry.size, entry.sha256) for entry in manifest.files]
        with self._transaction() as connection:
            self._begin(connection, name, manifest.recording_hash)
            # Such as a lock or a temporary file that was there while the session was written.
            connection.execute("DELETE FROM files WHERE recording = ? AND write = 'writing'", (name,))
            connection.executemany(
                "INSERT INTO files VALUES (?, ?, ?, ?, 'written', 'pending', 'pending') "
                "ON CONFLICT DO UPDATE SET registration = 'pending', write = 'written', "
                "upload = CASE sha256 WHEN excluded.sha256 THEN upload ELSE 'pending' END, size = excluded.size, sha256 = excluded.sha256",
                rows,
            )

    def uploading(self, name: str, path: str) -> None:
        """A file is on its way to the store. Raises LedgerError."""
        self._set_upload(name, path, "uploading")

    def uploaded(self, name: str, path: str) -> None:
        """A file is in the store. Raises LedgerError."""
        self._set_upload(name, path, "uploaded")

    def registering(self, name: str) -> None:
        """All files of a session are in the store, and the catalog is being told. Raises LedgerError."""
        with self._transaction() as connection:
            connection.execute("UPDATE files SET upload = 'uploaded', registration = 'registering' WHERE recording = ?", (name,))
            connection.execute("UPDATE recordings SET registration = 'registering' WHERE name = ?", (name,))

    def registered(self, name: str) -> None:
        """The session is in the catalog, all its files in the store. Raises LedgerError."""
        with self._transaction() as connection:
            connection.execute("UPDATE files SET upload = 'uploaded', registration = 'registered' WHERE recording = ?", (name,))
            connection.execute(
                "UPDATE recordings SET registration = 'registered', error = '', changed_at = ? WHERE name = ?", (time.time(), name)
            )

    def failed(self, name: str, error: str) -> None:
        """A try ended with an error. Raises LedgerError."""
        with self._transaction() as connection:
            connection.execute("UPDATE recordings SET error = ?, changed_at = ? WHERE name = ?", (error, time.time(), name))

    def removing(self, name: str, reason: str, count: int, proof: str) -> None:
        """A session of `count` bytes is about to be removed; told before, so that none ever goes untold. Outlasts a power cut.

        Raises:
            LedgerError: nothing was noted.
        """
        with self._lock, self._errors():
            self._connection.execute("PRAGMA synchronous=FULL")
        row = (name, reason, count, proof, time.time())
        with self._transaction() as connection:
            connection.execute("INSERT INTO removals (name, reason, bytes, proof, at, state) VALUES (?, ?, ?, ?, ?, 'removing')", row)

    def removed(self, name: str) -> None:
        """A removal is over. Raises LedgerError."""
        with self._transaction() as connection:
            connection.execute("UPDATE removals SET state = 'removed' WHERE name = ?", (name,))

    def removals(self) -> list[Removal]:
        """All removals, oldest first. Raises LedgerError."""
        with self._lock, self._errors():
            rows = self._connection.execute("SELECT name, reason, bytes, proof, at, state FROM removals ORDER BY number").fetchall()
        return [
            Removal(name=name, reason=reason, bytes=count, proof=proof, at=datetime.fromtimestamp(at, UTC), state=state)
            for name, reason, count, proof, at, state in rows
        ]

    def states(self, name: str) -> dict[str, tuple[str, str, str]]:
        """Write, upload and registration state of each file of a session, by path. Raises LedgerError."""
        with self._lock, self._errors():
            query = "SELECT path, write, upload, registration FROM files WHERE recording = ? ORDER BY path"
            return {path: (write, upload, told) for path, write, upload, told in self._connection.execute(query, (name,))}

    def entries(self) -> dict[str, LedgerEntry]:
        """All sessions by name. Raises LedgerError."""
        query = (
            "SELECT name, recordings.registration, count(path), sum(upload = 'uploaded'), sum(write = 'writing'), error "
            "FROM recordings LEFT JOIN files ON recording = name GROUP BY name"
        )
        with self._lock, self._errors():
            rows = self._connection.execute(query).fetchall()
        return {
            name: LedgerEntry(
                name=name, registration=registration, files=files, files_uploaded=uploaded or 0, writing=writing or 0, error=error
            )
            for name, registration, files, uploaded, writing, error in rows
        }

    @staticmethod
    def _begin(connection: sqlite3.Connection, name: str, recording_hash: str) -> None:
        connection.execute(
            "INSERT INTO recordings VALUES (?, ?, 'pending', '', ?) ON CONFLICT DO UPDATE SET registration = 'pending', "
            "recording_hash = excluded.recording_hash, changed_at = excluded.changed_at",
            (name, recording_hash, time.time()),
        )

    def _set_upload(self, name: str, path: str, state: str) -> None:
        with self._transaction() as connection:
            connection.execute("UPDATE files SET upload = ? WHERE recording = ? AND path = ?", (state, name, path))

    def _migrate(self, migrations: Sequence[str]) -> None:
        version = self._version()
        if version == len(migrations):
            return
        if 0 < version < len(migrations):
            self._back_up(version)
        # Under the write lock, so that of many processes one does it.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            version = self._version()
            if version > len(migrations):
                raise LedgerError(f"{self._path}: has schema {version}, this software knows {len(migrations)}; update rig_capture")
            for step in migrations[version:]:
                for statement in filter(str.strip, step.split(";")):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(migrations)}")
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _back_up(self, version: int) -> None:
        """A copy of the ledger as it is, beside it; should a migration spoil what it says, it is moved back."""
        copy, backup = (self._path.with_name(f"{self._path.name}.v{version}.{end}") for end in (f"{os.getpid()}.tmp", "backup"))
        copy.unlink(missing_ok=True)
        self._connection.execute("VACUUM INTO ?", (str(copy),))
        os.replace(copy, backup)

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"ledger {self._path}: {error}; it is as it was. It only notes what was done: move it away, and a new one is made "
                f"(copies from before changes of its schema lie beside it, as {self._path.name}.v*.backup)"
            ) from error


class Notes:
    """A ledger that never stops the work: its first error is logged, and nothing is noted from then on. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ledger: Ledger | None = None
        self._broken = False

    def note(self, write: Callable[[Ledger], None]) -> None:
        """Notes something, where that can be done."""
        if self._broken:
            return
        try:
            if self._ledger is None:
                self._ledger = Ledger(self._path)
            write(self._ledger)
        except LedgerError as error:
            self._broken = True
            logger.warning("nothing is noted from now on: %s", error)

    def close(self) -> None:
        """Ends the connection."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


def read_entries(path: Path) -> dict[str, LedgerEntry]:
    """All sessions of a ledger by name; none where there is no ledger. Raises LedgerError."""
    if not path.exists():
        return {}
    with Ledger(path) as ledger:
        return ledger.entries()


def read_removals(path: Path) -> list[Removal]:
    """All removals of a ledger, oldest first; none where there is no ledger. Raises LedgerError."""
    if not path.exists():
        return []
    with Ledger(path) as ledger:
        return ledger.removals()
