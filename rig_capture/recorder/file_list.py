"""The files that a recording has closed: made durable by their writers, hashed in a thread of their own while recording goes on."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rig_capture.recorder.files import FinishedFile, sync_file
from rig_capture.recorder.finishing.finishing import ClosedFile, hashed_entry
from rig_capture.recorder.finishing.interrupt import BrokenOff
from rig_capture.session.manifest import FileEntry


class FileList:
    """Takes files from writers' threads until `end`; a large one never keeps its writer from the next."""

    def __init__(self, session: Path, on_hashed: Callable[[FileEntry], None], on_failure: Callable[[BaseException], None]) -> None:
        """Holds nothing yet.

        Args:
            session: its folder.
            on_hashed: told of each file, in the hashing thread.
            on_failure: told what went wrong there, in the same thread.
        """
        self._session = session
        self._on_hashed, self._on_failure = on_hashed, on_failure
        self._closed: list[FinishedFile] = []
        self._entries: dict[Path, FileEntry] = {}
        self._ending = threading.Event()
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="hash")

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """Of all files that are hashed, by path."""
        return tuple(sorted(self._entries.values(), key=lambda entry: entry.path))

    def add(self, file: FinishedFile) -> None:
        """Takes a file that its writer has closed, and makes it durable. Raises OSError."""
        sync_file(file.path)
        self._closed.append(file)
        self._hashing.submit(self._hash, file)

    def end(self) -> tuple[ClosedFile, ...]:
        """Breaks off the hashing and joins; returns the files whose hash is still to be taken."""
        self._ending.set()
        self._hashing.shutdown(wait=True, cancel_futures=True)
        return tuple(ClosedFile.of(file, self._session) for file in self._closed if file.path not in self._entries)

    def _hash(self, file: FinishedFile) -> None:
        try:
            entry = hashed_entry(file, self._session, self._ending.is_set)
            self._entries[file.path] = entry
            self._on_hashed(entry)
        except BrokenOff:
            return
        except Exception as failure:  # noqa: BLE001  # carried to the owner
            self._on_failure(failure)
