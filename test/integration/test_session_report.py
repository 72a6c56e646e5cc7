"""A profile that asks for it gets a quality report with every session, in the background."""

from pathlib import Path

import pytest
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.recorder.verify.verify import verify_session
from rig_capture.reporting.worker import ATTACHED, has_report
from rig_capture.session.additions import read_additions
from test.integration.nodes import Ear, running
from test.integration.recorders import IMU, Call, Start

pytestmark = pytest.mark.integration


def test_a_report_is_added_to_each_session_and_made_up_for_after_a_restart(
    ear: Ear, namespace: str, call: Call, recorder: Start, tmp_path: Path
) -> None:
    wish = {"report": True, "profile": """'{"recorder": {"report": true}}'"""}
    with running("imu", namespace, tmp_path):
        first = recorder(IMU, **wish)
        paths = []
        for _ in range(2):
            assert call(StartRecording, "start_recording").success
            paths.append(Path(call(StopRecording, "stop_recording").path))
        ear.until(lambda: has_report(paths[0]), "the first report")
        assert first.end()[0] == 0
        recorder(IMU, **wish)
        ear.until(lambda: has_report(paths[1]), "the second report")
    for path in paths:
        assert [file.label for file in read_additions(path, "attachments").files] == ["quality report"]
        assert path.name in (path / "attachments" / ATTACHED).read_text()
        assert verify_session(path).damages == []
