"""What the uploader does all day: looks which sessions are complete and not registered, and ingests them, oldest first.

What is done is decided by the disk and the catalog; whoever calls `wake` only saves the wait for the next look.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rig_capture.delivery.errors import CatalogError, DeliveryError, ObjectStoreError, TransferStopped
from rig_capture.delivery.ledger import Notes
from rig_capture.delivery.progress import UploadProgress
from rig_capture.delivery.uploader_report import IDLE, OFFLINE, PAUSED, UPLOADING, WAITING, UploaderReport, shown_address
from rig_capture.delivery.wake_lock import WakeLock
from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.places import catalog_url, ledger_path, sessions_dir, store_url
from rig_capture.profiles.settings.uploader import UploaderParameters
from rig_capture.session.additions import additions_changed_ns, with_additions
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import read_manifest

if TYPE_CHECKING:
    from rig_capture.delivery.ingest import DataInterface

logger = logging.getLogger(__name__)

UPLOADED_STATES = frozenset({"complete", "recovered"})

LAST_INGESTED = 20
"""How many recordings the report names."""


@dataclass
class _Backoff:
    """When something that failed is tried again."""

    wait_s: float = 0.0
    retry_at: float = 0.0

    def failed(self, shortest_s: float, longest_s: float) -> None:
        self.wait_s = min(max(self.wait_s * 2, shortest_s), longest_s)
        self.retry_at = time.monotonic() + self.wait_s


def _changed_ns(session: Path) -> int:
    """When a session's manifest, or a list of what was added to it, was last changed, ns; 0 where the manifest is gone."""
    try:
        changed_ns = SessionLayout(session).manifest.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
    return max(changed_ns, additions_changed_ns(session))


