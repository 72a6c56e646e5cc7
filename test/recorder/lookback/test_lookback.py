"""The look-back buffer: whatever comes in whatever order, its bounds hold and what it gives can be decoded."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from rig_capture.recorder.lookback.buffer import Kept, LookBack

MS = 1_000_000
NAMES = ("camera", "second", "imu", "state")


@dataclass(frozen=True)
class Arrival:
    stream: str
    after_ms: int
    size: int
    keyframe: bool


arrivals = st.lists(
    st.builds(Arrival, st.sampled_from(NAMES), st.integers(0, 400), st.integers(1, 300), st.booleans()), min_size=1, max_size=120
)


def buffer(keep_s: float, limit: int) -> LookBack:
    """A buffer of two cameras, an IMU and a latched state."""
    kept = LookBack(keep_s, limit)
    for name in ("camera", "second"):
        kept.add_stream(name, grouped=True)
    kept.add_stream("imu", grouped=False)
    kept.add_stream("state", grouped=False, latched=True)
    return kept


def fill(kept: LookBack, coming: list[Arrival], limit: int) -> list[tuple[str, bytes, int, bool]]:
    """Puts all in, looking at the bound of bytes after each; returns all that came, in order."""
    now, came = 0, []
    for number, arrival in enumerate(coming):
        now += arrival.after_ms * MS
        keyframe = arrival.keyframe or arrival.stream in ("imu", "state")
        data = number.to_bytes(4, "big") + bytes(arrival.size)
        kept.put(arrival.stream, Kept(data, now), keyframe=keyframe)
        came.append((arrival.stream, data, now, keyframe))
        assert 0 <= kept.bytes <= limit
    return came


@given(arrivals, st.floats(0.1, 5), st.integers(50, 5000))
def test_bounds_hold_order_is_kept_and_video_begins_at_a_keyframe(coming: list[Arrival], keep_s: float, limit: int) -> None:
    kept = buffer(keep_s, limit)
    came = fill(kept, coming, limit)
    newest = came[-1][2]
    edge = newest - int(keep_s * 1e9)
    taken = kept.take(edge)
    numbers = [int.from_bytes(message.data[:4], "big") for _, message in taken]
    assert numbers == sorted(numbers), "in the order of arrival"
    for name in NAMES:
        own = [came[number] for number in numbers if came[number][0] == name]
        if not own:
            continue
        before = [entry for entry in own if entry[2] < edge]
        if name == "imu":
            assert not before, "nothing older than the bound"
        elif name == "state":
            assert len(before) <= 1
        else:
            assert own[0][3], "it begins at a keyframe"
            assert sum(entry[3] for entry in own if entry[2] <= edge) <= 1, "no more than the group that the first picture needs"
            positions = [index for index, entry in enumerate(came) if entry[0] == name]
            start = positions.index(next(index for index, entry in enumerate(came) if entry is own[0]))
            assert own == [came[index] for index in positions[start:]], "nothing is missing in between"
    assert kept.bytes == 0
    assert kept.take(edge) == []


@given(arrivals, st.floats(0.1, 5))
def test_within_the_bytes_everything_of_the_last_seconds_is_there(coming: list[Arrival], keep_s: float) -> None:
    kept = buffer(keep_s, 10**9)
    came = fill(kept, coming, 10**9)
    edge = came[-1][2] - int(keep_s * 1e9)
    taken = {message.data for _, message in kept.take(edge)}
    seen_keyframe: set[str] = set()
    for name, data, received_ns, keyframe in came:
        if keyframe:
            seen_keyframe.add(name)
        if received_ns >= edge and name in seen_keyframe:
            assert data in taken


def test_a_hold_keeps_what_a_trigger_asked_for_while_the_session_is_made() -> None:
    kept = buffer(1.0, 10**6)
    for index in range(10):
        kept.put("imu", Kept(b"x", index * 100 * MS))
    kept.hold(0)
    for index in range(10, 30):
        kept.put("imu", Kept(b"x", index * 100 * MS))
    assert kept.oldest_ns(0) == 0
    assert len(kept.take(0)) == 30
    for index in range(30, 60):
        kept.put("imu", Kept(b"x", index * 100 * MS))
    assert len(kept.take(0)) == 11, "the hold ended with the taking"


def test_a_latched_state_stays_and_counts_as_received_at_the_beginning() -> None:
    kept = buffer(1.0, 10**6)
    kept.put("state", Kept(b"online", 0, lost_dds=1))
    for index in range(50):
        kept.put("imu", Kept(b"x", index * 100 * MS))
    taken = dict(kept.take(4_000 * MS))
    assert taken["state"] == Kept(b"online", 4_000 * MS, lost_dds=1)


def test_a_message_beyond_the_limit_is_not_kept_nor_what_needs_it() -> None:
    kept = buffer(10.0, 100)
    assert kept.put("camera", Kept(bytes(50), 0))
    assert not kept.put("camera", Kept(bytes(200), MS), keyframe=False)
    assert not kept.put("camera", Kept(bytes(10), 2 * MS), keyframe=False)
    assert kept.put("camera", Kept(bytes(10), 3 * MS))
    assert len(kept.take(0)) == 1
