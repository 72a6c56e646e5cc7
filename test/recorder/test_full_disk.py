"""Somebody else fills the disk to the brim while a session is written: it is finished all the same, and can be read."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.bag.mcap_walk import walk
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest, end_reason_for
from rig_capture.recorder.repair.repair import RepairFailed, repair_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.hashing import sha256_file
from rig_capture.session.manifest import read_manifest
from test.parts import fill_to_the_brim, wait_until
from test.recorder.messages import IMU, START_NS, audio, imu, video

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root: run the tests with sudo")

VIDEO = StreamSpec("video", "camera/video", "rig_capture_msgs/msg/VideoPacket")
AUDIO = StreamSpec("audio", "audio/audio", "rig_capture_msgs/msg/AudioChunk")
TOPIC = StreamSpec("topic", "imu/data_raw", IMU)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_session_is_finished_and_keeps_everything_before(small: Path) -> None:
    failures: dict[str, BaseException] = {}
    context = RecordingContext(RecorderParameters(chunk_s=0.3), small, {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), failures.__setitem__)
    picture, sound, motion = (recording.add_stream(spec, f"/{spec.topic}", []) for spec in (VIDEO, AUDIO, TOPIC))
    packets = list(video("mjpeg", 200))
    for packet in packets[:30]:
        picture.take(packet, START_NS)
    for index in range(20):
        sound.take(audio(index), START_NS)
    for index in range(200):
        motion.take(imu(START_NS + index), START_NS + index)
    wait_until(lambda: [counter.messages for counter in recording.counters] == [30, 20, 200], "everything before is written")
    bag = recording.layout.bag
    wait_until(lambda: sum(sum(walk(path).counts.values()) for path in bag.glob("*.mcap")) == 200, "the bag's flush")
    fill_to_the_brim(small)
    for packet in packets[30:]:
        picture.take(packet, START_NS)
    for index in range(20, 200):
        sound.take(audio(index), START_NS)
    for index in range(200, 20_000):
        motion.take(imu(START_NS + index), START_NS + index)
    wait_until(lambda: bool(failures), "the failure of a writer")
    assert {end_reason_for(failure) for failure in failures.values()} == {"disk_full"}
    summary = recording.finish("complete", "disk_full")
    verdict = verify_session(summary.path)
    assert verdict.whole, verdict.damages
    streams = read_manifest(summary.path).streams
    assert streams["camera"].messages >= 29
    assert streams["audio"].messages >= 10
    assert streams["imu/data_raw"].messages >= 200


def test_a_repair_without_room_changes_nothing_and_goes_through_later(small: Path, tmp_path: Path) -> None:
    context = RecordingContext(RecorderParameters(), tmp_path / "live", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    motion = recording.add_stream(TOPIC, "/imu/data_raw", [])
    recording.write_down()
    for index in range(2000):
        motion.take(imu(START_NS + index), START_NS + index)
    wait_until(lambda: recording.counters[0].messages == 2000, "all messages")
    session = small / recording.recording_id
    shutil.copytree(recording.layout.path, session)
    (session / ".reserve").unlink()
    recording.cancel(keep_data=False)
    with (session / "bag" / "bag_0.mcap").open("ab") as bag:
        bag.write(bytes(5_000_000))
    fill_to_the_brim(small)
    before = {path.relative_to(session): sha256_file(path) for path in session.rglob("*") if path.is_file()}
    with pytest.raises(RepairFailed, match="nothing is lost") as failed:
        repair_session(session)
    assert isinstance(failed.value.__cause__, OSError)
    assert failed.value.__cause__.errno == errno.ENOSPC
    after = {path.relative_to(session): sha256_file(path) for path in session.rglob("*") if path.is_file()}
    assert {path: digest for path, digest in after.items() if path in before and path.name != "session.lock"} == {
        path: digest for path, digest in before.items() if path.name != "session.lock"
    }
    (small / "somebody_elses").unlink()
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
