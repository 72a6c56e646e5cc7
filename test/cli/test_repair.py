"""`rig repair`, as it is called."""

import json
import shutil
from pathlib import Path

import pytest

from rig_capture.cli import main
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout
from test.parts import wait_until
from test.recorder.messages import IMU, START_NS, imu


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """A session whose recorder died."""
    context = RecordingContext(RecorderParameters(), tmp_path / "live", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    motion = recording.add_stream(StreamSpec("topic", "imu/data_raw", IMU), "/imu/data_raw", [])
    recording.write_down()
    for index in range(100):
        motion.take(imu(START_NS + index), START_NS + index)
    wait_until(lambda: recording.counters[0].messages == 100, "all messages")
    session = tmp_path / recording.recording_id
    shutil.copytree(recording.layout.path, session)
    recording.cancel(keep_data=False)
    return session


def test_a_copy_is_mended_unless_told_otherwise(interrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repair", str(interrupted)]) == 0
    copy = interrupted.parent / "repaired" / interrupted.name
    assert verify_session(copy).whole
    assert not SessionLayout(interrupted).complete_mark.exists()
    said = capsys.readouterr().out
    assert "recovered" in said
    assert str(copy) in said.replace("\n", "")
    assert main(["repair", "--in-place", str(interrupted)]) == 0
    assert verify_session(interrupted).whole
    assert main(["repair", "--in-place", str(interrupted)]) == 0, "nothing is left to be done"


def test_json_tells_what_was_done(interrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repair", "--json", "--out", str(tmp_path / "mended"), str(interrupted)]) == 0
    (result,) = json.loads(capsys.readouterr().out)["sessions"]
    assert (result["state"], result["changed"], result["whole"]) == ("recovered", True, True)
    assert result["path"] == str(tmp_path / "mended" / interrupted.name)
    assert result["crash_gaps_s"].keys() == {"imu/data_raw"}


def test_exit_codes_tell_what_went_wrong(interrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repair", str(tmp_path)]) == 2
    assert "reconstructed" in capsys.readouterr().err.replace("\n", " ")
    assert main(["repair", "--in-place", "--out", str(tmp_path / "x"), str(interrupted)]) == 2
    assert main(["repair", str(interrupted)]) == 0
    assert main(["repair", str(interrupted)]) == 1, "the copy is there already"
