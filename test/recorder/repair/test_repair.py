"""Interrupted sessions are repaired: cut files, half-done repairs, odd states."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.bag.mcap_walk import walk
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.repair.bag import finish_mcap
from rig_capture.recorder.repair.matroska import is_finished
from rig_capture.recorder.repair.repair import RepairFailed, is_interrupted, repair_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.tail import tail_file
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.errors import ManifestError, SessionLocked
from rig_capture.session.hashing import sha256_file
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.manifest import read_manifest
from test.parts import wait_until
from test.recorder.messages import IMU, START_NS, audio, imu, video

VIDEO = StreamSpec("video", "camera_front/video", "rig_capture_msgs/msg/VideoPacket", required=True)
AUDIO = StreamSpec("audio", "audio_main/audio", "rig_capture_msgs/msg/AudioChunk")
TOPIC = StreamSpec("topic", "imu/data_raw", IMU)

Interrupt = Callable[..., Path]


@pytest.fixture
def interrupt(tmp_path: Path) -> Iterator[Interrupt]:
    """What the disk holds of a recording that is still going on: what a crash would leave."""
    running: list[Recording] = []

    def make(codec: str = "h264", frames: int = 45, **settings: object) -> Path:
        parameters = RecorderParameters.model_validate({"rig": "lab", **settings})
        context = RecordingContext(parameters, tmp_path / "live", {"ros_distro": "jazzy"}, {"rig": "lab"}, lambda: START_NS)
        recording = Recording(context, RecordingRequest(label="walk", participant="p01"), lambda name, failure: None)
        running.append(recording)
        picture, sound, motion = (recording.add_stream(spec, f"/lab/{spec.topic}", []) for spec in (VIDEO, AUDIO, TOPIC))
        recording.write_down()
        for packet in video(codec, frames):
            picture.take(packet, START_NS)
        for index in range(30):
            sound.take(audio(index), START_NS)
        for index in range(300):
            motion.take(imu(START_NS + index * 5_000_000), START_NS + index * 5_000_000)
        counters = recording.counters
        wait_until(lambda: [counter.messages for counter in counters] == [frames, 30, 300], "everything is written")
        wait_until(lambda: walk_counts(recording.layout.bag) >= 300, "the bag is flushed")
        copy = tmp_path / "sessions" / recording.recording_id
        shutil.copytree(recording.layout.path, copy)
        return copy

    yield make
    for recording in running:
        recording.cancel(keep_data=False)


def walk_counts(bag: Path) -> int:
    """Messages that are in the files of a bag."""
    return sum(sum(walk(path).counts.values()) for path in bag.glob("*.mcap"))


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mjpeg", "ffv1"])
def test_an_interrupted_session_is_whole_after_its_repair(interrupt: Interrupt, codec: str) -> None:
    session = interrupt(codec)
    (session / ".manifest.json.4711.tmp").write_text("{")  # as a kill in the middle of writing leaves it
    assert not verify_session(session).whole
    repair = repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    manifest = read_manifest(session)
    assert (manifest.state, manifest.end_reason, manifest.label) == ("recovered", "crash", "walk")
    assert manifest.ended_at is not None
    camera = manifest.streams["camera_front"]
    assert camera.messages >= 45 - 16, "at most the last cluster is missing"
    assert (camera.codec, camera.settings) == (codec, {"width": 320, "height": 240})
    assert manifest.streams["imu/data_raw"].messages == 300
    assert manifest.streams["imu/data_raw"].first_stamp_ns == START_NS
    assert manifest.streams["audio_main"].messages >= 30 - 12
    assert repair.crash_gaps.keys() == {"camera_front", "audio_main", "imu/data_raw"}
    assert SessionLayout(session).complete_mark.exists()
    hidden = {path.name for path in session.rglob(".*")}
    assert hidden == {".rig_complete"}
    with av.open(str(session / "camera_front" / "00000.mkv")) as container:
        assert container.duration is not None
        assert container.metadata["RIG_START_STAMP_NS"] == str(START_NS)
        assert container.metadata["RIG_RECORDING_ID"] == manifest.recording_id


def test_one_that_died_before_its_mark_is_left_with_nothing_half_written(interrupt: Interrupt) -> None:
    session = interrupt()
    repair_session(session)
    SessionLayout(session).complete_mark.unlink()
    (session / "..rig_complete.4711.tmp").touch()
    assert repair_session(session).changed
    assert {path.name for path in session.rglob(".*")} == {".rig_complete"}


@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
def test_every_independent_reader_opens_a_repaired_bag(interrupt: Interrupt, compression: str) -> None:
    session = interrupt(compression=compression)
    repair_session(session)
    with (session / "bag" / "bag_0.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == sum(1 for _ in reader.iter_messages()) == 300
        assert [metadata.metadata["recording_id"] for metadata in reader.iter_metadata()] == [session.name]
    with AnyReader([session / "bag"]) as bag:
        (connection,) = bag.connections
        assert (connection.topic, connection.msgtype, connection.msgcount) == ("/lab/imu/data_raw", IMU, 300)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mjpeg", "ffv1"])
def test_a_stream_that_fell_silent_loses_nothing(interrupt: Interrupt, tmp_path: Path, codec: str) -> None:
    interrupt(codec)
    (live,) = sessions_in(tmp_path / "live")
    tails = [tail_file(SessionLayout(live).chunk(name, 0)) for name in ("camera_front", "audio_main")]
    wait_until(lambda: all(tail.exists() for tail in tails), "the tails of both streams")
    session = tmp_path / "later" / live.name
    shutil.copytree(live, session)
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    streams = read_manifest(session).streams
    assert (streams["camera_front"].messages, streams["audio_main"].messages) == (45, 30)
    assert decodable(session / "camera_front" / "00000.mkv") == 45


@pytest.mark.parametrize("codec", ["flac", "opus"])
def test_encoded_sound_is_repaired(interrupt: Interrupt, codec: str) -> None:
    session = interrupt(audio_codec=codec)
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    stream = read_manifest(session).streams["audio_main"]
    assert (stream.codec, stream.settings["encoded_from"]) == (codec, "pcm_s16le")
    assert stream.messages >= 30 - 14


def test_repairing_again_changes_nothing(interrupt: Interrupt) -> None:
    session = interrupt()
    assert repair_session(session).changed
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in session.rglob("*") if path.name != "session.lock"}
    again = repair_session(session)
    assert not again.changed
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in session.rglob("*") if path.name != "session.lock"}


def test_finished_files_are_not_touched(interrupt: Interrupt) -> None:
    session = interrupt(frames=60, chunk_s=0.5)
    finished = [path for path in session.rglob("*.mkv") if is_finished(path)]
    assert len(finished) >= 2
    before = {path: (sha256_file(path), path.stat().st_ino) for path in finished}
    repair_session(session)
    assert verify_session(session).whole
    assert before == {path: (sha256_file(path), path.stat().st_ino) for path in finished}


def test_a_copy_is_repaired_and_the_original_left_alone(interrupt: Interrupt, tmp_path: Path) -> None:
    session = interrupt()
    before = {path: sha256_file(path) for path in session.rglob("*") if path.is_file()}
    repair = repair_session(session, out=tmp_path / "mended")
    assert repair.path == tmp_path / "mended" / session.name
    assert verify_session(repair.path).whole
    assert before == {path: sha256_file(path) for path in session.rglob("*") if path.is_file()}
    with pytest.raises(RepairFailed, match="is there already"):
        repair_session(session, out=tmp_path / "mended")


def test_a_repair_that_was_interrupted_is_done_again(interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch) -> None:
    session = interrupt()
    bag = session / "bag" / "bag_0.mcap"
    with bag.open("ab") as file:
        file.write(bag.read_bytes()[-700:])
    torn = bag.read_bytes()
    # Bytes behind the end, undo file still there: as after a crash while the end was being written.
    end = walk(bag).end
    undo = bag.with_name(f".{bag.name}.undo")
    undo.write_bytes(end.to_bytes(8, "little") + torn[end:])
    with bag.open("r+b") as file:
        file.truncate(end)
        file.seek(end)
        file.write(b"half of a new end")
    found, changed = finish_mcap(bag)
    assert changed
    assert sum(found.counts.values()) == 300
    assert not undo.exists()
    (session / "camera_front" / ".00000.mkv.repair").write_bytes(b"half a chunk")
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert not (session / "camera_front" / ".00000.mkv.repair").exists()


@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
def test_a_bag_cut_anywhere_in_its_tail_keeps_everything_before(interrupt: Interrupt, tmp_path: Path, compression: str) -> None:
    session = interrupt(compression=compression)
    whole = (session / "bag" / "bag_0.mcap").read_bytes()
    finish_mcap(session / "bag" / "bag_0.mcap")
    stamps = bag_stamps(session / "bag" / "bag_0.mcap")
    assert len(stamps) == 300
    record = len(whole) // 300
    for cut in range(len(whole), max(0, len(whole) - 40_000), -1000):
        path = tmp_path / "cut" / "bag_0.mcap"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(whole[:cut])
        found, _ = finish_mcap(path)
        kept = bag_stamps(path)
        assert kept == stamps[: len(kept)]
        assert len(kept) == sum(found.counts.values())
        if compression == "":
            assert (len(kept) + 5) * record >= cut - 4096, "only what was cut is missing"


def bag_stamps(path: Path) -> list[int]:
    """Log times, read by the mcap library, which checks CRCs."""
    with path.open("rb") as file:
        return [message.log_time for _, _, message in make_reader(file, validate_crcs=True).iter_messages(log_time_order=False)]


@pytest.mark.parametrize("stream", ["camera_front", "audio_main"])
def test_a_chunk_cut_anywhere_in_its_tail_keeps_everything_before(interrupt: Interrupt, tmp_path: Path, stream: str) -> None:
    session = interrupt("mjpeg")
    chunk = SessionLayout(session).chunk(stream, 0)
    whole = chunk.read_bytes()
    full = decodable(chunk)
    tail = 30_000
    for cut in range(len(whole), len(whole) - tail, -1000):
        copy = tmp_path / "cut"
        shutil.copytree(session, copy)
        (copy / stream / chunk.name).write_bytes(whole[:cut])
        repair_session(copy)
        verdict = verify_session(copy)
        assert verdict.whole, (cut, verdict.damages)
        kept = decodable(copy / stream / chunk.name)
        assert kept >= int(full * cut / len(whole)) - 3, "only what was cut is missing"
        shutil.rmtree(copy)


def decodable(path: Path) -> int:
    """Pictures or blocks of sound that a chunk yields."""
    with av.open(str(path)) as container:
        return sum(len(packet.decode()) for packet in container.demux(container.streams[0]))


def test_a_table_that_lost_its_end_is_filled_in_from_the_packets(interrupt: Interrupt) -> None:
    session = interrupt("mjpeg")
    table = SessionLayout(session).frames("camera_front")
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(lines[:20]) + lines[20][:7])
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert read_manifest(session).streams["camera_front"].messages > 40


def test_streams_that_the_manifest_does_not_name_are_found(interrupt: Interrupt) -> None:
    session = interrupt()
    layout = SessionLayout(session)
    text = layout.manifest.read_text()
    manifest = read_manifest(session)
    layout.manifest.write_text(manifest.model_copy(update={"streams": {}}).model_dump_json(by_alias=True))
    assert layout.manifest.read_text() != text
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert set(read_manifest(session).streams) == {"camera_front", "audio_main", "lab/imu/data_raw"}


def test_a_chunk_without_a_packet_is_set_aside(interrupt: Interrupt) -> None:
    session = interrupt()
    (session / "camera_front" / "00001.mkv").write_bytes(b"\x1a\x45\xdf\xa3 only a head")
    repair_session(session)
    assert verify_session(session).whole
    assert (session / "camera_front" / "00001.mkv.torn").exists()


def test_a_session_that_is_being_recorded_is_refused(interrupt: Interrupt, tmp_path: Path) -> None:
    interrupt()
    (live,) = sessions_in(tmp_path / "live")
    with pytest.raises(SessionLocked):
        repair_session(live)
    assert not any(map(is_interrupted, sessions_in(tmp_path / "live")))


@pytest.mark.parametrize("text", [None, b"", b"{", b'{"schema_version": 4}', bytes(range(100, 200))])
def test_without_a_readable_manifest_it_points_to_reconstruction(interrupt: Interrupt, text: bytes | None) -> None:
    session = interrupt()
    manifest = SessionLayout(session).manifest
    manifest.unlink() if text is None else manifest.write_bytes(text)
    with pytest.raises(ManifestError, match="reconstruct"):
        repair_session(session)


def test_a_session_that_died_before_its_mark_only_gets_the_mark(interrupt: Interrupt) -> None:
    session = interrupt()
    repair_session(session)
    manifest = read_manifest(session)
    SessionLayout(session).complete_mark.unlink()
    assert is_interrupted(session)
    assert repair_session(session).changed
    assert read_manifest(session) == manifest
    assert not is_interrupted(session)


def test_a_whole_session_damaged_later_is_mended_on_demand(interrupt: Interrupt) -> None:
    session = interrupt()
    repair_session(session)
    with (session / "bag" / "bag_0.mcap").open("ab") as file:
        file.truncate(20_000)
    (session / "bag" / "metadata.yaml").unlink()
    assert not repair_session(session).changed
    assert repair_session(session, anew=True).changed
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert 0 < read_manifest(session).streams["imu/data_raw"].messages < 300


def test_much_that_cannot_be_read_is_kept_beside_the_bag(interrupt: Interrupt) -> None:
    session = interrupt()
    bag = session / "bag" / "bag_0.mcap"
    end = bag.stat().st_size
    with bag.open("ab") as file:
        file.write(b"\x7fno record" * 7_000_000)
    _, changed = finish_mcap(bag)
    assert changed
    assert len(bag_stamps(bag)) == 300
    kept = bag.with_name("bag_0.mcap.torn").read_bytes()
    assert int.from_bytes(kept[:8], "little") <= end
    assert kept.endswith(b"\x7fno record")
    repair_session(session)
    assert verify_session(session).whole
