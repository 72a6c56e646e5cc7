"""Estimates in a finished session: listed, replaced whole or not at all, and nobody else's."""

import json
from pathlib import Path

import numpy as np
import pytest

from rig_capture.estimation.errors import PredictionsError
from rig_capture.estimation.listing import estimated_by, is_estimated, result_name, video_streams
from rig_capture.estimation.predictions import ModelIdentity, VideoMetadata, VideoPredictions, read_predictions
from rig_capture.estimation.results import write_results
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.additions import additions_changed_ns, put_files, read_additions
from rig_capture.session.errors import SessionError, SessionLocked
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from test.delivery.sessions import RECORDING_ID, make_session

STREAMS = {
    "camera_front": {"kind": "video", "topic": "camera_front/video", "type": "V", "messages": 3},
    "camera_dark": {"kind": "video", "topic": "camera_dark/video", "type": "V", "messages": 0},
    "audio_main": {"kind": "audio", "topic": "audio_main/audio", "type": "A", "messages": 3},
}


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A finished session with one stream of video that holds pictures."""
    return make_session(tmp_path / "sessions" / RECORDING_ID, streams=STREAMS)


def predictions(motion: float = 0.5, stream: str = "camera_front", model: str = "motion", version: str = "1") -> VideoPredictions:
    """Three frames without a person."""
    video = VideoMetadata(file=stream, width=64, height=48, codec="h264", frames=3, duration_s=0.2, stream=stream)
    nothing = np.zeros(0, np.int32)
    return VideoPredictions(
        video=video,
        model=ModelIdentity(name=model, version=version),
        stamps_ns=np.arange(3) * 100_000_000,
        motion=np.full(3, motion, np.float32),
        person_frame=nothing,
        person_track=nothing,
        boxes=np.zeros((0, 5), np.float32),
    )


def names(session: Path) -> list[str]:
    """Of the files in the room, hidden ones too."""
    return sorted(path.name for path in (session / "estimates").iterdir())


def test_estimates_are_listed_and_read_back(session: Path) -> None:
    assert video_streams(session) == ("camera_front",)
    written = write_results(session, predictions())
    assert [addition.path for addition in written] == ["camera_front.motion.json", "camera_front.motion.parquet"]
    assert names(session) == ["camera_front.motion.json", "camera_front.motion.parquet", "manifest.json"]
    assert {addition.label for addition in written} == {"motion 1"}
    for addition in written:
        assert read_predictions(session / "estimates" / addition.path) == predictions()
    assert is_estimated(session, "camera_front", "motion")
    assert not is_estimated(session, "camera_front", "onnx")
    assert estimated_by(session) == {"camera_front": ("motion",)}
    # Its bag and video are no real ones.
    assert not any(damage.startswith("estimates/") for damage in verify_session(session, decode=False).damages)


def test_estimating_again_replaces_what_differs_and_leaves_other_models_alone(session: Path) -> None:
    write_results(session, predictions(model="other/model v2"))
    write_results(session, predictions())
    before = additions_changed_ns(session)
    write_results(session, predictions())
    assert additions_changed_ns(session) == before
    write_results(session, predictions(motion=0.25))
    assert additions_changed_ns(session) > before
    assert read_predictions(session / "estimates/camera_front.motion.json") == predictions(motion=0.25)
    assert result_name("camera_front", "other/model v2") == "camera_front.other_model_v2.json"
    assert estimated_by(session) == {"camera_front": ("motion", "other_model_v2")}
    assert not any(damage.startswith("estimates/") for damage in verify_session(session, decode=False).damages)


def test_without_parquet_no_outdated_file_of_it_stays(session: Path) -> None:
    write_results(session, predictions())
    write_results(session, predictions(motion=0.25), parquet=False)
    assert names(session) == ["camera_front.motion.json", "manifest.json"]


def test_a_file_that_was_changed_by_hand_is_written_again(session: Path) -> None:
    write_results(session, predictions())
    (session / "estimates/camera_front.motion.json").write_text("{}")
    write_results(session, predictions())
    assert read_predictions(session / "estimates/camera_front.motion.json") == predictions()


def test_what_fails_changes_nothing(session: Path) -> None:
    write_results(session, predictions())
    listed = (session / "estimates/manifest.json").read_bytes()

    def fail(path: Path) -> None:
        path.write_text("half")
        raise PredictionsError("no")

    with pytest.raises(PredictionsError):
        put_files(session, "estimates", {"camera_front.motion.json": lambda path: path.write_text("new"), "b.json": fail})
    assert (session / "estimates/manifest.json").read_bytes() == listed
    assert names(session) == ["camera_front.motion.json", "camera_front.motion.parquet", "manifest.json"]
    with pytest.raises(PredictionsError, match="no stream of video 'camera_back'"):
        write_results(session, predictions(stream="camera_back"))
    with SessionLock(session), pytest.raises(SessionLocked):
        write_results(session, predictions(motion=0.25))
    SessionLayout(session).complete_mark.unlink()
    with pytest.raises(SessionError, match="not finished"):
        write_results(session, predictions(motion=0.25))
    assert (session / "estimates/manifest.json").read_bytes() == listed


def test_whatever_an_interruption_leaves_fits_the_list_and_is_made_good_by_the_next_try(session: Path) -> None:
    write_results(session, predictions())
    room = session / "estimates"
    # Killed while the new files were being made.
    (room / ".new").mkdir()
    (room / ".new" / "camera_front.motion.json").write_text("half")
    assert read_predictions(room / "camera_front.motion.json") == predictions()
    assert estimated_by(session) == {"camera_front": ("motion",)}
    # Killed between two renames: the old ones are off the list by then, so that the list fits.
    (room / "manifest.json").write_text(json.dumps({"schema_version": 1, "files": []}))
    (room / "camera_front.motion.json").write_text("half of the new pair")
    assert not any(damage.startswith("estimates/") for damage in verify_session(session, decode=False).damages)
    assert not is_estimated(session, "camera_front", "motion")
    write_results(session, predictions(motion=0.25))
    assert names(session) == ["camera_front.motion.json", "camera_front.motion.parquet", "manifest.json"]
    assert read_predictions(room / "camera_front.motion.parquet") == predictions(motion=0.25)
    assert len(read_additions(session, "estimates").files) == 2
