"""The arithmetic of NTP exchanges, with simulated delays."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rig_capture.sensing.clock import Exchange, best_exchange, boot_id

Delays = tuple[int, int, int]
"""There, at the reference, and back, in ns."""

delays = st.tuples(st.integers(1000, 10**8), st.integers(0, 10**7), st.integers(1000, 10**8))
offsets = st.integers(-(10**15), 10**15)


def exchange(offset_ns: int, delay: Delays, start_ns: int = 1_800_000_000_000_000_000) -> Exchange:
    """What two clocks see that are `offset_ns` apart."""
    there, at_reference, back = delay
    received = start_ns + there
    answered = received + at_reference
    return Exchange(start_ns, received + offset_ns, answered + offset_ns, answered + back)


@given(offsets, delays)
def test_the_error_is_half_the_round_trip_at_most(offset_ns: int, delay: Delays) -> None:
    seen = exchange(offset_ns, delay)
    assert seen.round_trip_ns == delay[0] + delay[2]
    assert abs(seen.offset_ns - offset_ns) <= seen.round_trip_ns / 2 + 1


@given(offsets, st.integers(1000, 10**8), st.integers(0, 10**7))
def test_equal_ways_give_the_true_offset(offset_ns: int, way: int, at_reference: int) -> None:
    assert exchange(offset_ns, (way, at_reference, way)).offset_ns == offset_ns


@given(offsets, st.lists(delays, min_size=1))
def test_the_exchange_with_the_least_round_trip_counts(offset_ns: int, many: list[Delays]) -> None:
    best = best_exchange(exchange(offset_ns, delay) for delay in many)
    assert best is not None
    assert best.round_trip_ns == min(there + back for there, _, back in many)


def test_no_answer_gives_no_offset() -> None:
    assert best_exchange([]) is None


def test_the_boot_id_is_the_kernels(tmp_path: Path) -> None:
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot_id(str(tmp_path)) == ""
