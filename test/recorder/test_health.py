"""Streams that fall silent while they are recorded."""

from rig_capture.recorder.health import StreamWatch
from rig_capture.recorder.streams import StreamCounter, StreamSpec


def counter(heard: float | None, *, required: bool = True, timeout_s: float = 2.0) -> StreamCounter:
    """A stream last heard at that time."""
    stream = StreamCounter(StreamSpec("topic", "imu/data_raw", "sensor_msgs/msg/Imu", required, timeout_s))
    stream.last_heard = heard
    return stream


def test_silence_and_recovery_are_each_told_once() -> None:
    watch, stream = StreamWatch(60.0), counter(100.0)
    assert watch.look([stream], 101.9) == []
    (fell,) = watch.look([stream], 102.5)
    assert (fell.stream, fell.recovered, fell.silent_s) == ("imu/data_raw", False, 2.5)
    assert watch.look([stream], 103.5) == []
    assert watch.silent == [fell]
    stream.last_heard = 110.0
    (back,) = watch.look([stream], 110.1)
    assert (back.recovered, back.silent_s) == (True, 10.0)
    assert watch.silent == []
    assert watch.look([stream], 111.0) == []


def test_a_stream_that_was_never_heard_is_given_its_time_too() -> None:
    watch, stream = StreamWatch(60.0), counter(None)
    assert watch.look([stream], 10.0) == []
    assert [change.recovered for change in watch.look([stream], 12.5)] == [False]


def test_streams_that_are_not_required_may_be_silent() -> None:
    assert StreamWatch(1.0).look([counter(0.0, required=False)], 1000.0) == []


def test_a_stream_without_a_time_of_its_own_has_that_of_the_settings() -> None:
    watch, stream = StreamWatch(5.0), counter(0.0, timeout_s=0.0)
    assert watch.look([stream], 4.9) == []
    assert len(watch.look([stream], 5.1)) == 1


def test_the_time_stands_in_the_recorders_parameter() -> None:
    assert StreamSpec.parse("topic imu/data_raw sensor_msgs/msg/Imu required 2.5").timeout_s == 2.5
    assert StreamSpec.parse("topic imu/data_raw sensor_msgs/msg/Imu required").timeout_s == 0.0
