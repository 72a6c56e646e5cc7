"""Jobs for tests: an estimator that needs no model, folders and zip files of what counts as videos, and a daemon in a process."""

import argparse
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rig_capture.cli.signals import patient_stop_signals
from rig_capture.estimation.errors import VideoError
from rig_capture.estimation.jobs.daemon import JobDaemon, Progress
from rig_capture.estimation.jobs.status import JobsStatus, read_status
from rig_capture.estimation.predictions import ModelIdentity, VideoMetadata, VideoPredictions
from rig_capture.profiles.settings.estimation import EstimateJobSettings
from test.parts import alive, wait_until

AT_ONCE = EstimateJobSettings(settle_s=0, poll_s=0.02)


class Counting:
    """Takes each byte of a file for a frame; a file that says BAD is none."""

    def __init__(self, frame_s: float = 0.0) -> None:
        self.frame_s = frame_s

    def process_video(self, path: Path, *, progress: Progress | None = None) -> VideoPredictions:
        data = path.read_bytes()
        if data == b"BAD":
            raise VideoError(f"{path.name}: no video")
        for frame in range(len(data)):
            time.sleep(self.frame_s)
            if progress is not None:
                progress(frame + 1, len(data))
        nothing = np.zeros(0, np.int32)
        return VideoPredictions(
            video=VideoMetadata(file=path.name, width=4, height=4, codec="h264", frames=len(data), duration_s=1.0),
            model=ModelIdentity(name="counting", version="1"),
            stamps_ns=np.arange(len(data)),
            motion=np.frombuffer(data, np.uint8) / np.float32(255),
            person_frame=nothing,
            person_track=nothing,
            boxes=np.zeros((0, 5), np.float32),
        )


def give(root: Path, name: str, videos: Mapping[str, bytes]) -> Path:
    """Puts a job in, all at once."""
    folder = root / "in" / name
    for path, data in videos.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def give_zip(root: Path, name: str, entries: Mapping[str | zipfile.ZipInfo, bytes]) -> Path:
    """Puts a zip file in, uncompressed unless its entries say otherwise."""
    (root / "in").mkdir(parents=True, exist_ok=True)
    path = root / "in" / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in entries.items():
            archive.writestr(entry, data)
    return path


def status(root: Path) -> JobsStatus:
    """What the daemon wrote last."""
    return read_status(root / "out" / "status.json")


def tree(folder: Path) -> set[str]:
    """All files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def work_once(root: Path, settings: EstimateJobSettings = AT_ONCE) -> list[str]:
    """Lets a daemon do all there is; names of the jobs."""
    with JobDaemon(root, Counting(), settings) as daemon:
        return daemon.run_once()


class DaemonProcess:
    """A daemon in a process of its own."""

    def __init__(self, root: Path, log: Path, *, frame_s: float, once: bool) -> None:
        arguments = [str(root), f"--frame-s={frame_s}", *(["--once"] if once else [])]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, *arguments], stdout=out, stderr=out, cwd=Path(__file__).parents[3]
            )
        self.root, self.log = root, log

    def until(self, condition: Callable[[JobsStatus], bool], what: str) -> None:
        """Waits for what its status tells."""

        def holds() -> bool:
            assert alive(self.process.pid) or condition(status(self.root)), self.log.read_text()
            return condition(status(self.root))

        wait_until(holds, what)

    def end(self, number: signal.Signals) -> int:
        """Signals it, and waits; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running_daemon(root: Path, log: Path, *, frame_s: float = 0.0, once: bool = False) -> Iterator[DaemonProcess]:
    """A daemon while the block runs; killed at its end where it still runs."""
    daemon = DaemonProcess(root, log, frame_s=frame_s, once=once)
    try:
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()


def main() -> int:
    """A daemon as `rig estimate watch` runs it, with the estimator of tests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--frame-s", type=float)
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    with patient_stop_signals() as stop, JobDaemon(given.root, Counting(given.frame_s), AT_ONCE) as daemon:
        daemon.run(stop, once=given.once)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
