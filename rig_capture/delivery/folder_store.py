"""An object store that is a folder: local, mounted, or on a disk that travels."""

import ctypes
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rig_capture.delivery.errors import ObjectStoreError
from rig_capture.delivery.store import StoredObject
from rig_capture.delivery.transfer import Payload, Transfer

INCOMING = ".incoming"
"""Holds files on their way; each is locked by who writes it, so that what a killed process left can be told."""

_libc = ctypes.CDLL(None, use_errno=True)

_BLOCK = 2**20
_FICLONE = 0x40049409
"""ioctl: the file shares its blocks with another (btrfs, XFS, bcachefs)."""


class FolderStore:
    """Keys are paths below a root. Objects appear by rename; `flush` makes all of them durable at once, which costs far less."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / INCOMING
        self._swept = False

    @property
    def url(self) -> str:
        return self._root.as_uri()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        def fail(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise ObjectStoreError(prefix, f"{self._root / prefix}: can't be listed: {error.strerror}") from error

        for folder, folders, names in os.walk(self._root / prefix, onerror=fail):
            folders[:] = (name for name in folders if name != INCOMING)
            for name in names:
                yield self._stored(Path(folder, name))

    def reader(self) -> Callable[[str], Iterator[StoredObject]]:
        return self.list

    def give_up_unfinished(self, prefix: str, is_there: Callable[[str], bool]) -> None:
        """Nothing to do: what a killed process left is removed by the next put."""

    def holds(self, payload: Payload, stored: StoredObject) -> bool:
        if stored.size != payload.size:
            return False
        try:
            with (self._root / stored.key).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == payload.sha256
        except OSError as error:
            raise ObjectStoreError(stored.key, f"{self._root / stored.key}: can't be read: {error.strerror}") from error

    def put(self, payload: Payload, key: str, transfer: Transfer) -> StoredObject:
        target = self._root / key
        with payload.open() as source:
            try:
                with self._temporary() as (temporary, file):
                    digest, size = _copy(source, file, payload.size, transfer)
                    payload.check(digest, size)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    temporary.replace(target)
                return self._stored(target)
            except OSError as error:
                raise ObjectStoreError(key, f"{target}: can't be written: {error.strerror}") from error

    def flush(self) -> None:
        try:
            _sync_file_system(self._root)
        except OSError as error:
            raise ObjectStoreError("", f"{self._root}: can't be made durable: {error.strerror}") from error

    def get(self, key: str) -> bytes:
        try:
            return (self._root / key).read_bytes()
        except OSError as error:
            raise ObjectStoreError(key, f"{self._root / key}: can't be read: {error.strerror}") from error

    def interrupt(self) -> None:
        """Nothing here waits for another side."""

    def close(self) -> None:
        """Nothing is held open."""

    def _stored(self, path: Path) -> StoredObject:
        status = path.stat()
        return StoredObject(path.relative_to(self._root).as_posix(), status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}")

    @contextmanager
    def _temporary(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new locked file in the incoming folder; it is gone afterwards unless it was renamed."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            _sweep(self._incoming)
        path, file = self._create()
        try:
            with file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def _create(self) -> tuple[Path, BinaryIO]:
        while True:
            path = self._incoming / secrets.token_hex(8)
            file = path.open("xb", buffering=0)
            fcntl.flock(file, fcntl.LOCK_EX)
            # Another process may have swept it away between creation and lock.
            if os.fstat(file.fileno()).st_nlink:
                return path, file
            file.close()


def _copy(source: BinaryIO, target: BinaryIO, expected: int, transfer: Transfer) -> tuple[str, int]:
    """Copies and hashes in one pass; where the file system can share blocks, nothing is copied, and what is there is hashed.

    Returns:
        SHA-256 (hex) and size in bytes of what was copied.
    """
    shared = _clone(source, target)
    digest, size = hashlib.sha256(), 0
    block = memoryview(bytearray(min(_BLOCK, expected + 1)))
    while count := source.readinto(block):  # type: ignore[attr-defined]
        size += count
        transfer.advance(count, size)
        digest.update(block[:count])
        if not shared:
            written = 0
            while written < count:
                written += target.write(block[written:count])
    return digest.hexdigest(), size


def _clone(source: BinaryIO, target: BinaryIO) -> bool:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        # Of many kinds (other file system, not supported, no file at all), and copying is the answer to each.
        return False
    return True


def _sync_file_system(folder: Path) -> None:
    """Makes everything on a folder's file system durable. Python itself offers only that of all file systems."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _sweep(incoming: Path) -> None:
    """Removes what killed processes left."""
    for path in incoming.iterdir():
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue
