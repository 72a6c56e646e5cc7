"""Jobs come out with results or with a reason; whatever kills the daemon leaves a job that the next one quarantines."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from rig_capture.estimation.jobs.daemon import JobDaemon
from rig_capture.estimation.jobs.errors import AlreadyRunning, JobError
from rig_capture.estimation.jobs.folders import Settling
from rig_capture.estimation.jobs.status import JobEntry, read_results
from rig_capture.estimation.predictions import read_predictions
from test.estimation.jobs.parts import AT_ONCE, Counting, give, give_zip, running_daemon, status, tree
from test.estimation.jobs.parts import work_once as work
from test.parts import wait_until


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of jobs."""
    return tmp_path / "jobs"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What a daemon in a process says."""
    return tmp_path / "daemon.log"


def test_a_job_comes_out_with_its_videos_predictions_and_results(root: Path) -> None:
    give(root, "visit 1", {"walk.mp4": b"\x00\xff", "left/WALK.MOV": b"\x80", "notes.txt": b"-", ".hidden.mp4": b"-"})
    assert work(root) == ["visit 1"]
    assert not tree(root / "in")
    assert tree(root / "out/visit 1/videos") == {"walk.mp4", "left/WALK.MOV", "notes.txt", ".hidden.mp4"}
    results = read_results(root / "out/visit 1/results.json")
    assert [(video.path, video.video.frames) for video in results.videos] == [("videos/left/WALK.MOV", 1), ("videos/walk.mp4", 2)]
    assert results.videos[1].predictions == ("predictions/walk.mp4.json", "predictions/walk.mp4.parquet")
    assert results.videos[0].model.name == "counting"
    for file in results.videos[1].predictions:
        motion = read_predictions(root / "out/visit 1" / file).motion
        assert motion is not None
        assert motion.tolist() == [0, 1]
    entry = status(root).jobs["visit 1"]
    assert (entry.state, entry.results, entry.videos_done, entry.videos_total) == ("completed", "out/visit 1/results.json", 2, 2)


def test_a_zip_file_becomes_a_job(root: Path) -> None:
    give_zip(root, "visit", {"a/walk.mp4": b"ab"})
    assert work(root) == ["visit"]
    assert tree(root / "in") == set()
    assert tree(root / "out/visit/videos") == {"a/walk.mp4"}
    assert status(root).jobs["visit"].source == "visit.zip"


@pytest.mark.parametrize(
    ("videos", "error"),
    [
        ({"a.mp4": b"a", "b.mp4": b"BAD"}, "VideoError: b.mp4: no video"),
        ({"a.txt": b"a"}, "NoVideos: visit: holds no video"),
        ({}, "NoVideos: "),
    ],
)
def test_what_fails_is_quarantined_as_it_was_given_and_can_be_given_again(root: Path, videos: dict[str, bytes], error: str) -> None:
    give(root, "visit", videos).mkdir(parents=True, exist_ok=True)
    work(root)
    entry = status(root).jobs["visit"]
    assert (entry.state, entry.quarantined) == ("failed", ("failed/visit",))
    assert entry.error.startswith(error)
    assert tree(root / "failed/visit") == set(videos)
    assert tree(root / "out") == {"status.json"}
    shutil.rmtree(root / "failed/visit")
    give(root, "visit", {"a.mp4": b"a"})
    assert work(root) == ["visit"]
    assert status(root).jobs["visit"].state == "completed"
    assert not status(root).jobs["visit"].error


def test_jobs_of_one_name_do_not_meet(root: Path) -> None:
    for _ in range(2):
        give(root, "visit", {"a.mp4": b"a"})
        give_zip(root, "visit", {"b.mp4": b"b"})
        work(root)
        give(root, "visit", {"a.mp4": b"BAD"})
        work(root)
    assert {path.name: len(tree(path / "videos")) for path in (root / "out").glob("visit*")} == dict.fromkeys(
        ("visit", "visit-2", "visit-3", "visit-4"), 1
    )
    assert {path.name for path in (root / "failed").iterdir()} == {"visit-3", "visit-5"}
    assert not list((root / "in").iterdir())


def test_jobs_with_odd_names_get_names_that_can_be_written_down(root: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(root / "in") + b"/\xff\nvisit"))
    odd.mkdir(parents=True)
    (odd / "a.mp4").write_bytes(b"a")
    give(root, "status.json", {"a.mp4": b"a"})
    work(root)
    assert {entry.state for entry in status(root).jobs.values()} == {"completed"}
    assert set(status(root).jobs) == {"?_visit", "status.json-2"}


def test_a_job_that_is_still_being_copied_is_left_alone(root: Path) -> None:
    now = [0.0]
    settling = Settling(2.0, lambda: now[0])
    folder = give(root, "visit", {"a.mp4": b"half"})
    assert settling.settled([folder]) == []
    now[0] = 1.9
    os.truncate(folder / "a.mp4", 100)
    assert settling.settled([folder]) == []
    now[0] = 2.1
    assert settling.settled([folder]) == []
    (folder / "b.mp4").write_bytes(b"")
    now[0] = 4.0
    assert settling.settled([folder]) == []
    now[0] = 6.0
    assert settling.settled([folder]) == [folder]


def test_a_second_daemon_is_refused_and_told_whose_the_folder_is(root: Path, log: Path) -> None:
    with running_daemon(root, log) as daemon:
        wait_until(lambda: (root / "daemon.lock").exists() and (root / "daemon.lock").read_text() == f"{daemon.process.pid}\n", "the lock")
        with pytest.raises(AlreadyRunning, match=f"pid {daemon.process.pid}"):
            work(root)
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    assert work(root) == []


def test_the_folder_can_not_lie_in_the_repository() -> None:
    with pytest.raises(JobError, match="lies in the repository"), JobDaemon(Path(__file__).parent / "jobs", Counting()):
        pass
    assert not (Path(__file__).parent / "jobs").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_current_job_is_finished_on_a_signal_all_its_videos(root: Path, log: Path, number: signal.Signals) -> None:
    give(root, "a", {"1.mp4": b"123", "2.mp4": b"123"})
    with running_daemon(root, log, frame_s=0.05) as daemon:
        daemon.until(lambda now: "a" in now.jobs and now.jobs["a"].frames_done > 0, "the first frame")
        give(root, "b", {"1.mp4": b"1"})
        assert daemon.end(number) == 0
    assert {name: entry.state for name, entry in status(root).jobs.items()} == {"a": "completed"}
    assert tree(root / "in") == {"b/1.mp4"}


def test_a_second_signal_ends_at_once_and_the_job_is_quarantined(root: Path, log: Path) -> None:
    give(root, "a", {"1.mp4": bytes(10_000)})
    with running_daemon(root, log, frame_s=0.02) as daemon:
        daemon.until(lambda now: "a" in now.jobs and now.jobs["a"].frames_done > 0, "the first frame")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.end(signal.SIGINT) in (-signal.SIGINT, -signal.SIGTERM)
    work(root)
    assert status(root).jobs["a"].error.startswith("Interrupted: the daemon ended while estimating 1.mp4")
    assert tree(root / "failed") == {"a/1.mp4"}


@pytest.mark.parametrize(
    ("video", "stage"), [("1.mp4", "estimating 1.mp4"), ("2.mp4", "estimating 2.mp4")], ids=["in the first video", "in the second video"]
)
def test_a_kill_while_estimating_quarantines_the_job_and_the_next_daemon_goes_on(root: Path, log: Path, video: str, stage: str) -> None:
    frames = {"1.mp4": bytes(3), "2.mp4": bytes(3)} | {video: bytes(1000)}
    give(root, "a", frames)
    with running_daemon(root, log, frame_s=0.02) as daemon:
        daemon.until(lambda now: "a" in now.jobs and (now.jobs["a"].video, now.jobs["a"].frames_done > 0) == (video, True), stage)
        give(root, "b", {"1.mp4": b"1"})
        daemon.end(signal.SIGKILL)
    assert work(root) == ["b"]
    entry = status(root).jobs["a"]
    assert (entry.state, entry.quarantined) == ("failed", ("failed/a",))
    assert entry.error.startswith(f"Interrupted: the daemon ended while {stage}")
    assert tree(root / "failed/a") == {"1.mp4", "2.mp4"}
    assert status(root).jobs["b"].state == "completed"
    assert not [path for path in (root / "out").iterdir() if path.name.startswith(".")]


def test_a_kill_while_unpacking_quarantines_the_zip_file(root: Path, log: Path) -> None:
    give_zip(root, "a", {f"{number}.mp4": b"1" for number in range(9000)})
    with running_daemon(root, log) as daemon:
        daemon.until(lambda now: "a" in now.jobs and len(tree(root / "in")) > 5, "unpacking")
        daemon.end(signal.SIGKILL)
    assert status(root).jobs["a"].stage == "unpacking"
    assert work(root) == []
    assert status(root).jobs["a"].error.startswith("Interrupted: the daemon ended while unpacking")
    assert tree(root / "failed") == {"a.zip"}
    assert tree(root / "in") == set()


def entry(stage: str, source: str = "a") -> str:
    """A status in which a job is being processed."""
    record = JobEntry.model_validate({"state": "processing", "stage": stage, "source": source, "started_at": "2026-01-01T00:00:00Z"})
    return json.dumps({"schema_version": 1, "jobs": {"a": record.model_dump(mode="json")}})


@pytest.mark.parametrize(
    ("files", "told", "quarantined"),
    [
        ({"in/a/1.mp4": b"1", "out/.status.json.123.tmp": b"{"}, entry(""), {"a/1.mp4"}),
        ({"in/a.zip": b"PK"}, entry("", "a.zip"), {"a.zip"}),
        ({"in/.a.unpacking/1.mp4": b"1", "in/a.zip": b"PK"}, entry("unpacking", "a.zip"), {"a.zip"}),
        ({"in/a/1.mp4": b"1", "in/a.zip": b"PK"}, entry("unpacking", "a.zip"), {"a/1.mp4", "a.zip"}),
        ({"in/a/1.mp4": b"1", "out/.a.partial/predictions/1.mp4.json": b"{}"}, entry("estimating"), {"a/1.mp4"}),
        ({"out/.a.partial/videos/1.mp4": b"1", "out/.a.partial/results.json": b"{}"}, entry("finishing"), {"a/1.mp4"}),
        ({"failed/a/1.mp4": b"1"}, entry("estimating"), {"a/1.mp4"}),
        ({"out/.a.partial/videos/1.mp4": b"1"}, json.dumps({}), {"a/1.mp4"}),
    ],
    ids=["begun", "zip begun", "unpacking", "unpacked", "estimating", "moved", "quarantined, not noted", "status lost"],
)
def test_between_any_two_steps_nothing_is_lost(root: Path, files: dict[str, bytes], told: str, quarantined: set[str]) -> None:
    for path, data in {**files, "out/status.json": told.encode()}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    assert work(root) == []
    assert status(root).jobs["a"].error.startswith("Interrupted: ")
    assert tree(root / "failed") == quarantined
    assert tree(root / "in") == set()
    assert tree(root / "out") == {"status.json"}


def test_a_job_that_was_finished_but_for_the_note_of_it_is_completed(root: Path) -> None:
    give(root, "a", {"1.mp4": b"1"})
    work(root)
    (root / "out/status.json").write_text(entry("finishing"))
    assert work(root) == []
    assert (status(root).jobs["a"].state, status(root).jobs["a"].results) == ("completed", "out/a/results.json")


def test_a_status_that_is_none_is_named(root: Path) -> None:
    (root / "out").mkdir(parents=True)
    (root / "out/status.json").write_text("{")
    with pytest.raises(JobError, match=r"status\.json: can't be read"):
        work(root)


def test_jobs_that_are_over_are_forgotten_in_the_end(root: Path) -> None:
    for number in range(4):
        give(root, f"job{number}", {"1.mp4": b"1"})
        work(root, AT_ONCE.model_copy(update={"kept": 2}))
    assert list(status(root).jobs) == ["job2", "job3"]
    assert len(list((root / "out").glob("job*"))) == 4


def test_once_works_off_what_is_there_and_ends(root: Path, log: Path) -> None:
    for number in range(3):
        give(root, f"job{number}", {"1.mp4": b"1"})
    with running_daemon(root, log, once=True) as daemon:
        assert daemon.process.wait(20) == 0
    assert {entry.state for entry in status(root).jobs.values()} == {"completed"}


def test_without_room_for_its_status_it_ends_and_the_next_one_goes_on(root: Path) -> None:
    with JobDaemon(root, Counting(), AT_ONCE) as daemon:
        give(root, "a", {"1.mp4": b"1"})
        (root / "out").rename(root / "away")  # as a disk that is gone
        with pytest.raises(JobError, match=r"status\.json: can't be written"):
            daemon.run_once()
    (root / "away").rename(root / "out")
    assert work(root) == ["a"]
