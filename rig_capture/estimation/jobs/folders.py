"""Names and places in the folder of jobs, and which job may be begun.

in/JOB/ or in/JOB.zip     as it was given; names that begin with a dot are never looked at
in/.JOB.unpacking/        a zip file being unpacked
out/status.json           what became of each job
out/.JOB.partial/         results being made
out/JOB/                  results.json, predictions/, and videos/, which is what was given
failed/JOB                what was given, of jobs that failed
daemon.lock               held by the daemon; holds its pid
"""

import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from rig_capture.estimation.jobs.errors import JobError

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv"}
)
ZIP = ".zip"


class JobFolders:
    """Places below one data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.incoming, self.out, self.failed = (self.root / name for name in ("in", "out", "failed"))
        self.status = self.out / "status.json"
        self.lock = self.root / "daemon.lock"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            JobError: they would lie in the repository of this software, or on several file systems.
            OSError: they can't be made.
        """
        repository = Path(__file__).resolve().parents[3]
        if (repository / ".git").exists() and self.root.resolve().is_relative_to(repository):
            raise JobError(f"{self.root}: lies in the repository {repository}, where people's videos don't belong; choose another folder")
        for folder in (self.incoming, self.out, self.failed):
            folder.mkdir(parents=True, exist_ok=True)
        if len({folder.stat().st_dev for folder in (self.incoming, self.out, self.failed)}) > 1:
            raise JobError(f"{self.root}: in, out and failed are on several file systems; jobs are moved by renaming, so put them on one")

    def unpacking(self, name: str) -> Path:
        """Where a zip file is unpacked."""
        return self.incoming / f".{name}.unpacking"

    def partial(self, name: str) -> Path:
        """Where results are made."""
        return self.out / f".{name}.partial"

    def results(self, name: str) -> Path:
        """All results of a job."""
        return self.out / name / "results.json"

    def waiting(self) -> list[Path]:
        """What was given and not begun, oldest first; loose files and links are none."""
        found = [path for path in self.incoming.iterdir() if not path.name.startswith(".") and not path.is_symlink()]
        jobs = [path for path in found if path.is_dir() or (path.suffix.lower() == ZIP and path.is_file())]
        return sorted(jobs, key=lambda path: (_changed_ns(path), path.name))

    def free_name(self, given: Path) -> str:
        """A name for a job that no other has: that of what was given, where it can be, else with a number."""
        stem = given.name if given.is_dir() else given.name[: -len(ZIP)]
        clean = re.sub(r"[\x00-\x1f\x7f]", "_", stem.encode("utf-8", "replace").decode()).lstrip(".") or "job"

        def is_free(name: str) -> bool:
            folder = self.incoming / name
            return name != self.status.name and not (self.out / name).exists() and (folder == given or not folder.exists())

        return _first_free(clean, is_free)

    def quarantine(self, found: Path) -> Path:
        """Moves what was given into the folder of failed jobs; under another name where that one is taken there."""
        place = self.failed / _first_free(found.name, lambda free: not os.path.lexists(self.failed / free))
        found.rename(place)
        return place

    def interrupted(self) -> set[str]:
        """Names of jobs of which something half done is left."""
        left = [*self.incoming.glob(".*.unpacking"), *self.out.glob(".*.partial")]
        return {path.name[1:].rpartition(".")[0] for path in left}


def videos_in(folder: Path) -> list[Path]:
    """All videos of a job, by their suffix, in its folders too; none that are links or begin with a dot."""

    def walk(place: Path) -> Iterator[Path]:
        for path in sorted(place.iterdir()):
            if path.name.startswith(".") or path.is_symlink():
                continue
            if path.is_dir():
                yield from walk(path)
            elif path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
                yield path

    return list(walk(folder))


class Settling:
    """Tells what is being copied from what lies still: names, sizes and times of all files must not change for a while.

    Times themselves say nothing: copies may keep those of the original.
    """

    def __init__(self, settle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle_s, self._clock = settle_s, clock
        self._seen: dict[Path, tuple[object, float]] = {}

    def settled(self, paths: Collection[Path]) -> list[Path]:
        """Those that lie still, in the given order; to be asked regularly, with all there are."""
        now = self._clock()
        seen = {}
        for path in paths:
            looks = _looks(path)
            before = self._seen.get(path)
            seen[path] = before if before is not None and before[0] == looks else (looks, now)
        self._seen = seen
        return [path for path in paths if now - seen[path][1] >= self._settle_s]


def _looks(path: Path) -> object:
    """All that changes while something is copied to a place."""
    found = []
    for place, folders, files in os.walk(path):
        for name in (*folders, *files):
            try:
                state = os.lstat(os.path.join(place, name))
            except FileNotFoundError:
                continue  # so it differs from the next look
            found.append((place, name, state.st_size, state.st_mtime_ns, state.st_ino))
    try:
        own = path.lstat()
    except FileNotFoundError:
        return None
    return sorted(found), own.st_size, own.st_mtime_ns, own.st_ino


def _changed_ns(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _first_free(name: str, is_free: Callable[[str], bool]) -> str:
    stem, suffix = (name[: -len(ZIP)], name[-len(ZIP) :]) if name.lower().endswith(ZIP) else (name, "")
    number = 1
    candidate = name
    while not is_free(candidate):
        number += 1
        candidate = f"{stem}-{number}{suffix}"
    return candidate
