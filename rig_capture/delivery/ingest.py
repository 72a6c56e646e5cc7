"""The one way into store and catalog, for the uploader node and for `rig ingest`.

A session's files go up, then, once they are durable, its manifest, then the catalog is told. Whatever ends it in between, the
next ingest of the same session moves what is missing. Nothing of the session is changed.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rig_capture.delivery import keys
from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.credentials import load_credentials
from rig_capture.delivery.errors import TransferStopped, WritesNotEnabled
from rig_capture.delivery.plan import Plan, PlannedFile, make_plan
from rig_capture.delivery.progress import EVENT_BYTES, ProgressCallback, ProgressCounter
from rig_capture.delivery.rows import FileRow, RecordingRow
from rig_capture.delivery.store import ObjectStore, StoredObject, open_store
from rig_capture.delivery.transfer import Brake, Throttle, Transfer
from rig_capture.profiles.places import catalog_url
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import Manifest

logger = logging.getLogger(__name__)

WRITE_ROLES = frozenset({"assets_rw", "raw_rw"})
"""raw_rw: objects may be put; assets_rw: the catalog may be written."""

_LONGEST_PARTICIPANT = 200
_SMALL = 2**20
"""Bytes. Files up to this are put by a thread for each core, a handful at a time, where the store waits for nobody."""
_CORES = len(os.sched_getaffinity(0))
_HANDFUL = 32
"""Small files that a thread takes at once."""


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did."""

    recording: RecordingRow | None
    """The recording with all its nodes so far; None where paused."""
    files_uploaded: int
    """Of those the manifest lists; the manifest itself is not counted."""
    files_skipped: int
    """Were there already, with the same bytes."""
    bytes_uploaded: int
    """Of the files uploaded."""
    paused: bool = False
    """`is_active` asked to back off; nothing was registered, and what went up so far is not sent again."""


