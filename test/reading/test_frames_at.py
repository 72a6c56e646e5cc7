"""Frames by time: the nearest to one moment, and to many in one pass."""

from pathlib import Path

import pytest

from rig_capture.reading.errors import Incomplete, ReadingError
from rig_capture.reading.session import open_session
from test.playback.sessions import CAMERA, record_session
from test.recorder.messages import START_NS, video

FRAME_NS = 33_333_333


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A session with 120 frames in several chunks."""
    return record_session(tmp_path / "sessions", {CAMERA: list(video("h264", 120))})


def test_the_nearest_frame_is_found_wherever_the_time_lies(path: Path) -> None:
    front = open_session(path).video("front")
    for away_ns, seq in ((-(10**9), 0), (0, 0), (23 * FRAME_NS + 16_000_000, 23), (23 * FRAME_NS + 17_000_000, 24), (10**12, 119)):
        assert front.frame_at(START_NS + away_ns).seq == seq


def test_each_time_gets_its_frame_also_twice_and_far_apart(path: Path) -> None:
    front = open_session(path).video("front")
    times = [START_NS + index * FRAME_NS for index in (3, 3, 4, 7, 100, 101)]
    assert [frame.seq for frame in front.frames_at(times)] == [3, 3, 4, 7, 100, 101]
    assert list(front.frames_at([])) == []
    with pytest.raises(ValueError, match="must not go back"):
        next(front.frames_at([START_NS + 1, START_NS]))


def test_frames_that_are_gone_are_told(path: Path) -> None:
    last = sorted((path / "front").glob("*.mkv"))[-1]
    last.unlink()
    with pytest.raises(Incomplete):
        open_session(path).video("front").frame_at(START_NS + 119 * FRAME_NS)
    with pytest.raises(ReadingError, match="no frame near"):
        open_session(path, strict=False).video("front").frame_at(START_NS + 119 * FRAME_NS)
