"""The storage limit, held while recording, with a real store and a real catalog."""

from pathlib import Path

import pytest
from rig_capture_msgs.msg import RecorderStatus, SessionComplete
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.delivery.ingest import WRITE_ROLES, DataInterface
from rig_capture.delivery.proof import is_safely_stored
from rig_capture.nodes.common.base import state_qos
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout, sessions_in
from test.delivery.sessions import make_session
from test.integration.nodes import Ear
from test.integration.recorders import AUDIO, IMU, VIDEO, Call, Start

pytestmark = pytest.mark.usefixtures("sensors")

OLD = [f"rec_20260507_14302{index}_aaaa" for index in range(3)]
SIZE = 300_000


@pytest.fixture
def delivery(tmp_path: Path) -> DeliverySettings:
    """A folder as store, and a catalog."""
    return DeliverySettings(store=str(tmp_path / "store"), catalog=str(tmp_path / "catalog.db"))


@pytest.fixture
def old(tmp_path: Path, delivery: DeliverySettings) -> Path:
    """Three sessions; the middle one was never sent."""
    root = tmp_path / "sessions"
    with DataInterface.open(delivery, WRITE_ROLES) as data:
        for recording_id in OLD:
            session = make_session(root / recording_id, {"camera_front/00000.mkv": bytes(SIZE)}, recording_id=recording_id)
            if recording_id != OLD[1]:
                data.ingest(manifest_path=SessionLayout(session).manifest, source_dir=session)
    return root


def parameters(delivery: DeliverySettings, limit: int) -> dict[str, object]:
    """Of the recorder."""
    return {"storage_limit": limit, "storage_reserve": 0, "room_margin": 1_000_000, "store": delivery.store, "catalog": delivery.catalog}


def test_at_the_limit_the_oldest_uploaded_go_first_and_then_the_recording_ends_cleanly(
    recorder: Start, call: Call, ear: Ear, namespace: str, old: Path, delivery: DeliverySettings
) -> None:
    node = recorder(VIDEO, AUDIO, IMU, **parameters(delivery, 3 * SIZE + 800_000))
    ends: list[SessionComplete] = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    ear.until(lambda: bool(ends), "the end at the limit", 90)
    assert (ends[0].state, ends[0].end_reason) == ("complete", "storage_limit")
    assert [session.name for session in sessions_in(old)] == [OLD[1], started.recording_id], "what was never sent stays"
    verdict = verify_session(Path(started.path))
    assert verdict.whole, verdict.damages
    said = node.said
    assert said.index(f"removed {old / OLD[0]}") < said.index(f"removed {old / OLD[2]}")
    assert "is registered, and 2 objects" in said
    refused = call(StartRecording, "start_recording")
    assert not refused.success
    assert "of the limit of" in refused.message
    with DataInterface.open(delivery, WRITE_ROLES) as data:
        data.ingest(manifest_path=SessionLayout(Path(started.path)).manifest, source_dir=Path(started.path))
        assert is_safely_stored(Path(started.path), data)
    assert call(StartRecording, "start_recording").success, "a real session is proven, and goes in its turn"
    assert started.recording_id not in {session.name for session in sessions_in(old)}


def test_a_start_at_the_limit_makes_room_first(
    recorder: Start, call: Call, old: Path, delivery: DeliverySettings, ear: Ear, namespace: str
) -> None:
    statuses: list[RecorderStatus] = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    recorder(IMU, **parameters(delivery, 2 * SIZE))
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    assert call(StopRecording, "stop_recording").success
    assert OLD[1] in {session.name for session in sessions_in(old)}
    assert OLD[0] not in {session.name for session in sessions_in(old)}
    assert statuses


def test_offline_nothing_is_removed_and_the_start_is_refused(recorder: Start, call: Call, old: Path, delivery: DeliverySettings) -> None:
    recorder(IMU, **parameters(delivery, 2 * SIZE), offline=True)
    refused = call(StartRecording, "start_recording")
    assert not refused.success
    assert [session.name for session in sessions_in(old)] == OLD
