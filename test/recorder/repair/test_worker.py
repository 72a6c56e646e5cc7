"""What an earlier recorder left is repaired in a thread; whatever one session is like, the others are repaired."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.repair.worker import RepairWorker
from rig_capture.session.layout import SessionLayout
from rig_capture.session.removal import REMOVING
from test.recorder.messages import START_NS


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A storage folder with two sessions whose recorder died, the older one first."""
    folder = tmp_path / "sessions"
    context = RecordingContext(RecorderParameters(), folder, {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    died = [
        Recording(context, RecordingRequest(recording_id=f"20260101-00000{index}-abcdef"), lambda name, failure: None) for index in (1, 2)
    ]
    for recording in died:
        recording.release()
    yield folder
    for recording in died:
        recording.cancel(keep_data=True)


def repaired(root: Path, tell: Callable[[RecordingSummary], None]) -> tuple[RepairWorker, list[tuple[str, str]]]:
    """The worker when it is done, and what it told of failures."""
    failed: list[tuple[str, str]] = []
    worker = RepairWorker(root, tell, lambda session, text: failed.append((session, text)))
    worker.start()
    worker.join()
    assert worker.failed == [text for _, text in failed]
    return worker, failed


def test_a_session_that_fails_unexpectedly_keeps_no_other_from_its_repair(root: Path) -> None:
    told: list[str] = []

    def tell(summary: RecordingSummary) -> None:
        told.append(summary.recording_id)
        if len(told) == 1:
            raise RuntimeError("nobody thought of this")

    _, failed = repaired(root, tell)
    first, second = sorted(path.name for path in root.iterdir())
    assert told == [first, second]
    ((session, text),) = failed
    assert session == first
    assert text.startswith(f"{first} could not be repaired: RuntimeError: nobody thought of this; it is tried again")
    assert SessionLayout(root / second).complete_mark.exists()


def test_what_can_not_be_looked_at_or_removed_is_told_and_keeps_no_session_from_its_repair(root: Path) -> None:
    first, second = sorted(root.iterdir())
    lock = SessionLayout(first).lock
    lock.rename(lock.with_name("kept"))
    lock.symlink_to(lock)
    (root / f"{REMOVING}nothing").write_bytes(b"no folder")
    told: list[str] = []
    _, failed = repaired(root, lambda summary: told.append(summary.recording_id))
    lock.unlink()
    assert told == [second.name]
    assert [session for session, _ in failed] == ["", first.name]
    assert "an interrupted removal can't be finished: " in failed[0][1]
    assert failed[1][1].startswith(f"{first.name} can't be looked at: ")