class DataInterface:
    """Store and catalog together. Owns and closes both."""

    def __init__(
        self, store: ObjectStore, catalog: Catalog, roles: Iterable[str] = (), *, concurrent_uploads: int = 5, bandwidth_limit: int = 0
    ) -> None:
        """Takes store and catalog over.

        Args:
            store: where objects go.
            catalog: where recordings are registered.
            roles: what may be done; see `enable_writes`.
            concurrent_uploads: files on their way at once.
            bandwidth_limit: bytes per second of all of them together; 0: no limit.
        """
        self.store = store
        self.catalog = catalog
        self._roles = frozenset(roles)
        self._concurrent = concurrent_uploads
        self._throttle = Throttle(bandwidth_limit)
        self._list = store.reader()
        self._finished: set[str] = set()

    @classmethod
    def open(cls, settings: DeliverySettings, roles: Iterable[str] = WRITE_ROLES) -> "DataInterface":
        """Opens what the settings name, with the credentials they point to.

        Raises:
            DeliveryError: credentials, an address, or the catalog can't be used.
        """
        credentials = load_credentials(settings.credentials_file)
        store = open_store(settings, credentials)
        try:
            catalog = Catalog(catalog_url(settings), credentials)
        except BaseException:
            store.close()
            raise
        concurrent = settings.concurrent_uploads if store.waits else settings.threads
        return cls(store, catalog, roles, concurrent_uploads=concurrent, bandwidth_limit=settings.bandwidth_limit)

    def __enter__(self) -> "DataInterface":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes both."""
        self.store.close()
        self.catalog.close()

    def limit_bandwidth(self, bytes_per_s: int) -> None:
        """Another limit from now on, also for what is on its way; 0: none."""
        self._throttle.limit(bytes_per_s)

    def enable_writes(self, roles: Iterable[str]) -> None:
        """Adds roles: ``raw_rw`` to put objects, ``assets_rw`` to write the catalog; `ingest` needs both."""
        self._roles |= frozenset(roles)

    def ingest(
        self,
        *,
        manifest_path: Path,
        source_dir: Path,
        participant: str | None = None,
        progress: ProgressCallback | None = None,
        is_active: Callable[[], bool] | None = None,
    ) -> IngestResult:
        """Brings one node's session into store and catalog.

        Args:
            manifest_path: its ``manifest.json``.
            source_dir: its folder.
            participant: as the operator typed it (`participant_for`); None leaves the recording's as it is.
            progress: called after every quarter of a megabyte and every file, in order, from threads of this ingest.
            is_active: asked up to ten times a second, from threads of this ingest; True means that something more important
                runs, and the ingest ends with ``paused``.

        Raises:
            WritesNotEnabled: a role is missing.
            SessionError: the manifest is missing, of another version, or names what it must not.
            SourceError: the session is not complete, or files are missing or have other bytes.
            ObjectStoreError: naming the key, after retries.
            CatalogError: the catalog can't be reached.
        """
        return self.ingest_plan(make_plan(manifest_path, source_dir), participant, progress, is_active)

    def ingest_plan(
        self,
        plan: Plan,
        participant: str | None = None,
        progress: ProgressCallback | None = None,
        is_active: Callable[[], bool] | None = None,
    ) -> IngestResult:
        """`ingest` of a session that was read already (`make_plan`)."""
        if missing := WRITE_ROLES - self._roles:
            raise WritesNotEnabled(missing)
        known = {row.path: row for row in self.catalog.files(plan.manifest.recording_hash, plan.node)}
        counter = ProgressCounter(plan.manifest.recording_id, plan.total_bytes, len(plan.files), progress)
        run = _Run(self.store, plan, known, counter, self._throttle, Brake(is_active or (lambda: False)))
        try:
            run.files(self._list(plan.prefix), self._concurrent)
            run.manifest()
        except TransferStopped:
            logger.info("%s: paused after %d files", plan.manifest.recording_id, run.uploaded + run.skipped)
            return IngestResult(None, run.uploaded, run.skipped, run.bytes_uploaded, paused=True)
        recording = self.catalog.register(plan.registration(self.store.url, run.stored, participant))
        self._finished.add(plan.prefix)
        return IngestResult(recording, run.uploaded, run.skipped, run.bytes_uploaded)

    def holds(self, manifest: Manifest) -> bool:
        """Whether a session is in store and catalog already, by the catalog's word. Raises CatalogError, UnsafeName.

        Args:
            manifest: with what was added to the session (`with_additions`).
        """
        held = self.catalog.holds(manifest.recording_hash, keys.node_name(manifest), manifest.content_hash or "", self.store.url)
        if held:
            self._finished.add(keys.prefix_of(manifest))
        return held

    def give_up_unfinished(self) -> None:
        """Removes what killed processes left of uploads of sessions that by now are in: it can't be seen among objects, and costs.

        Uploads of other sessions stay; their next ingest goes on with them.

        Raises:
            ObjectStoreError: the store can't be asked.
        """
        self.store.give_up_unfinished(keys.ROOT, lambda key: any(key.startswith(prefix) for prefix in self._finished))


class _Run:
    """The uploads of one ingest."""

    def __init__(
        self, store: ObjectStore, plan: Plan, known: dict[str, FileRow], counter: ProgressCounter, throttle: Throttle, brake: Brake
    ) -> None:
        self.stored: dict[str, StoredObject] = {}
        self.uploaded = self.skipped = self.bytes_uploaded = 0
        self._store, self._plan, self._known = store, plan, known
        self._counter, self._throttle, self._brake = counter, throttle, brake
        self._untold = Transfer(throttle, brake, lambda _: None)
        """Of files so small that they are counted when they are through."""
        self._there: dict[str, StoredObject] = {}
        self._lock = threading.Lock()

    def files(self, there: Iterable[StoredObject], concurrent: int) -> None:
        """Puts what is not there; where one fails, the others stop, and its error is raised."""
        self._brake.check()
        self._there = {stored.key: stored for stored in there}
        with ThreadPoolExecutor(concurrent, thread_name_prefix="upload") as pool:
            # Not one task for each file: of small ones there may be thousands, and each hand-over costs as much as the file itself.
            workers = [pool.submit(self._some, files) for files in self._shares(concurrent)]
            try:
                _, waiting = wait(workers, return_when=FIRST_EXCEPTION)
                if waiting:
                    self._brake.pull()
            except BaseException:
                self._brake.pull()
                raise
        failures = [failure for worker in workers if (failure := worker.exception()) is not None]
        # An error says more than the stops that it caused elsewhere.
        failures.sort(key=lambda failure: isinstance(failure, TransferStopped))
        if failures:
            raise failures[0]

    def _shares(self, concurrent: int) -> list[Iterator[Sequence[PlannedFile]]]:
        """What each thread takes its files from."""
        limit = 0 if self._store.waits else _SMALL
        small = [file for file in self._plan.files if file.payload.size <= limit]
        others = [file for file in self._plan.files if file.payload.size > limit]
        handfuls = iter([small[start : start + _HANDFUL] for start in range(0, len(small), _HANDFUL)])
        single = iter([[file] for file in others])
        return [*[handfuls] * min(concurrent, _CORES), *[single] * min(concurrent, len(others))]

    def manifest(self) -> None:
        """Puts the manifest, which says that all it names is there."""
        payload, key = self._plan.manifest_payload, self._plan.manifest_key
        there = self._there.get(key)
        if there is None or not self._store.holds(payload, there):
            self._store.flush()
            self._store.put(payload, key, self._untold)
            self._store.flush()

    def _some(self, shares: Iterator[Sequence[PlannedFile]]) -> None:
        """Puts files until none is left, beside other threads that take from the same."""
        while True:
            with self._lock:
                files = next(shares, ())
            if not files:
                return
            for file, stored in zip(files, self._together(files), strict=True):
                if stored is None:
                    done, put = self._file(file)
                else:
                    done, put = stored, True
                    self._counter.finished(file.entry.path, file.payload.size)
                with self._lock:
                    self._count(file, done, put)

    def _together(self, files: Sequence[PlannedFile]) -> Sequence[StoredObject | None]:
        """Puts what the store can of several files at once; None for the others."""
        self._brake.check()
        if len(files) == 1 or any(file.key in self._there for file in files):
            return [None] * len(files)
        return self._store.put_small([(file.payload, file.key) for file in files], self._untold)

    def _file(self, file: PlannedFile) -> tuple[StoredObject, bool]:
        """Puts one file unless it is there.

        Returns:
            The object, and whether it was put.
        """
        self._brake.check()
        path, size = file.entry.path, file.payload.size
        there = self._there.get(file.key)
        if there is not None and (self._is_known(file, there) or self._store.holds(file.payload, there)):
            self._counter.finished(path, size)
            return there, False
        if size <= EVENT_BYTES:
            stored = self._store.put(file.payload, file.key, self._untold)
            self._counter.finished(path, size)
        else:
            told = Transfer(self._throttle, self._brake, lambda count: self._counter.moved(path, count))
            stored = self._store.put(file.payload, file.key, told)
            self._counter.finished(path)
        return stored, True

    def _is_known(self, file: PlannedFile, there: StoredObject) -> bool:
        """Whether the catalog says that the object, unchanged since, was made from these very bytes."""
        row = self._known.get(file.entry.path)
        return row is not None and (row.sha256, row.size, row.etag) == (file.entry.sha256, there.size, there.etag)

    def _count(self, file: PlannedFile, stored: StoredObject, put: bool) -> None:
        self.stored[file.key] = stored
        self.uploaded += put
        self.skipped += not put
        self.bytes_uploaded += file.payload.size * put


def participant_for(session: Path, manifest: Manifest) -> str | None:
    """Who was recorded: the first line of ``participant.txt``, else what the manifest says; nobody in testing mode.

    Raises:
        OSError: the file is there and can't be read.
        UnsafePath: it is a link that leads out of the folder.
    """
    if manifest.testing_mode:
        return None
    # Through `resolve`, so that a link can't lead to somebody else's file.
    path = SessionLayout(session).resolve(SessionLayout(session).participant.name)
    text = ""
    if path.is_file():
        with path.open("rb") as file:
            text = file.read(4 * _LONGEST_PARTICIPANT).decode("utf-8", "replace")
    line = text.replace("\0", "").strip().partition("\n")[0].strip()
    return line[:_LONGEST_PARTICIPANT] or manifest.participant.strip()[:_LONGEST_PARTICIPANT] or None
