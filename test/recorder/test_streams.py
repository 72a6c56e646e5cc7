"""What is counted of one stream."""

import pytest

from rig_capture.recorder.streams import StreamCounter, StreamSpec

SPEC = StreamSpec("video", "camera/video", "rig_capture_msgs/msg/VideoPacket")
SECOND = 1_000_000_000


def test_a_source_that_begins_anew_leaves_a_gap_with_its_bounds() -> None:
    counter = StreamCounter(SPEC)
    for stamp_s, pts_s in ((0, 0), (1, 1), (7, 0), (8, 1)):
        counter.written(stamp_s * SECOND, 1, pts_s * SECOND)
    assert [(gap.from_ns, gap.to_ns, gap.reason) for gap in counter.gaps] == [(SECOND, 7 * SECOND, "source lost")]


def test_a_driver_that_gives_no_time_of_its_own_has_no_gaps() -> None:
    counter = StreamCounter(SPEC)
    for stamp in range(100):
        counter.written(stamp * SECOND // 30, 1, 0)
    assert counter.gaps == []


def test_a_source_that_flickers_for_days_is_told_of_in_bounded_room() -> None:
    counter = StreamCounter(SPEC)
    for number in range(5000):
        counter.written(number * SECOND, 1, (number + 1) % 2)
    assert len(counter.gaps) == 1000
    assert counter.gaps[-1].reason == "interrupted again and again"
    assert counter.gaps[0].from_ns == 0
    assert counter.gaps[-1].to_ns == 4999 * SECOND


def test_messages_that_come_all_at_once_are_no_high_rate() -> None:
    counter = StreamCounter(SPEC)
    assert counter.rate_hz == 0
    for _ in range(3):
        counter.received()
    assert 1 < counter.rate_hz <= 2


def test_what_tells_of_changes_has_no_gaps() -> None:
    counter, changes = StreamCounter(SPEC), StreamCounter(SPEC, tells_of_changes=True)
    for stamp_s in (0, 1, 2, 60):
        counter.written(stamp_s * SECOND, 1)
        changes.written(stamp_s * SECOND, 1)
    assert [(gap.from_ns, gap.to_ns) for gap in counter.gaps] == [(2 * SECOND, 60 * SECOND)]
    assert changes.gaps == []


def test_states_of_several_publishers_tell_no_rate() -> None:
    states = StreamCounter(StreamSpec("topic", "tf_static", "tf2_msgs/msg/TFMessage"), tells_of_changes=True)
    for stamp_ns in (500_000, 400_000, 352_700):
        states.written(stamp_ns, 100)
    assert states.mean_rate_hz is None
    states.written(5_000_000_000, 100)
    assert states.mean_rate_hz == pytest.approx(0.6, rel=0.01)


def test_a_short_recording_has_its_rate() -> None:
    samples = StreamCounter(StreamSpec("topic", "imu/data_raw", "sensor_msgs/msg/Imu"))
    for index in range(20):
        samples.written(index * 5_000_000, 300)
    assert samples.mean_rate_hz == pytest.approx(200)
