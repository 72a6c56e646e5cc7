"""The life of recordings without ROS: messages come from a thread here, everything else is real."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.errors import Refused
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.health import StreamHealth
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.states import State
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import sessions_in
from rig_capture.session.manifest import read_manifest
from test.recorder.messages import IMU, START_NS, imu

SPEC = StreamSpec("topic", "imu/data_raw", IMU, required=True, timeout_s=0.2)


class Motion:
    """A stream of an inertial unit, which may be silent."""

    def __init__(self) -> None:
        self.delivers = threading.Event()
        self.delivers.set()
        self.failure: BaseException | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, recording: Recording, give_up: threading.Event, on_failure: Callable[[BaseException], None]) -> None:
        """Begins to deliver."""
        sink = recording.add_stream(SPEC, "/imu/data_raw", [])
        self._ending.clear()

        def deliver() -> None:
            index = 0
            while not self._ending.wait(0.005):
                if self.failure is not None:
                    failure, self.failure = self.failure, None
                    on_failure(failure)
                if self.delivers.is_set():
                    sink.take(imu(START_NS + index * 5_000_000), START_NS + index * 5_000_000)
                    index += 1

        self._thread = threading.Thread(target=deliver, name="motion")
        self._thread.start()

    def why_silent(self, counter: StreamCounter) -> str:
        """The reason per device."""
        return f"{counter.spec.topic}: unplugged"

    def close(self) -> None:
        """Ends."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


class Rig:
    """A manager, watched as the node does it, and all that it told."""

    def __init__(self, root: Path, **settings: object) -> None:
        parameters = RecorderParameters.model_validate(
            {"ready_timeout_s": 0.3, "health_check_s": 0.05, "storage_reserve": 0, "make_room": False} | settings
        )
        self.motion = Motion()
        self.manager = RecordingManager(RecordingContext(parameters, root, {"ros_distro": "jazzy"}, {}, time.time_ns), self.motion)
        self.states: list[str] = []
        self.ended: list[RecordingSummary] = []
        self.health: list[StreamHealth] = []
        self.failed: list[str] = []
        callbacks = self.manager.callbacks
        callbacks.changed.append(lambda: self.states.append(self.manager.state.value))
        callbacks.ended.append(self.ended.append)
        callbacks.unhealthy.append(self.health.append)
        callbacks.failed.append(lambda recording_id, text: self.failed.append(text))

    def until(self, condition: Callable[[], bool]) -> None:
        """Watches until a condition holds."""
        deadline = time.monotonic() + 20
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, "not within 20 s"
            self.manager.watch()
            pause.wait(0.01)


MakeRig = Callable[..., Rig]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[MakeRig]:
    """Makes a rig that is ready."""
    made: list[Rig] = []

    def make(**settings: object) -> Rig:
        made.append(Rig(tmp_path / "sessions", **settings))
        made[-1].manager.ready()
        return made[-1]

    yield make
    for one in made:
        one.manager.close()


def test_before_it_is_ready_nothing_is_begun(tmp_path: Path) -> None:
    manager = Rig(tmp_path).manager
    assert manager.state == State.BOOT
    with pytest.raises(Refused, match="the recorder is boot"):
        manager.begin(RecordingRequest())


def test_a_recording_is_begun_once_and_ended_once(rig: MakeRig) -> None:
    one = rig()
    recording = one.manager.begin(RecordingRequest(label="walk"))
    with pytest.raises(Refused, match=f"{recording.recording_id} is being recorded"):
        one.manager.begin(RecordingRequest())
    summary = one.manager.finish("stopped")
    assert summary is not None
    with pytest.raises(Refused, match="no recording runs"):
        one.manager.finish("stopped")
    assert [ended.recording_id for ended in one.ended] == [recording.recording_id]
    one.until(lambda: verify_session(summary.path).whole)
    assert [state for index, state in enumerate(one.states) if one.states[index - 1 : index] != [state]][:5] == [
        "idle",
        "starting",
        "recording",
        "stopping",
        "idle",
    ]


def test_a_device_that_is_not_ready_in_time_is_named_and_nothing_is_left(rig: MakeRig, tmp_path: Path) -> None:
    one = rig()
    one.motion.delivers.clear()
    with pytest.raises(Refused, match="imu/data_raw: unplugged"):
        one.manager.begin(RecordingRequest())
    assert (one.manager.state, one.manager.detail) == (State.IDLE, "start refused: imu/data_raw: unplugged")
    assert list((tmp_path / "sessions").iterdir()) == []
    one.motion.delivers.set()
    assert one.manager.begin(RecordingRequest())


def test_only_the_recording_meant_is_ended(rig: MakeRig) -> None:
    one = rig()
    recording_id = one.manager.begin(RecordingRequest()).recording_id
    with pytest.raises(Refused, match="is not being recorded any more"):
        one.manager.finish("stopped", "rec_20260101_000000_0000")
    assert one.manager.finish("stopped", recording_id) is not None


def test_silence_and_recovery_are_told(rig: MakeRig) -> None:
    one = rig()
    one.manager.begin(RecordingRequest())
    one.motion.delivers.clear()
    one.until(lambda: len(one.health) == 1)
    assert (one.health[0].recovered, one.manager.silent) == (False, [one.health[0]])
    assert "imu/data_raw: silent for" in one.manager.detail
    one.motion.delivers.set()
    one.until(lambda: len(one.health) == 2)
    assert (one.health[1].recovered, one.manager.silent, one.manager.detail) == (True, [], "")


