"""Sessions without a manifest get one from their files alone."""

import json
import os
import shutil
from pathlib import Path

import pytest

from rig_capture.cli import main
from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.rescue import ingest_all
from rig_capture.delivery.scan import CandidateKind, scan_folder
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.repair.reconstruct import NotReconstructed, Origin, needs_reconstruction, reconstruct_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.additions import add_files, put_files
from rig_capture.session.errors import SessionLocked
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from rig_capture.session.manifest import Manifest, parse_time, read_manifest, write_manifest
from test.recorder.messages import IMU, START_NS, audio, imu, video

VIDEO = StreamSpec("video", "camera_front/video", "rig_capture_msgs/msg/VideoPacket", required=True)
AUDIO = StreamSpec("audio", "audio_main/audio", "rig_capture_msgs/msg/AudioChunk")
TOPIC = StreamSpec("topic", "imu/data_raw", IMU)


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, Manifest]:
    """A session as the recorder leaves it, and its manifest, which is gone from it."""
    parameters = RecorderParameters.model_validate({"rig": "lab"})
    context = RecordingContext(parameters, tmp_path / "disk", {"ros_distro": "jazzy"}, {"rig": "lab"}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(participant="p01"), lambda name, failure: None)
    picture, sound, motion = (recording.add_stream(spec, f"/lab/{spec.topic}", []) for spec in (VIDEO, AUDIO, TOPIC))
    for packet in video("h264", 45):
        picture.take(packet, START_NS)
    for index in range(30):
        sound.take(audio(index), START_NS)
    for index in range(300):
        motion.take(imu(START_NS + index * 5_000_000), START_NS + index * 5_000_000)
    recording.finish("complete", "stopped")
    layout = recording.layout
    manifest = read_manifest(layout.path)
    layout.manifest.unlink()
    layout.complete_mark.unlink()
    # As a disk that was copied later, and its folder renamed.
    folder = layout.path.rename(layout.path.with_name(f"{layout.path.name}_macmini"))
    for path in folder.rglob("*"):
        os.utime(path, ns=(START_NS + 10**15, START_NS + 10**15))
    return folder, manifest


def test_it_has_the_hashes_that_the_recorder_wrote(recorded: tuple[Path, Manifest]) -> None:
    session, before = recorded
    assert needs_reconstruction(session)
    manifest = reconstruct_session(session, Origin("lab"))
    assert read_manifest(session) == manifest
    assert (manifest.recording_id, manifest.recording_hash) == (before.recording_id, before.recording_hash)
    assert manifest.content_hash == before.content_hash
    assert {entry.path: entry.sha256 for entry in manifest.files} == {entry.path: entry.sha256 for entry in before.files}
    assert (manifest.node_hostname, manifest.participant, manifest.state) == ("macmini", "p01", "recovered")
    assert manifest.reconstruction is not None
    assert manifest.reconstruction["requires_participant_backfill"] is False
    assert manifest.reconstruction["reconstructed_ended_at"] is True
    assert manifest.ended_at is not None
    assert parse_time(manifest.ended_at) - START_NS < 10**10
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    # Topics have their full names, since the rig's namespace is not known.
    messages = {name.removeprefix("lab/"): stream.messages for name, stream in manifest.streams.items()}
    assert messages == {name: stream.messages for name, stream in before.streams.items()}
    assert not needs_reconstruction(session)


def test_what_was_added_later_stays_in_its_own_list(recorded: tuple[Path, Manifest], tmp_path: Path) -> None:
    session, before = recorded
    layout = SessionLayout(session)
    write_manifest(session, before)
    layout.complete_mark.touch()
    (tmp_path / "00001.mkv").write_bytes(b"an overlay")
    add_files(session, "attachments", [tmp_path / "00001.mkv"])
    layout.manifest.unlink()
    layout.complete_mark.unlink()
    manifest = reconstruct_session(session, Origin("lab"))
    assert manifest.content_hash == before.content_hash
    put_files(session, "estimates", {"camera_front.motion.json": lambda path: path.write_text("{}")})
    (tmp_path / "note.txt").write_text("later")
    add_files(session, "attachments", [tmp_path / "note.txt"])
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert verdict.files == len(before.files) + 5


