"""Health events in a session: listed and hashed, also after a crash, and never in the way of the recording."""

import shutil
from pathlib import Path

import pytest

from rig_capture.health.events import Event
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.repair.repair import repair_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import iso_time, read_manifest
from test.health.parts import problem
from test.parts import wait_until
from test.recorder.messages import IMU, START_NS, imu


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """A recording of one topic, with some messages."""
    context = RecordingContext(RecorderParameters(), tmp_path / "sessions", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    begun = Recording(context, RecordingRequest(), lambda name, failure: None)
    motion = begun.add_stream(StreamSpec("topic", "imu/data_raw", IMU), "/imu/data_raw", [])
    begun.write_down()
    for index in range(10):
        motion.take(imu(START_NS + index), START_NS + index)
    return begun


def events_in(session: Path) -> list[Event]:
    return [Event.parse(line) for line in (session / "health.jsonl").read_bytes().splitlines()]


def test_events_are_in_the_session_each_once_and_on_the_manifest(recording: Recording) -> None:
    events = [problem(1), problem(2), problem(1, recovered=True)]
    for event in (*events, events[0]):
        assert recording.health.put(event)
    summary = recording.finish("complete", "stopped")
    assert events_in(summary.path) == events
    verdict = verify_session(summary.path)
    assert verdict.whole, verdict.damages
    (entry,) = (entry for entry in read_manifest(summary.path).files if entry.kind == "health")
    assert (entry.path, entry.size) == ("health.jsonl", (summary.path / "health.jsonl").stat().st_size)
    assert (entry.started_at, entry.ended_at) == (iso_time(events[0].stamp_ns), iso_time(events[1].stamp_ns))


def test_a_session_without_events_has_no_file_of_them(recording: Recording) -> None:
    summary = recording.finish("complete", "stopped")
    assert not (summary.path / "health.jsonl").exists()
    assert verify_session(summary.path).whole


def test_after_a_crash_the_events_are_on_the_manifest(recording: Recording, tmp_path: Path) -> None:
    recording.health.put(problem(1))
    recording.health.put(problem(2))
    live = recording.layout.path
    wait_until(lambda: (live / "health.jsonl").exists() and len(events_in(live)) == 2, "the events are written")
    copy = tmp_path / "crashed" / live.name
    shutil.copytree(live, copy)
    recording.finish("complete", "stopped")
    repaired = repair_session(copy)
    assert [entry.path for entry in repaired.manifest.files if entry.kind == "health"] == ["health.jsonl"]
    verdict = verify_session(copy)
    assert verdict.whole, verdict.damages
    assert events_in(copy) == [problem(1), problem(2)]


def test_a_file_of_events_that_can_not_be_written_does_not_end_the_recording(recording: Recording) -> None:
    recording.layout.health.mkdir()
    recording.health.put(problem(1))
    summary = recording.finish("complete", "stopped")
    assert (summary.state, summary.end_reason) == ("complete", "stopped")
    assert verify_session(summary.path).whole
