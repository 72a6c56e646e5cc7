"""`rig jobs`: the queue, while no rig is up."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rig_capture.cli import main
from rig_capture.profiles.places import jobs_dir
from rig_capture.recorder.jobs.jobs import JobStore

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_rig(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No rig is up."""
    monkeypatch.setenv("RIG_CAPTURE_RUNTIME_DIR", str(tmp_path))


def added(capsys: Out, *arguments: str) -> dict[str, Any]:
    """A job just added."""
    assert main(["jobs", "add", *arguments, "--json"]) == 0
    job: dict[str, Any] = json.loads(capsys.readouterr().out)
    return job


def listed(capsys: Out) -> list[dict[str, Any]]:
    """All jobs."""
    assert main(["jobs", "list", "--json"]) == 0
    jobs: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["jobs"]
    return jobs


def test_a_job_is_added_listed_and_cancelled(capsys: Out) -> None:
    job = added(capsys, "--seconds", "1h30m", "--in", "10m", "--label", "walk", "--participant", "p01", "--topic", "a", "--topic", "b")
    start_at = datetime.fromisoformat(job["start_at"])
    assert timedelta(minutes=9) < start_at - datetime.now(UTC) <= timedelta(minutes=10)
    assert (job["state"], job["duration_s"], job["label"], job["participant"], job["topics"]) == (
        "scheduled",
        5400,
        "walk",
        "p01",
        ["a", "b"],
    )
    assert [found["id"] for found in listed(capsys)] == [job["id"]]
    assert main(["jobs", "cancel", job["id"][:4]]) == 0
    capsys.readouterr()
    assert listed(capsys)[0]["state"] == "cancelled"
    assert main(["jobs", "list"]) == 0
    assert "cancelled" in capsys.readouterr().out
    assert main(["jobs", "run-next"]) == 2
    assert "no job waits" in capsys.readouterr().err


def test_times_are_this_machines_and_a_time_of_day_is_the_next_such(capsys: Out) -> None:
    tomorrow = datetime.now().astimezone() + timedelta(days=1)
    job = added(capsys, "--seconds", "5", "--at", f"{tomorrow:%Y-%m-%d %H:%M:%S}", "--every", "1d")
    assert datetime.fromisoformat(job["start_at"]) == tomorrow.replace(microsecond=0)
    assert job["repeat_s"] == 86400
    before = datetime.now().astimezone() - timedelta(minutes=5)
    job = added(capsys, "--seconds", "5", "--at", f"{before:%H:%M}")
    assert timedelta(0) < datetime.fromisoformat(job["start_at"]) - datetime.now(UTC) < timedelta(days=1)


def test_every_rig_has_its_own_queue(capsys: Out) -> None:
    added(capsys, "--seconds", "5", "--namespace", "lab/one", "--domain", "7")
    assert listed(capsys) == []
    assert len(JobStore(jobs_dir("/lab/one", 7)).jobs()) == 1
    added(capsys, "--seconds", "5")
    assert len(JobStore(jobs_dir("/", int(os.environ["ROS_DOMAIN_ID"]))).jobs()) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add"], 2),
        (["add", "--seconds", "5x"], 2),
        (["add", "--seconds", "0"], 1),
        (["add", "--seconds", "5", "--at", "yesterday"], 2),
        (["add", "--seconds", "5", "--at", "2020-01-01 09:00"], 2),
        (["add", "--seconds", "5", "--at", "25:00"], 2),
        (["add", "--seconds", "5", "--at", "09:00", "--in", "5m"], 2),
        (["add", "--seconds", "5", "--every", "1d"], 2),
        (["cancel", "abc"], 1),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_adds_nothing(capsys: Out, arguments: list[str], code: int) -> None:
    assert main(["jobs", *arguments]) == code
    assert capsys.readouterr().err
    assert listed(capsys) == []
