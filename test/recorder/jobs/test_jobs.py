"""Jobs on disk: their order, their times, and what becomes of them when a recorder starts anew."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.recorder.errors import JobError, NothingWaits, UnknownJob
from rig_capture.recorder.jobs.jobs import KEPT, OVER, WAITING, Job, JobStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds from now."""
    return NOW + timedelta(seconds=seconds)


def nothing_found(job: Job) -> tuple[str, bool]:
    """No session anywhere."""
    return "", False


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    """An empty queue."""
    return JobStore(tmp_path / "jobs")


def test_jobs_without_a_time_run_in_the_order_they_came(store: JobStore) -> None:
    first = store.add(NOW, duration_s=5, label="first")
    second = store.add(at(1), duration_s=5, label="second")
    assert [job.state for job in (first, second)] == ["queued", "queued"]
    claimed = store.claim(at(2))
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.started_at) == (first.id, "running", at(2))
    assert [job.id for job in store.jobs() if job.state in WAITING] == [second.id]


def test_an_appointment_comes_before_who_only_waits(store: JobStore) -> None:
    store.add(NOW, duration_s=5, label="whenever")
    store.add(NOW, duration_s=5, label="appointed", start_at=at(10))
    early = store.claim(at(5))
    assert early is not None
    assert early.label == "whenever"
    store.add(NOW, duration_s=5, label="another")
    due = store.claim(at(10))
    assert due is not None
    assert due.label == "appointed"


def test_nothing_is_claimed_before_its_time_and_late_ones_are_missed(store: JobStore) -> None:
    job = store.add(NOW, duration_s=5, start_at=at(100), grace_s=30)
    assert store.claim(at(99.9)) is None
    assert store.miss(at(130), "too late") == []
    assert store.claim(at(131)) is None
    (missed,) = store.miss(at(131), "too late")
    assert (missed.id, missed.state, missed.reason) == (job.id, "missed", "too late")
    assert store.end(job.id, "done", at(140), "").state == "missed", "what is over stays as it is"


def test_within_its_grace_it_runs_late(store: JobStore) -> None:
    store.add(NOW, duration_s=5, start_at=at(100), grace_s=30)
    claimed = store.claim(at(129))
    assert claimed is not None


def test_a_cancelled_job_does_not_run_and_can_not_be_cancelled_twice(store: JobStore) -> None:
    job = store.add(NOW, duration_s=5)
    assert store.cancel(job.id[:3], NOW, keep_data=False).state == "cancelled"
    assert store.claim(NOW) is None
    with pytest.raises(JobError, match="cancelled already"):
        store.cancel(job.id, NOW, keep_data=False)


def test_of_a_running_job_the_wish_to_cancel_is_noted(store: JobStore) -> None:
    job = store.add(NOW, duration_s=5)
    store.claim(NOW)
    assert (store.cancel(job.id, NOW, keep_data=True).cancel, store.jobs()[0].state) == ("keep", "running")


def test_a_job_that_repeats_comes_again(store: JobStore) -> None:
    store.add(NOW, duration_s=5, start_at=at(60), repeat_s=3600, label="hourly")
    claimed = store.claim(at(60))
    assert claimed is not None
    store.end(claimed.id, "done", at(65), "duration")
    done, following = store.jobs()
    assert (done.state, following.state, following.label) == ("done", "scheduled", "hourly")
    assert following.start_at == at(3660)


def test_what_passed_while_nobody_was_there_is_left_out_at_once(store: JobStore) -> None:
    store.add(NOW, duration_s=5, start_at=at(60), repeat_s=3600)
    store.reconcile(at(10 * 3600), nothing_found)
    missed, following = store.jobs()
    assert missed.state == "missed"
    assert following.start_at == at(10 * 3600 + 60)


def test_nine_o_clock_stays_nine_o_clock_when_the_clocks_change() -> None:
    program = (
        "from datetime import datetime, UTC; from rig_capture.recorder.jobs.jobs import Job;"
        "start = datetime(2026, 3, 28, 9).astimezone();"
        "job = Job(id='00aa11', state='done', created_at=start, start_at=start, duration_s=5, repeat_s=86400);"
        "print(job.again(start).start_at.isoformat())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"TZ": "Europe/Berlin", "PATH": ""}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "2026-03-29T09:00:00+02:00"


def test_a_hurried_job_is_next_and_one_that_repeats_comes_at_its_time_as_well(store: JobStore) -> None:
    later = store.add(NOW, duration_s=5, start_at=at(500), repeat_s=3600)
    hurried = store.hurry(NOW)
    assert hurried.id != later.id
    claimed = store.claim(NOW)
    assert claimed is not None
    assert (claimed.id, claimed.repeat_s) == (hurried.id, 0)
    assert [job.id for job in store.jobs() if job.state == "scheduled"] == [later.id]
    once = JobStore(store._folder.parent / "other")
    job = once.add(NOW, duration_s=5, start_at=at(500))
    assert once.hurry(NOW).id == job.id
    assert once.claim(NOW) is not None
    with pytest.raises(NothingWaits, match="no job waits"):
        once.hurry(NOW)


def test_of_jobs_that_wait_the_one_whose_time_has_come_is_hurried_first_and_none_whose_time_is_over(store: JobStore) -> None:
    store.add(NOW, duration_s=5, start_at=at(-100), grace_s=10)
    with pytest.raises(NothingWaits):
        store.hurry(NOW)
    queued = store.add(at(-200), duration_s=5)
    assert store.hurry(NOW).id == queued.id
    due = store.add(NOW, duration_s=5, start_at=at(-1), repeat_s=3600)
    assert store.hurry(NOW) == due, "it is due already, so nothing needs to be changed"


def test_one_job_alone_can_be_claimed(store: JobStore) -> None:
    store.add(NOW, duration_s=5)
    second = store.add(at(1), duration_s=5)
    claimed = store.claim(at(2), second.id)
    assert claimed is not None
    assert claimed.id == second.id
    assert store.claim(at(2), second.id) is None


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (("", False), "failed", "no session of it was found"),
        (("rec_20261120_120000_aaaa", False), "failed", "what was written is in rec_20261120_120000_aaaa"),
        (("rec_20261120_120000_aaaa", True), "done", "complete"),
    ],
)
def test_what_ran_when_the_recorder_died_is_settled(store: JobStore, found: tuple[str, bool], state: str, words: str) -> None:
    store.add(NOW, duration_s=5)
    store.claim(NOW)
    (changed,) = store.reconcile(at(60), lambda job: found)
    assert (changed.state, changed.recording_id) == (state, found[0])
    assert words in changed.reason


