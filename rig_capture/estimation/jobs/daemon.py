"""The daemon that works off jobs: what is put into `in/` comes out in `out/` with results, or in `failed/` with a reason.

One at a time on a folder, by a lock that the kernel lets go of when the daemon dies. Every step is a rename or an atomic write, and
`out/status.json` says before each what is about to be done; so a daemon that is killed leaves a job that the next one puts into
`failed/` as interrupted, and nothing else. To try a job again, move it back to `in/`.
"""

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol

from rig_capture.estimation.jobs.errors import AlreadyRunning, Interrupted, JobError, NoVideos
from rig_capture.estimation.jobs.folders import VIDEO_SUFFIXES, JobFolders, Settling, videos_in
from rig_capture.estimation.jobs.status import JobEntry, JobResults, JobsStatus, VideoResult, read_status, write_record
from rig_capture.estimation.jobs.unpacking import unpack
from rig_capture.estimation.listing import prediction_suffixes
from rig_capture.estimation.predictions import VideoPredictions, write_predictions
from rig_capture.profiles.settings.estimation import EstimateJobSettings
from rig_capture.session.atomic import sync_folder

logger = logging.getLogger(__name__)

_NOTE_S = 0.5
"""Progress is written so often."""

Progress = Callable[[int, int | None], None]
"""Told how many frames of how many are done."""


class VideoEstimator(Protocol):
    """What makes predictions of a video."""

    def process_video(self, path: Path, *, progress: Progress | None = None) -> VideoPredictions:
        """Predictions of one video; raises what is wrong with it."""


