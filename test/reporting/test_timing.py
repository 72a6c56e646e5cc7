"""Which time a report shows."""

import pytest

from rig_capture.reporting.timing import axis_of
from rig_capture.session.manifest import Manifest, StreamEntry, StreamKind, iso_time, recording_hash

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 10**9


@pytest.mark.parametrize(
    ("kind", "before_s", "shown_s"),
    [
        ("video", 30, 50),  # kept before a trigger
        ("topic", 2, 22),
        ("topic", 30, 20),  # said long before, and kept for late subscribers
        ("video", 2 * 3600, 20),  # a clock that was not set yet
    ],
)
def test_the_axis_covers_the_recording_and_what_belongs_to_it(kind: StreamKind, before_s: int, shown_s: int) -> None:
    first_ns = START_NS - before_s * SECOND_NS
    stream = StreamEntry(kind=kind, topic="a", type="b", messages=2, first_stamp_ns=first_ns, last_stamp_ns=START_NS + 5 * SECOND_NS)
    manifest = Manifest(
        recording_id="rec_20261120_210311_a1b2",
        recording_hash=recording_hash("rec_20261120_210311_a1b2", "lab"),
        rig="lab",
        node_hostname="host",
        started_at=iso_time(START_NS),
        ended_at=iso_time(START_NS + 20 * SECOND_NS),
        state="complete",
        streams={"a": stream},
    )
    axis = axis_of(manifest)
    assert (axis.stop_ns - axis.start_ns) / SECOND_NS == shown_s