JOBS = st.lists(
    st.fixed_dictionaries(
        {"delay_s": st.one_of(st.none(), st.integers(-500, 500)), "grace_s": st.integers(0, 200), "repeat_s": st.sampled_from([0, 300])}
    ),
    max_size=6,
)


@given(jobs=JOBS, claims=st.integers(0, 3), down_s=st.integers(0, 2000))
def test_after_a_restart_nothing_runs_nothing_is_late_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, jobs: list[dict[str, int | None]], claims: int, down_s: int
) -> None:
    store = JobStore(tmp_path_factory.mktemp("jobs"))
    ids = set()
    for fields in jobs:
        start_at = None if fields["delay_s"] is None else at(fields["delay_s"])
        ids.add(store.add(NOW, duration_s=5, start_at=start_at, grace_s=fields["grace_s"], repeat_s=fields["repeat_s"]).id)
    ran = {claimed.id for _ in range(claims) if (claimed := store.claim(NOW)) is not None}
    now = at(down_s)
    store.reconcile(now, nothing_found)
    after = {job.id: job for job in store.jobs()}
    assert ids <= set(after)
    assert all(after[job_id].state == "failed" for job_id in ran)
    for job in after.values():
        assert job.state != "running"
        assert job.state not in WAITING or not job.is_late(now)
        assert (job.ended_at is not None) == (job.state in OVER)
    repeating = [job for job in after.values() if job.repeat_s and job.state in OVER and job.start_at]
    coming = [job for job in after.values() if job.repeat_s and job.state == "scheduled"]
    assert len(coming) >= (1 if repeating else 0), "a series goes on"
    assert store.reconcile(now, nothing_found) == [], "a second look changes nothing"


def test_a_damaged_file_is_named(store: JobStore, tmp_path: Path) -> None:
    store.add(NOW, duration_s=5)
    (tmp_path / "jobs" / "00ff00.json").write_text("{")
    with pytest.raises(JobError, match=r"00ff00\.json: can't be read as a job"):
        store.jobs()


@pytest.mark.parametrize("fields", [{"duration_s": 0}, {"duration_s": -1}, {"duration_s": float("nan")}, {"duration_s": 5, "labl": "x"}])
def test_wrong_fields_are_named(store: JobStore, fields: dict[str, object]) -> None:
    with pytest.raises(JobError, match=r"duration_s|labl"):
        store.add(NOW, **fields)
    assert store.jobs() == []


@pytest.mark.parametrize("name", ["zzz", "../x", ""])
def test_an_unknown_job_is_an_error(store: JobStore, name: str) -> None:
    store.add(NOW, duration_s=5)
    store.add(NOW, duration_s=5)
    with pytest.raises(UnknownJob):
        store.cancel(name, NOW, keep_data=False)


def test_two_processes_never_claim_the_same_job(store: JobStore, tmp_path: Path) -> None:
    for _ in range(40):
        store.add(NOW, duration_s=5)
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC; from rig_capture.recorder.jobs.jobs import JobStore\n"
        "store = JobStore(Path(sys.argv[1]))\n"
        "while (job := store.claim(datetime(2026, 11, 20, 12, tzinfo=UTC))) is not None: print(job.id)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "jobs")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    claimed = [line for process in both for line in process.communicate(timeout=60)[0].split()]
    assert len(claimed) == len(set(claimed)) == 40


def test_only_the_last_ones_that_are_over_are_kept(store: JobStore) -> None:
    for index in range(3):
        job = store.add(at(index), duration_s=5)
        store.end(job.id, "done", at(index), "")
    for index in range(KEPT):
        (store._folder / f"{index:06x}.json").write_text(
            Job(id=f"{index:06x}", state="done", created_at=at(10 + index), duration_s=1).model_dump_json()
        )
    job = store.add(at(5000), duration_s=5)
    store.end(job.id, "done", at(5000), "")
    assert len(store.jobs()) == KEPT
    assert job.id in {kept.id for kept in store.jobs()}