class JobDaemon:
    """Works on one folder of jobs from `__enter__` to `__exit__`, in the thread of its caller."""

    def __init__(
        self,
        root: Path,
        estimator: VideoEstimator,
        settings: EstimateJobSettings | None = None,
        watch: Callable[[str, JobEntry], None] = lambda name, entry: None,
    ) -> None:
        """Touches nothing yet.

        Args:
            root: the folder of jobs; made where there is none.
            estimator: looks at the videos.
            settings: how jobs are taken in.
            watch: told of a job whenever something of it changed.
        """
        self.folders = JobFolders(root)
        self._estimator = estimator
        self._settings = settings or EstimateJobSettings()
        self._watch = watch
        self._settling = Settling(self._settings.settle_s)
        self._status = JobsStatus()
        self._lock = -1
        self._noted_at = 0.0

    def __enter__(self) -> "JobDaemon":
        """Takes the folder, and quarantines what a daemon before left half done.

        Raises:
            AlreadyRunning: another daemon works on it.
            JobError: the folder, or its status, can't be used.
            OSError: the disk fails.
        """
        self.folders.prepare()
        self._lock = _take(self.folders.lock)
        try:
            self._status = read_status(self.folders.status)
            self._recover()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._lock)

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Works until it is asked to stop; a job that has begun is finished first.

        Args:
            stop: asks for the end.
            once: end also when nothing waits any more.

        Raises:
            JobError: what is done can't be noted; what had begun is quarantined at the next start.
        """
        while not stop.is_set():
            self.run_once(stop)
            if once and not self.folders.waiting():
                return
            stop.wait(min(self._settings.poll_s, max(self._settings.settle_s, 0.05)) if once else self._settings.poll_s)

    def run_once(self, stop: threading.Event | None = None) -> list[str]:
        """Does every job that lies still, one after the other, but begins none once asked to stop; names of those done."""
        done = []
        for given in self._settling.settled(self.folders.waiting()):
            if stop is not None and stop.is_set():
                break
            done.append(self._do(given))
        return done

    def _do(self, given: Path) -> str:
        name = self.folders.free_name(given)
        self._save(name, JobEntry(state="processing", source=given.name.encode("utf-8", "replace").decode(), started_at=_now()))
        try:
            self._work(name, given)
        except Exception as error:
            logger.debug("%s failed", name, exc_info=True)
            self._fail(name, given, error)
        else:
            self._complete(name)
        return name

    def _work(self, name: str, given: Path) -> None:
        folder = self.folders.incoming / name
        if given.is_dir():
            if given != folder:
                given.rename(folder)
        else:
            self._change(name, stage="unpacking")
            unpack(given, self.folders.unpacking(name), self._settings)
            self.folders.unpacking(name).rename(folder)
            sync_folder(self.folders.incoming)
            given.unlink()  # every byte of it was unpacked and compared with its checksum
        videos = videos_in(folder)
        if not videos:
            raise NoVideos(f"{name}: holds no video; files with these endings are taken: {' '.join(sorted(VIDEO_SUFFIXES))}")
        self._change(name, stage="estimating", videos_total=len(videos))
        partial = self.folders.partial(name)
        partial.mkdir()
        results = tuple(self._estimate(name, video, folder, partial) for video in videos)
        self._change(name, stage="finishing")
        began = self._status.jobs[name].started_at
        write_record(partial / "results.json", JobResults(job=name, started_at=began, ended_at=_now(), videos=results))
        folder.rename(partial / "videos")
        sync_folder(partial)
        partial.rename(self.folders.out / name)
        sync_folder(self.folders.out)

    def _estimate(self, name: str, video: Path, folder: Path, partial: Path) -> VideoResult:
        path = video.relative_to(folder)
        self._change(name, video=path.as_posix(), frames_done=0, frames_total=None)
        begin = time.monotonic()
        predictions = self._estimator.process_video(video, progress=lambda done, total: self._note(name, done, total))
        files = tuple(f"predictions/{path.as_posix()}{suffix}" for suffix in prediction_suffixes(parquet=self._settings.parquet))
        for file in files:
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            write_predictions(partial / file, predictions)
        self._change(name, videos_done=self._status.jobs[name].videos_done + 1)
        elapsed_s = round(time.monotonic() - begin, 3)
        return VideoResult(
            path=f"videos/{path.as_posix()}", predictions=files, video=predictions.video, model=predictions.model, elapsed_s=elapsed_s
        )

    def _complete(self, name: str) -> None:
        results = self.folders.results(name).relative_to(self.folders.root).as_posix()
        self._change(name, state="completed", stage="", results=results, ended_at=_now())

    def _fail(self, name: str, given: Path, error: Exception) -> None:
        """Moves all that was given into the folder of failed jobs, wherever on its way it is, and notes why."""
        folder, partial = self.folders.incoming / name, self.folders.partial(name)
        if (partial / "videos").is_dir():
            (partial / "videos").rename(folder)
        # A zip file that is still there beside what was unpacked of it goes along; a folder of that name is another job.
        found = [folder] if folder.exists() else []
        if given.exists() and given != folder and (not found or given.is_file()):
            found.append(given)
        moved = tuple(self.folders.quarantine(place).relative_to(self.folders.root).as_posix() for place in found)
        sync_folder(self.folders.failed)
        shutil.rmtree(self.folders.unpacking(name), ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
        text = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
        self._change(name, state="failed", error=text, quarantined=moved, ended_at=_now())

    def _recover(self) -> None:
        """Ends jobs that a daemon before began; what was finished but for the note of it is completed."""
        for left in self.folders.out.glob(f".{self.folders.status.name}.*.tmp"):
            left.unlink()  # of a status that was being written
        begun = {name for name, entry in self._status.jobs.items() if entry.state == "processing"}
        for name in sorted(begun | self.folders.interrupted()):
            entry = self._status.jobs.get(name)
            if name not in begun:  # its status was lost
                entry = JobEntry(state="processing", source=name, started_at=_now())
                self._save(name, entry)
            assert entry is not None
            if self.folders.results(name).exists():
                self._complete(name)
                continue
            where = " ".join(filter(None, (entry.stage or "beginning", entry.video)))
            logger.warning("%s: was interrupted while %s; it is in %s", name, where, self.folders.failed)
            self._fail(
                name, self.folders.incoming / entry.source, Interrupted(f"the daemon ended while {where}; move it back to try again")
            )

    def _note(self, name: str, done: int, total: int | None) -> None:
        if time.monotonic() - self._noted_at < _NOTE_S and done != total:
            return
        self._noted_at = time.monotonic()
        entry = self._status.jobs[name].model_copy(update={"frames_done": done, "frames_total": total})
        self._save(name, entry, durable=False)

    def _change(self, name: str, **changes: object) -> None:
        self._save(name, self._status.jobs[name].model_copy(update=changes))

    def _save(self, name: str, entry: JobEntry, *, durable: bool = True) -> None:
        self._status = self._status.changed(name, entry, self._settings.kept)
        try:
            write_record(self.folders.status, self._status, durable=durable)
        except OSError as error:
            raise JobError(f"{self.folders.status}: can't be written: {error}; make room, and start the daemon again") from error
        self._watch(name, entry)


def _take(path: Path) -> int:
    """The lock, as a descriptor that holds it. Raises AlreadyRunning."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise AlreadyRunning(
            f"{path.parent}: another daemon works on these jobs (pid {holder}); stop it, or choose another folder"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _now() -> datetime:
    return datetime.now(UTC)
