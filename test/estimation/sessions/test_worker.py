"""Finished sessions are estimated stream by stream; what fails is left alone in the end, and what is in use waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.worker import UploadWorker
from rig_capture.estimation.listing import estimated_by
from rig_capture.estimation.predictions import read_predictions
from rig_capture.estimation.sessions.notes import FailureNotes, NotesError
from rig_capture.estimation.sessions.report import ESTIMATING, IDLE, PAUSED, WAITING, EstimatorReport, Outcome
from rig_capture.estimation.sessions.worker import EstimateWorker
from rig_capture.profiles.settings.estimation import EstimatorParameters
from rig_capture.profiles.settings.uploader import UploaderParameters
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from test.estimation.sessions.parts import install_models, record
from test.parts import alive, wait_until


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of sessions, with models that misbehave installed."""
    install_models(tmp_path / "models", monkeypatch)
    return tmp_path / "sessions"


class Watched(EstimateWorker):
    """A worker whose words are kept."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.outcomes: list[Outcome] = []
        self.states: list[EstimatorReport] = []
        given = {"storage_path": str(root), "model": "plain", "nice": 5} | settings
        notes = root.parent / "notes.json"
        super().__init__(EstimatorParameters.model_validate(given), notes, self.states.append, self.outcomes.append)

    def until(self, condition: Callable[["Watched"], bool], what: str) -> None:
        """Waits for something it told."""

        def holds() -> bool:
            self.check()
            return condition(self)

        wait_until(holds, f"{what} (told: {self.report()})")


@contextmanager
def working(root: Path, **settings: object) -> Iterator[Watched]:
    """A worker while the block runs."""
    worker = Watched(root, **settings)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def children() -> list[psutil.Process]:
    """Processes that estimate now."""
    return [child for child in psutil.Process().children() if any("sessions.child" in word for word in child.cmdline())]


def test_every_chosen_stream_is_estimated_and_lies_in_its_session(root: Path) -> None:
    sessions = [record(root, "camera_front", "camera_side", "robot"), record(root, "camera_front")]
    with working(root, streams=("camera_*",), workers=2) as worker:
        worker.until(lambda it: it.report().streams_done == 3 and it.report().state == IDLE, "three streams")
        third = record(root, "camera_top")
        worker.wake()
        worker.until(lambda it: it.report().streams_done == 4, "one more")
    assert estimated_by(sessions[0]) == {"camera_front": ("plain",), "camera_side": ("plain",)}
    predictions = read_predictions(third / "estimates/camera_top.plain.json")
    assert (predictions.video.frames, predictions.video.stream, predictions.video.recording_id) == (12, "camera_top", third.name)
    assert all(verify_session(session).whole for session in [*sessions, third])
    assert {(outcome.recording_id, outcome.stream) for outcome in worker.outcomes} == {
        (sessions[0].name, "camera_front"),
        (sessions[0].name, "camera_side"),
        (sessions[1].name, "camera_front"),
        (third.name, "camera_top"),
    }
    assert all(outcome.success and outcome.frames == 12 and len(outcome.files) == 2 for outcome in worker.outcomes)
    with working(root, streams=("camera_*",)) as worker:
        worker.until(lambda it: any("loading" in report.detail for report in it.states) and not it.report().detail, "nothing to do")
    assert worker.outcomes == []


def test_settings_of_the_model_are_given_to_it(tmp_path: Path) -> None:
    session = record(tmp_path / "sessions", "camera_front")
    with working(tmp_path / "sessions", model="motion", model_settings=("smallest=0.25",)) as worker:
        worker.until(lambda it: it.report().streams_done == 1, "the stream")
    assert read_predictions(session / "estimates/camera_front.motion.json").model.settings["smallest"] == 0.25
    with pytest.raises(ValueError, match="KEY=VALUE belongs here"):
        Watched(tmp_path, model_settings=("smallest",))


def test_the_process_has_a_low_priority_and_dies_with_its_owner(root: Path) -> None:
    record(root, "camera_front", frames=300)
    with working(root, model="slow", batch=1, nice=7) as worker:
        worker.until(lambda it: bool(it.report().current_frames) and it.report().current_frames[0] > 2, "some frames")
        (child,) = children()
        assert child.nice() == 7
        assert child.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
        report = worker.report()
        assert (report.state, report.queued, report.current_total) == (ESTIMATING, 1, (300,))
        assert report.rate_frames_s > 0
    wait_until(lambda: not alive(child.pid), "its end")
    assert worker.outcomes == []


def test_it_pauses_within_a_batch_while_a_recording_runs_and_goes_on_after_it(root: Path) -> None:
    record(root, "camera_front", frames=30)
    with working(root, model="slow", batch=1) as worker:
        worker.until(lambda it: bool(it.report().current_frames) and it.report().current_frames[0] > 2, "some frames")
        worker.set_recording(True)
        worker.until(lambda it: it.report().state == WAITING, "the pause")
        (child,) = children()
        wait_until(lambda: _rests(child), "its rest")
        frames = worker.report().current_frames[0]
        assert frames < 30
        assert "recording" in worker.report().detail
        worker.set_recording(False)
        worker.until(lambda it: it.report().streams_done == 1, "the end")
        worker.set_paused(True)
        worker.until(lambda it: it.report().state == PAUSED, "paused")


def _rests(child: psutil.Process) -> bool:
    before = child.cpu_times()
    with pytest.raises(psutil.TimeoutExpired):
        child.wait(0.3)
    return bool(child.cpu_times() == before)


def test_a_recording_seen_on_the_disk_holds_it_too_unless_told_otherwise(root: Path) -> None:
    record(root, "camera_front")
    other = record(root, "camera_front")
    SessionLayout(other).complete_mark.unlink()
    with SessionLock(other):
        with working(root) as worker:
            worker.until(lambda it: it.report().state == WAITING, "the wait")
        assert worker.outcomes == []
        with working(root, pause_while_recording=False) as worker:
            worker.until(lambda it: it.report().streams_done == 1, "the stream")


@pytest.mark.parametrize(
    ("model", "attempts", "error"),
    [
        ("crashing", 2, "Crashed: the process ended with signal SIGSEGV"),
        ("hanging", 1, "Stalled: no frame within 0.3 s"),
        ("broken", 3, "ValueError: out of order"),
    ],
)
def test_what_fails_is_tried_some_times_and_then_left_alone_until_somebody_asks(root: Path, model: str, attempts: int, error: str) -> None:
    (root.parent / "models/broken").touch()
    session = record(root, "camera_front")
    settings: dict[str, object] = {"model": model, "attempts": attempts}
    with working(root, **settings) as worker:
        if model == "hanging":
            worker.until(lambda it: bool(it.report().current), "the beginning")
            # Not sooner: a busy machine takes its time to load a model.
            worker.update(EstimatorParameters.model_validate({"storage_path": str(root), "stall_s": 0.3, **settings}))
        worker.until(lambda it: len(it.outcomes) == attempts and it.report().state == IDLE, "all attempts")
        assert [outcome.given_up for outcome in worker.outcomes] == [False] * (attempts - 1) + [True]
        assert all(outcome.error.startswith(error) for outcome in worker.outcomes)
    with working(root, **settings) as worker:
        worker.until(lambda it: it.report().state == IDLE and it.report().streams_failed == 1, "what was noted")
        assert error in worker.report().last_error
        assert worker.outcomes == []
        if model == "broken":
            (root.parent / "models/broken").unlink()
            worker.retry()
            worker.until(lambda it: it.report().streams_done == 1, "the retry")
            assert (worker.report().streams_failed, worker.report().last_error) == (0, "")
            assert estimated_by(session) == {"camera_front": ("broken",)}


def test_other_streams_do_not_wait_for_one_that_fails(root: Path) -> None:
    bad = record(root, "camera_front")
    (bad / "camera_front/00000.mkv").write_bytes(b"no video")
    good = record(root, "camera_front")
    with working(root, attempts=3) as worker:
        worker.until(lambda it: len(it.outcomes) == 4 and it.report().state == IDLE, "all attempts")
    assert [(outcome.recording_id, outcome.success) for outcome in worker.outcomes[:2]] == [(bad.name, False), (good.name, True)]
    assert worker.outcomes[-1].error.startswith("VideoError: ")
    assert FailureNotes(root.parent / "notes.json").failures[f"{bad.name}/camera_front/plain"].attempts == 3


def test_a_missing_model_is_no_streams_fault(root: Path) -> None:
    record(root, "camera_front")
    with working(root, model="nowhere") as worker:
        worker.until(lambda it: it.report().state == WAITING, "the wait")
        assert worker.report().last_error.startswith("nowhere: UnknownModel: ")
    assert worker.outcomes == []
    assert FailureNotes(root.parent / "notes.json").failures == {}


def test_a_session_in_use_is_waited_for_and_one_that_is_removed_is_forgotten(root: Path) -> None:
    session = record(root, "camera_front", frames=20)
    with working(root, model="slow", batch=1) as worker:
        worker.until(lambda it: bool(it.report().current_frames), "some frames")
        with SessionLock(session):
            worker.until(lambda it: it.report().current_frames == (20,), "all frames")
            assert not (session / "estimates/manifest.json").exists()
        worker.until(lambda it: it.report().streams_done == 1, "the end")
    gone = record(root, "camera_front", frames=20)
    with working(root, model="slow", batch=1) as worker:
        worker.until(lambda it: bool(it.report().current_frames), "some frames")
        gone.rename(gone.with_name(f".removing-{gone.name}"))
        worker.until(lambda it: it.report().state == IDLE, "the end of it")
        assert worker.outcomes == []
        assert worker.report().streams_failed == 0


def test_notes_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("[")
    with pytest.raises(NotesError, match=r"notes\.json: can't be read"):
        FailureNotes(tmp_path / "notes.json")


def test_what_was_uploaded_before_it_was_estimated_has_its_estimates_uploaded_too(root: Path, tmp_path: Path) -> None:
    session = record(root, "camera_front")
    places = {"storage_path": str(root), "store": str(tmp_path / "store"), "catalog": str(tmp_path / "catalog.db")}
    uploader = UploadWorker(UploaderParameters.model_validate(places), lambda report: None)
    uploader.start()
    try:
        wait_until(lambda: uploader.report().sessions_done == 1, "the session")
        with working(root) as worker:
            worker.until(lambda it: it.report().streams_done == 1, "the estimates")
        uploader.wake()
        wait_until(lambda: uploader.report().sessions_done == 2, "the estimates in the store")
        assert uploader.report().sessions_failed == 0
    finally:
        uploader.stop()
    with Catalog(places["catalog"]) as catalog:
        (recording,) = catalog.recordings()
        paths = {file.path for file in catalog.files(recording.recording_hash, recording.nodes[0].name)}
    assert paths >= {"estimates/manifest.json", "estimates/camera_front.plain.json", "estimates/camera_front.plain.parquet"}
    assert (tmp_path / "store" / recording.nodes[0].prefix / "estimates/camera_front.plain.json").read_bytes() == (
        session / "estimates/camera_front.plain.json"
    ).read_bytes()