def test_without_a_name_the_bag_tells_the_recording_and_the_node_must_be_said(recorded: tuple[Path, Manifest]) -> None:
    session, before = recorded
    session = session.rename(session.with_name("rec_rescued"))
    (session / "participant.txt").unlink()
    assert reconstruct_session(session, Origin("lab", node="pc1")).recording_id == before.recording_id
    manifest = read_manifest(session)
    assert manifest.reconstruction is not None
    assert manifest.reconstruction["requires_participant_backfill"] is True
    assert manifest.node_hostname == "pc1"


def test_one_that_was_renamed_is_seen_by_what_it_holds(recorded: tuple[Path, Manifest]) -> None:
    session, before = recorded
    session = session.rename(session.with_name("tuesday"))
    (session.parent / "holiday").mkdir()
    (session.parent / "holiday" / "beach.jpg").write_bytes(b"")
    assert [(candidate.path.name, candidate.kind) for candidate in scan_folder(session.parent)] == [
        ("tuesday", CandidateKind.NEEDS_RECONSTRUCTION)
    ]
    assert needs_reconstruction(session)
    with pytest.raises(NotReconstructed, match="--node"):
        reconstruct_session(session, Origin("lab"))
    assert reconstruct_session(session, Origin("lab", node="pc1")).recording_id == before.recording_id


def test_what_can_not_be_known_is_asked_for_and_nothing_is_changed(recorded: tuple[Path, Manifest]) -> None:
    session, before = recorded
    plain = session.rename(session.with_name(before.recording_id))
    with pytest.raises(NotReconstructed, match="--node"):
        reconstruct_session(plain, Origin("lab"))
    shutil.rmtree(plain / "bag")
    nameless = plain.rename(plain.with_name("rec_x"))
    with pytest.raises(NotReconstructed, match="recording id"):
        reconstruct_session(nameless, Origin("lab", "pc1"))
    assert not SessionLayout(nameless).manifest.exists()
    empty = nameless.with_name("rec_20260101_000000_aaaa")
    empty.mkdir()
    with pytest.raises(NotReconstructed, match="no files"):
        reconstruct_session(empty, Origin("lab", "pc1"))


def test_one_that_is_being_recorded_is_left_alone(recorded: tuple[Path, Manifest]) -> None:
    session, _ = recorded
    with SessionLock(session):
        assert not needs_reconstruction(session)
        with pytest.raises((NotReconstructed, SessionLocked)):
            reconstruct_session(session, Origin("lab"))


def test_an_older_manifest_is_kept_beside(recorded: tuple[Path, Manifest]) -> None:
    session, _ = recorded
    SessionLayout(session).manifest.write_text(json.dumps({"schema_version": 3}))
    manifest = reconstruct_session(session, Origin("lab"))
    assert json.loads((session / "manifest.old.json").read_text()) == {"schema_version": 3}
    assert "manifest.old.json" in {entry.path for entry in manifest.files}


def test_the_command_makes_them_fit_for_ingest(recorded: tuple[Path, Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session, before = recorded
    (session.parent / "rec_20250101_000000_dead").mkdir()
    assert main(["reconstruct", "--path", str(session.parent), "--rig", "lab", "--yes", "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)["sessions"]
    assert "no files" in first["error"]
    assert second["recording_hash"] == before.recording_hash
    with DataInterface.open(DeliverySettings(store=str(tmp_path / "store"), catalog=str(tmp_path / "catalog.db"))) as data:
        report = ingest_all(data, scan_folder(session.parent))
        assert {outcome.name: outcome.status for outcome in report.sessions}[session.name] == "ok"
        assert data.catalog.recordings()[0].recording_hash == before.recording_hash
    (session.parent / "rec_20250101_000000_dead").rmdir()
    assert main(["reconstruct", "--path", str(session.parent), "--rig", "lab", "--yes"]) == 2