@pytest.mark.parametrize(("failure", "reason"), [(ValueError("odd"), "error"), (OSError(28, "No space left on device"), "disk_full")])
def test_a_failure_ends_the_session_once_with_what_was_written(rig: MakeRig, failure: BaseException, reason: str) -> None:
    one = rig()
    one.manager.begin(RecordingRequest())
    one.motion.failure = failure
    one.until(lambda: bool(one.ended))
    one.until(lambda: verify_session(one.ended[0].path).whole)
    assert [(ended.state, ended.end_reason) for ended in one.ended] == [("complete", reason)]
    assert read_manifest(one.ended[0].path).streams["imu/data_raw"].messages > 0
    assert len(one.failed) == 1
    assert one.manager.state == State.IDLE


def test_its_time_ends_a_recording(rig: MakeRig) -> None:
    one = rig()
    one.manager.begin(RecordingRequest(duration_s=0.3))
    one.until(lambda: bool(one.ended))
    assert one.ended[0].end_reason == "duration"


def test_its_time_counts_from_when_every_required_device_is_written(rig: MakeRig) -> None:
    one = rig(ready_timeout_s=60)
    one.motion.delivers.clear()
    late = threading.Timer(0.6, one.motion.delivers.set)
    late.start()
    one.manager.begin(RecordingRequest(duration_s=0.5))
    begun = time.monotonic()
    one.until(lambda: bool(one.ended))
    assert time.monotonic() - begun > 0.4
    late.join()


def test_a_start_is_given_up_at_once(rig: MakeRig, tmp_path: Path) -> None:
    one = rig(ready_timeout_s=300)
    one.motion.delivers.clear()
    refused: list[str] = []

    def begin() -> None:
        try:
            one.manager.begin(RecordingRequest())
        except Refused as error:
            refused.append(str(error))

    starting = threading.Thread(target=begin)
    starting.start()
    one.until(lambda: one.manager.state == State.STARTING)
    assert one.manager.give_up_start()
    starting.join()
    assert refused == ["the start was given up on request"]
    assert not one.manager.give_up_start()
    assert sessions_in(tmp_path / "sessions") == []


@pytest.mark.parametrize("keep", [True, False])
def test_a_cancelled_recording_is_kept_or_dropped(rig: MakeRig, tmp_path: Path, keep: bool) -> None:
    one = rig()
    one.manager.begin(RecordingRequest())
    summary = one.manager.cancel(keep_data=keep)
    assert summary is not None
    assert summary.state == "cancelled"
    kept = sessions_in(tmp_path / "sessions")
    assert [session.name for session in kept] == ([summary.recording_id] if keep else [])
    one.until(lambda: not keep or read_manifest(kept[0]).state == "cancelled")


def test_at_the_limit_a_start_asks_for_room_and_is_refused_where_none_is_made(rig: MakeRig, tmp_path: Path) -> None:
    one = rig(storage_limit=1000)
    (tmp_path / "sessions" / "old").write_bytes(bytes(2000))
    asked: list[int] = []

    def ask() -> Callable[[], bool]:
        asked.append(1)
        return lambda: True

    one.manager.room.ask = ask
    with pytest.raises(Refused, match="of the limit of"):
        one.manager.begin(RecordingRequest())
    assert asked
    (tmp_path / "sessions" / "old").unlink()
    assert one.manager.begin(RecordingRequest())


def test_a_recording_at_the_limit_waits_for_a_look_that_is_under_way(rig: MakeRig) -> None:
    one = rig(storage_limit=100_000)
    looked, asked = threading.Event(), threading.Event()

    def ask() -> Callable[[], bool]:
        asked.set()
        return looked.is_set

    one.manager.room.ask = ask
    one.manager.begin(RecordingRequest())
    recording = one.manager.recording
    assert recording is not None
    one.until(lambda: recording.bytes > 110_000)
    assert one.ended == []
    assert asked.is_set()
    looked.set()
    one.until(lambda: bool(one.ended))
    assert one.ended[0].end_reason == "storage_limit"


def test_closing_finishes_the_recording_and_nothing_is_begun_any_more(rig: MakeRig) -> None:
    one = rig()
    one.manager.begin(RecordingRequest())
    one.manager.close()
    assert [ended.end_reason for ended in one.ended] == ["stopped"]
    assert verify_session(one.ended[0].path).whole
    with pytest.raises(Refused, match="is ending"):
        one.manager.begin(RecordingRequest())


def test_what_the_finishers_thread_dies_of_is_raised_to_the_owner_and_every_session_is_whole(rig: MakeRig) -> None:
    def fail(summary: RecordingSummary) -> None:
        raise RuntimeError("nobody hears of it")

    one = rig()
    one.manager.finisher.check()
    one.manager.callbacks.complete.append(fail)
    one.manager.begin(RecordingRequest())
    summary = one.manager.finish("stopped")
    assert summary is not None
    assert verify_session(summary.path).whole
    with pytest.raises(RuntimeError, match="nobody hears of it"):
        one.manager.finisher.check()
