"""An object store that is a folder: local, mounted, or on a disk that travels."""

import ctypes
import fcntl
import hashlib
import itertools
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from rig_capture.delivery.copier import make_file, tag, write_all
from rig_capture.delivery.copier_pool import CopierPool
from rig_capture.delivery.errors import ObjectStoreError
from rig_capture.delivery.store import StoredObject
from rig_capture.delivery.transfer import Payload, Transfer
from rig_capture.disks import is_on_network

INCOMING = ".incoming"
"""Holds a folder of files on their way for each process, locked by it, so that what a killed one left can be told."""

_libc = ctypes.CDLL(None, use_errno=True)

_BLOCK = 2**20
_SETTLE_S = 0.5
"""How often what was written so far is brought to the disk, beside what is written on."""
_MANY = 200
"""Small files between two flushes, from which on it pays to start processes that copy them."""
_FICLONE = 0x40049409
"""ioctl: the file shares its blocks with another (btrfs, XFS, bcachefs)."""


class FolderStore:
    """Keys are paths below a root. Objects appear by rename; `flush` makes all of them durable at once, which costs far less."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._waits = is_on_network(root)
        self._lock = threading.Lock()
        self._incoming: _Incoming | None = None
        self._settler = ThreadPoolExecutor(1, thread_name_prefix="settle")
        self._settled: Future[None] | None = None
        self._settle_at = 0.0
        self._may_share = True
        self._small = 0
        self._copiers = CopierPool()

    @property
    def url(self) -> str:
        return self._root.as_uri()

    @property
    def waits(self) -> bool:
        return self._waits

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
        if payload.size <= _BLOCK:
            data = payload.read()
            transfer.advance(len(data), len(data))
            return self._arrive(key, lambda file: write_all(file, memoryview(data)))
        with payload.open() as source:
            return self._arrive(key, lambda file: self._copy(source, file, payload, transfer))

    def put_small(self, files: Sequence[tuple[Payload, str]], transfer: Transfer) -> Sequence[StoredObject | None]:
        with self._lock:
            self._small += len(files)
            if self._small < _MANY or not self._copiers.usable:
                return [None] * len(files)
        transfer.advance(sum(payload.size for payload, _ in files), 0)
        try:
            incoming = self._open_incoming()
        except OSError:
            return [None] * len(files)  # a put of one of them says it, with its name
        jobs = [(payload.path, payload.size, payload.sha256, incoming.new_name(), f"{self._root}/{key}") for payload, key in files]
        etags = self._copiers.copy(jobs)
        self._settle()
        return [StoredObject(key, payload.size, etag) if etag else None for (payload, key), etag in zip(files, etags, strict=True)]

    def flush(self) -> None:
        self._copiers.close()
        self._small = 0
        try:
            self._close_incoming()
            settled, self._settled = self._settled, None
            if settled is not None:
                settled.result()
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
        """Nothing stays open, so that a disk may be unmounted."""
        self._copiers.close()
        self._settler.shutdown()
        self._close_incoming()

    def _stored(self, path: Path) -> StoredObject:
        status = path.stat()
        return StoredObject(path.relative_to(self._root).as_posix(), status.st_size, tag(status))

    def _open_incoming(self) -> "_Incoming":
        if (incoming := self._incoming) is not None:
            return incoming
        with self._lock:
            if self._incoming is None:
                self._incoming = _Incoming(self._root / INCOMING)
                self._settle_at = time.monotonic() + _SETTLE_S
            return self._incoming

    def _close_incoming(self) -> None:
        with self._lock:
            if self._incoming is not None:
                self._incoming.close()
                self._incoming = None

    def _arrive(self, key: str, fill: Callable[[int], None]) -> StoredObject:
        """Makes an object of what `fill` writes to a descriptor; where that raises, nothing is left."""
        target = f"{self._root}/{key}"
        try:
            temporary = self._open_incoming().new_name()
            status = make_file(temporary, target, fill)
        except OSError as error:
            raise ObjectStoreError(key, f"{target}: can't be written: {error.strerror}") from error
        self._settle()
        return StoredObject(key, status.st_size, tag(status))

    def _settle(self) -> None:
        """Now and then begins to bring to the disk what is there, so that progress means something and little is left for the end."""
        if time.monotonic() < self._settle_at:
            return
        with self._lock:
            settled = self._settled
            # What a disk could not take the system tells but once: that is kept for the flush.
            if time.monotonic() < self._settle_at or (settled is not None and (not settled.done() or settled.exception() is not None)):
                return
            self._settled = self._settler.submit(_sync_file_system, self._root)
            self._settle_at = time.monotonic() + _SETTLE_S

    def _copy(self, source: BinaryIO, target: int, payload: Payload, transfer: Transfer) -> None:
        """Copies a large file; raises where its bytes are not those of the payload."""
        # What one file system could not do for one file, it can't do for the next.
        self._may_share = self._may_share and _clone(source, target)
        payload.check(*_copy(source, None if self._may_share else target, transfer))


class _Incoming:
    """A new locked folder for files on their way."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        self._numbers = itertools.count()
        while True:
            self._path = parent / secrets.token_hex(8)
            self._path.mkdir()
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            # Another process may have swept it away between creation and lock.
            if self._path.exists():
                return
            os.close(self._descriptor)

    def new_name(self) -> str:
        """A path for a new file."""
        return f"{self._path}/{next(self._numbers)}"

    def close(self) -> None:
        """Removes the folder, which is empty again, and lets go of it."""
        os.close(self._descriptor)
        shutil.rmtree(self._path, ignore_errors=True)


def _copy(source: BinaryIO, target: int | None, transfer: Transfer) -> tuple[str, int]:
    """Copies and hashes in one pass; without target, where the file system shares the blocks, it only hashes.

    Returns:
        SHA-256 (hex) and size in bytes of what was copied.
    """
    digest, size = hashlib.sha256(), 0
    block = memoryview(bytearray(_BLOCK))
    while count := source.readinto(block):  # type: ignore[attr-defined]
        size += count
        transfer.advance(count, size)
        digest.update(block[:count])
        if target is not None:
            write_all(target, block[:count])
    return digest.hexdigest(), size


def _clone(source: BinaryIO, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source.fileno())
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
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