class UploadWorker:
    """Owns the uploading thread. Every method may be called from any thread."""

    def __init__(self, settings: UploaderParameters, changed: Callable[[UploaderReport], None]) -> None:
        """Prepares a worker.

        Args:
            settings: of the node.
            changed: called in the uploading thread whenever state, queue, results or error changed.
        """
        self._settings = settings
        self._changed = changed
        self._root = sessions_dir(settings)
        self._wake = threading.Condition()
        self._woken = self._stopping = self._paused = False
        self._recording_heard = self._recording_seen = False
        self._report = UploaderReport(
            store=shown_address(store_url(settings)),
            catalog=shown_address(catalog_url(settings)),
            state=OFFLINE if settings.offline else IDLE,
        )
        self._data: DataInterface | None = None
        self._outage = _Backoff()
        # Both can be found out again; the disk and the catalog decide.
        self._done: dict[Path, int] = {}
        self._backoffs: dict[Path, _Backoff] = {}
        self._moved: deque[tuple[float, int]] = deque(maxlen=100)
        self._untidy, self._reopen = True, False
        self._wake_lock_wanted = settings.wake_lock
        self._notes = Notes(ledger_path())
        self._wake_lock = WakeLock(wanted=settings.wake_lock)
        self._files_noted = 0
        self._file_noted = ""
        self._thread = OwnedThread("uploader", self._run)

    def start(self) -> None:
        """Begins with a look at the disk."""
        self._thread.start()

    def stop(self) -> None:
        """Ends at once, also in the middle of a file; what is there of it is used next time. Raises what the thread died of."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
            data = self._data
        if data is not None:
            data.store.interrupt()
        self._thread.join()
        self.check()

    def wake(self) -> None:
        """Look at the disk now."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    def retry(self) -> None:
        """Try now what failed before."""
        with self._wake:
            self._backoffs.clear()
            self._outage = _Backoff()
        self.wake()

    def set_paused(self, paused: bool) -> None:
        """Pauses, in the middle of a file too, or goes on."""
        self._paused = paused
        self.wake()

    def set_recording(self, recording: bool) -> None:
        """Says whether a recording runs."""
        if recording != self._recording_heard:
            self._recording_heard = recording
            self.wake()

    def update(self, settings: UploaderParameters) -> None:
        """Takes settings changed while running: bandwidth and what holds uploads at once, numbers of threads with the next session."""
        with self._wake:
            before, self._settings = self._settings, settings
            self._reopen |= (before.threads, before.concurrent_uploads) != (settings.threads, settings.concurrent_uploads)
            data = self._data
        if data is not None:
            data.limit_bandwidth(settings.bandwidth_limit)
        self.wake()

    def report(self) -> UploaderReport:
        """The present state."""
        return replace(self._report, rate_bytes_s=self._rate())

    def check(self) -> None:
        """Raises what the thread died of, where it did."""
        self._thread.check()

    def _run(self) -> None:
        try:
            while not self._stopping:
                wait_s = self._work()
                with self._wake:
                    self._wake.wait_for(lambda: self._woken or self._stopping, wait_s)
                    self._woken = False
        finally:
            self._notes.close()
            self._wake_lock.release()
            if self._data is not None:
                self._data.close()

    def _work(self) -> float:
        """A look at the disk and all it calls for; returns for how many seconds there is nothing more to do."""
        while not self._stopping:
            queue = [] if self._settings.offline else self._queue()
            hold = self._hold()
            if hold is not None and (queue or hold[0] != WAITING):
                self._rest(*hold, queued=len(queue))
                break
            if not queue:
                self._tidy()
                self._rest(IDLE, "", queued=0)
                break
            # Those that never failed come first, so that one that can't succeed does not hold up the others.
            session = min(queue, key=self._retry_at)
            wait_s = max(self._retry_at(session), self._outage.retry_at) - time.monotonic()
            if wait_s > 0:
                self._rest(WAITING, f"{len(self._backoffs)} failed; next try in {wait_s:.0f} s", queued=len(queue))
                return min(wait_s, self._settings.scan_interval_s)
            if self._settings.wake_lock != self._wake_lock_wanted:
                self._wake_lock_wanted = self._settings.wake_lock
                self._wake_lock.want(wanted=self._wake_lock_wanted)
            self._wake_lock.hold()
            self._guarded_ingest(session, len(queue))
        return self._settings.scan_interval_s

    def _rest(self, state: str, detail: str, queued: int) -> None:
        self._wake_lock.release()
        self._tell(state=state, detail=detail, queued=queued, current="", current_bytes=0, current_total=0)

    def _hold(self) -> tuple[str, str] | None:
        """State and reason where nothing may be sent now."""
        if self._settings.offline:
            return OFFLINE, "offline by setting"
        if self._paused:
            return PAUSED, "paused by request"
        if (self._recording_heard or self._recording_seen) and not self._settings.upload_while_recording:
            return WAITING, "a recording runs"
        return None

    def _is_active(self) -> bool:
        return self._stopping or self._hold() is not None

    def _retry_at(self, session: Path) -> float:
        backoff = self._backoffs.get(session)
        return backoff.retry_at if backoff else 0.0

    def _queue(self) -> list[Path]:
        """Complete sessions that are not known to be registered, oldest first."""
        sessions = sessions_in(self._root)
        written = [session for session in sessions if not SessionLayout(session).complete_mark.exists()]
        self._recording_seen = any(is_locked(session) for session in written)
        for session in written:
            self._note_writing(session)
        with self._wake:
            self._backoffs = {session: backoff for session, backoff in self._backoffs.items() if session in sessions}
        return [session for session in sessions if self._is_due(session)]

    def _note_writing(self, session: Path) -> None:
        """Notes what there is so far of a session that is not complete."""
        try:
            recording_hash = read_manifest(session).recording_hash
            files = (path for path in session.rglob("*") if path.is_file() and not path.name.startswith(".") and path.parent != session)
            sizes = {path.relative_to(session).as_posix(): path.stat().st_size for path in files}
        except (SessionError, OSError):
            return  # it was finished or removed in the meantime, or is a case for `rig verify`
        self._notes.note(lambda ledger: ledger.writing(session.name, recording_hash, sizes))

    def _is_due(self, session: Path) -> bool:
        changed_ns = _changed_ns(session)
        is_new = bool(changed_ns) and SessionLayout(session).complete_mark.exists() and self._done.get(session) != changed_ns
        # One that somebody adds something to comes when that is done.
        return is_new and not is_locked(session)

    def _guarded_ingest(self, session: Path, queued: int) -> None:
        changed_ns = _changed_ns(session)
        try:
            self._ingest(session, queued)
        except (ObjectStoreError, CatalogError) as error:
            # The other side may be away altogether; then each session would only wait for the same time-outs.
            self._outage.failed(self._settings.retry_min_s, self._settings.retry_max_s)
            self._failed(session, error)
        except (DeliveryError, SessionError, OSError) as error:
            if is_locked(session) or _changed_ns(session) != changed_ns:
                logger.info("%s: was changed while it was uploaded; looking again: %s", session.name, error)
                return
            self._failed(session, error)
        except Exception as error:
            logger.debug("unexpected", exc_info=True)
            self._failed(session, error)

    def _ingest(self, session: Path, queued: int) -> None:
        # Not before there is something to send: a rig that is offline does not pay for the database library.
        from rig_capture.delivery.ingest import participant_for

        changed_ns = _changed_ns(session)
        manifest = with_additions(session, read_manifest(session))
        data = self._open()
        if manifest.state not in UPLOADED_STATES:
            self._done[session] = changed_ns
            return
        self._notes.note(lambda ledger: ledger.written(session.name, manifest))
        if data.holds(manifest):
            self._notes.note(lambda ledger: ledger.registered(session.name))
            self._done[session] = changed_ns
            return
        self._files_noted, self._file_noted = 0, ""
        total = manifest.total_bytes
        self._tell(state=UPLOADING, detail="", queued=queued, current=manifest.recording_id, current_bytes=0, current_total=total)
        result = data.ingest(
            manifest_path=SessionLayout(session).manifest,
            source_dir=session,
            participant=participant_for(session, manifest),
            progress=lambda event: self._progress(session.name, event),
            is_active=self._is_active,
        )
        self._outage = _Backoff()
        bytes_uploaded = self._report.bytes_uploaded + result.bytes_uploaded
        if result.paused:
            self._tell(bytes_uploaded=bytes_uploaded)
            return
        self._notes.note(lambda ledger: ledger.registered(session.name))
        self._done[session] = changed_ns
        self._untidy = True
        self._backoffs.pop(session, None)
        logger.info("%s: %d files uploaded, %d skipped", manifest.recording_id, result.files_uploaded, result.files_skipped)
        self._tell(
            sessions_done=self._report.sessions_done + 1,
            sessions_failed=len(self._backoffs),
            bytes_uploaded=bytes_uploaded,
            ingested=(*self._report.ingested, manifest.recording_id)[-LAST_INGESTED:],
            last_error=self._report.last_error if self._backoffs else "",
        )

    def _tidy(self) -> None:
        """Removes, once after each backlog, what killed processes left of uploads that are done by now."""
        if not self._untidy or self._data is None:
            return
        self._untidy = False
        try:
            self._data.give_up_unfinished()
        except ObjectStoreError as error:
            logger.warning("what killed uploads left was not removed, and will be after the next session: %s", error)
        except TransferStopped:
            logger.debug("stopped while looking for what killed uploads left")

    def _open(self) -> "DataInterface":
        from rig_capture.delivery.ingest import DataInterface

        with self._wake:
            old = self._data if self._reopen else None
            if old is not None:
                self._data = None
            self._reopen = False
        if old is not None:
            old.close()
        if self._data is None:
            try:
                data = DataInterface.open(self._settings)
            except DeliveryError:
                self._outage.failed(self._settings.retry_min_s, self._settings.retry_max_s)
                raise
            with self._wake:
                self._data = data
        return self._data

    def _failed(self, session: Path, error: Exception) -> None:
        if self._stopping:
            return
        backoff = self._backoffs.setdefault(session, _Backoff())
        backoff.failed(self._settings.retry_min_s, self._settings.retry_max_s)
        logger.error("%s: %s: %s; next try in %.0f s", session.name, type(error).__name__, error, backoff.wait_s)
        text = f"{session.name}: {type(error).__name__}: {error}"
        self._notes.note(lambda ledger: ledger.failed(session.name, text))
        self._tell(sessions_failed=len(self._backoffs), last_error=text)

    def _progress(self, name: str, event: UploadProgress) -> None:
        # In threads of the ingest, one at a time, while the uploading thread waits for them.
        if event.files_done > self._files_noted:
            self._files_noted = event.files_done
            self._notes.note(lambda ledger: ledger.uploaded(name, event.current_file))
            if event.files_done == event.files_total:
                self._notes.note(lambda ledger: ledger.registering(name))
        elif event.current_file != self._file_noted:
            # Files that are through before the first event about them are never seen here, and needn't be.
            self._file_noted = event.current_file
            self._notes.note(lambda ledger: ledger.uploading(name, event.current_file))
        self._moved.append((time.monotonic(), max(0, event.bytes_processed - self._report.current_bytes)))
        self._report = replace(self._report, current_bytes=event.bytes_processed)

    def _rate(self) -> float:
        """Bytes per second over the last seconds."""
        now = time.monotonic()
        recent = [(at, count) for at, count in list(self._moved) if now - at < 5]
        return sum(count for _, count in recent) / max(now - recent[0][0], 0.5) if recent else 0.0

    def _tell(self, **changes: object) -> None:
        report = replace(self._report, **changes)  # type: ignore[arg-type]
        if report != self._report:
            self._report = report
            self._changed(report)
