"""Files that do not grow while messages come, and those that never held anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.growth import GrowthWatch, too_small
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec

SETTINGS = {"growth_grace_s": 0.0, "growth_stall_s": 30.0, "storage_reserve": 0}
MIC = StreamSpec("audio", "mic/audio", "rig_capture_msgs/msg/AudioChunk")


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    settings = RecorderParameters.model_validate(SETTINGS)
    context = RecordingContext(settings, tmp_path, {}, {}, lambda: 10**18)
    made = Recording(context, RecordingRequest(), lambda part, failure: None)
    made.add_stream(MIC, "/mic/audio", [])
    yield made
    made.cancel(keep_data=False)


def hear(recording: Recording, now: float) -> None:
    """A message came for the stream; what becomes of it is another matter."""
    recording.counters[0].last_heard = now


def test_a_file_that_stays_as_it_is_while_messages_come_is_stalled_and_no_longer_once_it_grows(recording: Recording) -> None:
    watch = GrowthWatch(recording, RecorderParameters.model_validate(SETTINGS))
    chunk = recording.layout.stream("mic") / "00000.mkv"
    chunk.write_bytes(bytes(100))
    stalled = []
    for now in range(100):
        hear(recording, now)
        (growth,) = watch.look(now + 0.5)
        stalled.append(growth.stalled)
    assert stalled.index(True) == 31
    assert all(stalled[31:])
    assert (growth.part, growth.file, growth.size) == ("mic", "mic/00000.mkv", 100)
    assert growth.unwritten_s == pytest.approx(98)
    assert "mic/00000.mkv stays at 100 bytes for 98 s while messages come" in growth.text
    chunk.write_bytes(bytes(200))
    assert not watch.look(101)[0].stalled


def test_a_silent_source_and_a_slow_one_are_no_stall(recording: Recording) -> None:
    watch = GrowthWatch(recording, RecorderParameters.model_validate(SETTINGS))
    chunk = recording.layout.stream("mic") / "00000.mkv"
    chunk.write_bytes(b"1")
    assert watch.look(0) == [], "nothing was heard of it"
    hear(recording, 0)
    assert not any(watch.look(now)[0].stalled for now in range(100)), "silent"
    for minute in range(2, 5):
        hear(recording, minute * 60)
        assert not watch.look(minute * 60)[0].stalled, "the message has just come"
        chunk.write_bytes(bytes(minute))
        assert not any(watch.look(minute * 60 + second)[0].stalled for second in range(1, 60))


def test_a_stream_without_a_file_is_stalled_too_after_its_grace(recording: Recording) -> None:
    patient = GrowthWatch(recording, RecorderParameters.model_validate(SETTINGS | {"growth_grace_s": 1000.0}))
    watch = GrowthWatch(recording, RecorderParameters.model_validate(SETTINGS))
    for now in range(50):
        hear(recording, now)
        assert patient.look(now) == []
        watch.look(now)
    assert "mic has no file" in watch.look(50)[0].text


def test_streams_with_next_to_nothing_are_told_at_the_end(recording: Recording) -> None:
    session = recording.layout.path
    assert list(too_small(session, recording.counters, 1024)) == [], "no message came"
    hear(recording, 0)
    assert list(too_small(session, recording.counters, 1024)) == [
        "mic: messages came, but its files hold 0 bytes (at least 1024 are expected)"
    ]
    (session / "mic" / "00000.mkv").write_bytes(bytes(2000))
    assert list(too_small(session, recording.counters, 1024)) == []
