"""Jobs, worked off by a real recorder: live, at their time, across its restarts and deaths."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rig_capture_msgs.msg import RecorderStatus
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.cli import main
from rig_capture.nodes.common.base import state_qos
from rig_capture.profiles.places import jobs_dir
from rig_capture.recorder.jobs.jobs import OVER, Job, JobStore
from rig_capture.session.layout import sessions_in
from rig_capture.session.manifest import read_manifest
from test.integration.nodes import Ear
from test.integration.recorders import IMU, Call, Start

pytestmark = pytest.mark.usefixtures("sensors")


@pytest.fixture
def store(namespace: str) -> JobStore:
    """The jobs of this test's rig."""
    return JobStore(jobs_dir(namespace, int(os.environ["ROS_DOMAIN_ID"])))


@pytest.fixture
def until_job(ear: Ear, store: JobStore) -> Callable[[str, str], Job]:
    """Waits until a job is in a state."""

    def wait(job_id: str, state: str) -> Job:
        def job() -> Job:
            return next(job for job in store.jobs() if job.id == job_id)

        ear.until(lambda: job().state == state or job().state in OVER, f"job {state}", 60)
        assert job().state == state, job()
        return job()

    return wait


UntilJob = Callable[[str, str], Job]


def in_seconds(seconds: float) -> datetime:
    """So many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_jobs_of_a_rig_that_was_down_are_recorded_one_after_the_other_and_new_ones_are_seen_live(
    recorder: Start, store: JobStore, until_job: UntilJob, tmp_path: Path, namespace: str, ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    first = store.add(datetime.now(UTC), duration_s=0.6, label="first", participant="p01")
    second = store.add(datetime.now(UTC), duration_s=0.4, label="second")
    recorder(IMU)
    done = until_job(second.id, "done")
    earlier = next(job for job in store.jobs() if job.id == first.id)
    assert earlier.state == "done"
    assert earlier.ended_at is not None
    assert done.started_at is not None
    assert earlier.ended_at <= done.started_at
    assert done.reason.startswith("duration after 0.")
    sessions = sessions_in(tmp_path / "sessions")
    assert [session.name for session in sessions] == [earlier.recording_id, done.recording_id]
    assert [read_manifest(session).label for session in sessions] == ["first", "second"]
    assert main(["jobs", "add", "--seconds", "0.3", "--in", "1s", "--label", "third", "--namespace", namespace]) == 0
    job_id = capsys.readouterr().out.split()[1].rstrip(":")
    third = until_job(job_id, "done")
    assert third.started_at is not None
    assert third.start_at is not None
    assert timedelta(0) <= third.started_at - third.start_at < timedelta(seconds=10)


def test_a_running_job_can_be_cancelled(recorder: Start, store: JobStore, until_job: UntilJob, ear: Ear, tmp_path: Path) -> None:
    recorder(IMU)
    for keep, left in ((False, 0), (True, 1)):
        job = store.add(datetime.now(UTC), duration_s=600)
        ear.until(lambda job=job: any(found.id == job.id and found.recording_id for found in store.jobs()), "the recording")  # type: ignore[misc]
        store.cancel(job.id, datetime.now(UTC), keep_data=keep)
        until_job(job.id, "cancelled")
        sessions = sessions_in(tmp_path / "sessions")
        assert len(sessions) == left
        assert all(read_manifest(session).state == "cancelled" for session in sessions)


def test_a_job_waits_for_a_recording_that_runs_and_misses_its_time_where_that_takes_too_long(
    recorder: Start, store: JobStore, until_job: UntilJob, call: Call
) -> None:
    recorder(IMU)
    assert call(StartRecording, "start_recording").success
    waits = store.add(datetime.now(UTC), duration_s=0.3)
    late = store.add(datetime.now(UTC), duration_s=0.3, start_at=in_seconds(0.1), grace_s=0.2)
    until_job(late.id, "missed")
    assert next(job for job in store.jobs() if job.id == waits.id).state == "queued"
    assert call(StopRecording, "stop_recording").success
    until_job(waits.id, "done")


def test_a_job_whose_device_is_silent_fails_with_the_reason(recorder: Start, store: JobStore, until_job: UntilJob) -> None:
    recorder("topic nowhere sensor_msgs/msg/Imu required", ready_timeout_s=0.3)
    job = store.add(datetime.now(UTC), duration_s=1)
    assert "nowhere: nobody publishes it" in until_job(job.id, "failed").reason


def test_a_recorder_that_is_killed_fails_its_job_names_the_session_and_goes_on_with_the_next(
    recorder: Start, store: JobStore, until_job: UntilJob, ear: Ear, namespace: str
) -> None:
    statuses: list[RecorderStatus] = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    node = recorder(IMU)
    job = store.add(datetime.now(UTC), duration_s=600, label="long")
    missed = store.add(datetime.now(UTC), duration_s=1, start_at=in_seconds(0.2), grace_s=0.1)
    ear.until(lambda: bool(statuses) and statuses[-1].elapsed_s > 0.5, "a recording")
    until_job(missed.id, "missed")
    node.process.send_signal(signal.SIGKILL)
    node.process.wait()
    recording_id = statuses[-1].recording_id
    passed = store.add(datetime.now(UTC), duration_s=1, start_at=datetime.now(UTC) - timedelta(seconds=100), grace_s=1)
    within = store.add(datetime.now(UTC), duration_s=0.3, start_at=datetime.now(UTC) - timedelta(seconds=100), grace_s=3600)
    recorder(IMU)
    failed = until_job(job.id, "failed")
    assert failed.recording_id == recording_id
    assert f"what was written is in {recording_id}" in failed.reason
    assert "while no recorder ran" in until_job(passed.id, "missed").reason
    until_job(within.id, "done")


def test_a_rig_that_is_taken_down_ends_its_job_and_says_how_much_there_is(
    recorder: Start, store: JobStore, until_job: UntilJob, ear: Ear
) -> None:
    node = recorder(IMU)
    job = store.add(datetime.now(UTC), duration_s=600)
    ear.until(lambda: any(found.recording_id for found in store.jobs()), "the recording")
    code, _ = node.end(signal.SIGTERM)
    assert code == 0, node.said
    assert "stopped after" in until_job(job.id, "done").reason
