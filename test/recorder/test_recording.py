"""A recording from its folder to its completion mark, with serialized messages and real files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rosbags.highlevel import AnyReader

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest, end_reason_for
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import NotASession, verify_session
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import read_manifest
from test.recorder.messages import IMU, START_NS, audio, imu, video

VIDEO = StreamSpec("video", "camera_front/video", "rig_capture_msgs/msg/VideoPacket", required=True)
AUDIO = StreamSpec("audio", "audio_main/audio", "rig_capture_msgs/msg/AudioChunk")
TOPIC = StreamSpec("topic", "imu/data_raw", IMU)

Begin = Callable[..., Recording]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Begins a recording in a folder of its own."""

    def make(request: RecordingRequest | None = None, **settings: object) -> Recording:
        parameters = RecorderParameters.model_validate({"rig": "lab", **settings})
        context = RecordingContext(parameters, tmp_path / "sessions", {"ros_distro": "jazzy"}, {"rig": "lab"}, lambda: START_NS)
        return Recording(context, request or RecordingRequest(), lambda name, failure: None)

    return make


def fill(recording: Recording, codec: str = "h264", frames: int = 45) -> None:
    """One and a half seconds of video, sound and motion."""
    picture, sound, motion = (recording.add_stream(spec, f"/{spec.topic}", []) for spec in (VIDEO, AUDIO, TOPIC))
    for packet in video(codec, frames):
        picture.take(packet, START_NS)
    for index in range(30):
        sound.take(audio(index), START_NS)
    for index in range(300):
        motion.take(imu(START_NS + index * 5_000_000), START_NS + index * 5_000_000)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mjpeg", "ffv1"])
def test_a_finished_session_is_whole(begin: Begin, codec: str) -> None:
    recording = begin(RecordingRequest(label="walk", participant="p01"))
    fill(recording, codec)
    summary = recording.finish("complete", "stopped")
    verdict = verify_session(summary.path)
    assert verdict.whole, verdict.damages
    assert verdict.losses == []
    assert verdict.messages == 45 + 30 + 300
    manifest = read_manifest(summary.path)
    assert manifest.state == "complete"
    assert manifest.participant == (summary.path / "participant.txt").read_text().strip() == "p01"
    assert manifest.streams["camera_front"].codec == codec
    assert manifest.streams["camera_front"].rate_hz == pytest.approx(30, abs=0.01)
    assert manifest.streams["audio_main"].settings == {"sample_rate": 48000, "channels": 2}
    assert manifest.streams["imu/data_raw"].first_stamp_ns == START_NS
    listed = {entry.path for entry in manifest.files}
    on_disk = {file.relative_to(summary.path).as_posix() for file in summary.path.rglob("*") if file.is_file()}
    assert on_disk - listed == {"manifest.json", "session.lock", ".rig_complete"}


def test_a_session_without_a_message_in_its_bag_is_whole(begin: Begin) -> None:
    recording = begin(merge=True)
    picture, _ = (recording.add_stream(spec, f"/{spec.topic}", []) for spec in (VIDEO, TOPIC))
    for packet in video("h264", 10):
        picture.take(packet, START_NS)
    summary = recording.finish("complete", "stopped")
    verdict = verify_session(summary.path)
    assert verdict.whole, verdict.damages
    assert (summary.path / "recording.mkv").exists()


def test_messages_whose_header_has_no_stamp_count_by_their_arrival(begin: Begin) -> None:
    recording = begin()
    sink = recording.add_stream(TOPIC, "/imu/data_raw", [])
    for index in range(10):
        sink.take(imu(0), START_NS + index * 5_000_000)
    manifest = read_manifest(recording.finish("complete", "stopped").path)
    stream = manifest.streams["imu/data_raw"]
    assert (stream.first_stamp_ns, stream.last_stamp_ns) == (START_NS, START_NS + 45_000_000)
    assert stream.rate_hz == pytest.approx(200)


def test_while_it_runs_it_is_locked_and_says_so(begin: Begin) -> None:
    recording = begin()
    session = recording.layout.path
    assert is_locked(session)
    assert read_manifest(session).state == "recording"
    assert not SessionLayout(session).complete_mark.exists()
    assert any("being recorded" in damage for damage in verify_session(session).damages)
    recording.finish("complete", "stopped")
    assert not is_locked(session)
    assert SessionLayout(session).complete_mark.exists()


def test_chunks_begin_at_keyframes_and_are_playable_by_themselves(begin: Begin) -> None:
    recording = begin(chunk_s=0.5)
    fill(recording, frames=60)
    summary = recording.finish("complete", "stopped")
    assert verify_session(summary.path).whole
    chunks = [entry for entry in read_manifest(summary.path).files if entry.kind == "video"]
    assert len(chunks) == 3, "60 frames with a keyframe every 10, cut at the first keyframe after 0.5 s"
    starts = [entry.started_at for entry in chunks]
    assert starts == sorted(starts)


def test_a_change_of_format_begins_a_new_chunk(begin: Begin) -> None:
    recording = begin()
    sink = recording.add_stream(VIDEO, "/camera_front/video", [])
    for packet in [*video("h264", 10), *video("h264", 10, size=(160, 120), first=10), *video("mjpeg", 5, first=20)]:
        sink.take(packet, START_NS)
    summary = recording.finish("complete", "stopped")
    assert verify_session(summary.path).whole
    assert sum(entry.kind == "video" for entry in read_manifest(summary.path).files) == 3


@pytest.mark.parametrize(("form", "width"), [("S16LE", 2), ("S24LE", 3), ("S32LE", 4), ("F32LE", 4)])
def test_every_sample_format_is_kept_and_a_new_segment_is_a_new_chunk(begin: Begin, form: str, width: int) -> None:
    recording = begin()
    sink = recording.add_stream(AUDIO, "/audio_main/audio", [])
    for index in range(10):
        sink.take(audio(index, form=form, width=width, segment=index // 5), START_NS)
    summary = recording.finish("complete", "stopped")
    verdict = verify_session(summary.path)
    assert verdict.whole, verdict.damages
    assert sum(entry.kind == "audio" for entry in read_manifest(summary.path).files) == 2


def test_packets_before_the_first_keyframe_are_passed_over_and_no_loss(begin: Begin) -> None:
    recording = begin()
    sink = recording.add_stream(VIDEO, "/camera_front/video", [])
    for packet in list(video("h264", 25))[3:]:
        sink.take(packet, START_NS)
    summary = recording.finish("complete", "stopped")
    verdict = verify_session(summary.path)
    assert verdict.whole
    assert verdict.losses == []
    assert read_manifest(summary.path).streams["camera_front"].messages == 15


def test_missing_packets_are_on_record(begin: Begin) -> None:
    recording = begin()
    sink = recording.add_stream(VIDEO, "/camera_front/video", [])
    packets = list(video("mjpeg", 20))
    for packet in packets[:5] + packets[8:]:
        sink.take(packet, START_NS)
    sink.counter.lost_dds += 1
    summary = recording.finish("complete", "stopped")
    loss = read_manifest(summary.path).streams["camera_front"].loss
    assert (loss.dds, loss.sequence, loss.queue) == (1, 2, 0), "three are missing, of which DDS told of one"
    verdict = verify_session(summary.path)
    assert verdict.whole
    assert "camera_front: 1 dds + 2 sequence" in verdict.line


def test_a_silence_is_a_gap_with_its_bounds(begin: Begin) -> None:
    recording = begin()
    sink = recording.add_stream(TOPIC, "/imu/data_raw", [])
    stamps = [START_NS + n * 5_000_000 for n in range(100)] + [START_NS + 3_000_000_000]
    for stamp in stamps:
        sink.take(imu(stamp), stamp)
    summary = recording.finish("complete", "stopped")
    (gap,) = read_manifest(summary.path).streams["imu/data_raw"].gaps
    assert (gap.from_ns, gap.to_ns) == (stamps[-2], stamps[-1])


def test_the_bag_opens_with_an_independent_reader(begin: Begin) -> None:
    recording = begin()
    fill(recording)
    summary = recording.finish("complete", "stopped")
    with AnyReader([summary.path / "bag"]) as reader:
        (connection,) = reader.connections
        assert (connection.topic, connection.msgtype, connection.msgcount) == ("/imu/data_raw", IMU, 300)
        assert "float64[9] orientation_covariance" in connection.msgdef.data, "the definition is embedded"
        stamps = [reader.deserialize(raw, connection.msgtype).header.stamp.nanosec for _, _, raw in reader.messages()]  # type: ignore[attr-defined]
    assert len(set(stamps)) == 200, "stamps every 5 ms, so nanoseconds repeat after a second"


def test_a_bag_is_split_by_time(begin: Begin) -> None:
    recording = begin(chunk_s=0.01)
    sink = recording.add_stream(TOPIC, "/imu/data_raw", [])
    sent = 0
    while len(list((recording.layout.bag).glob("*.mcap"))) < 3:
        sink.take(imu(START_NS + sent), START_NS + sent)
        sent += 1
    summary = recording.finish("complete", "stopped")
    verdict = verify_session(summary.path)
    assert verdict.whole, verdict.damages
    assert read_manifest(summary.path).streams["imu/data_raw"].messages + sink.counter.dropped_queue == sent


def test_cancelling_removes_the_data_or_keeps_it(begin: Begin, tmp_path: Path) -> None:
    dropped = begin()
    fill(dropped)
    dropped.cancel(keep_data=False)
    assert sessions_in(tmp_path / "sessions") == []
    kept = begin()
    fill(kept)
    kept.cancel(keep_data=True)
    assert read_manifest(kept.layout.path).state == "cancelled"


def test_a_full_queue_drops_and_counts(begin: Begin) -> None:
    recording = begin(queue_mb=1)
    sink = recording.add_stream(AUDIO, "/audio_main/audio", [])
    for index in range(1000):
        sink.take(audio(index, frames=48000), START_NS)
    summary = recording.finish("complete", "stopped")
    stream = read_manifest(summary.path).streams["audio_main"]
    assert stream.loss.queue > 0
    assert stream.messages + stream.loss.queue == 1000


def test_a_failing_part_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    failures: list[str] = []
    context = RecordingContext(RecorderParameters(), tmp_path, {}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: failures.append(name))
    picture = recording.add_stream(VIDEO, "/camera_front/video", [])
    motion = recording.add_stream(TOPIC, "/imu/data_raw", [])
    picture.take(b"\0\1\0\0 no packet", START_NS)
    motion.take(imu(START_NS), START_NS)
    summary = recording.finish("complete", "error")
    assert failures == ["camera_front"]
    assert read_manifest(summary.path).streams["imu/data_raw"].messages == 1


def test_a_full_disk_is_told_from_other_failures() -> None:
    assert end_reason_for(OSError(28, "No space left on device")) == "disk_full"
    assert end_reason_for(ValueError("odd")) == "error"


def test_damage_is_found_and_named(begin: Begin) -> None:
    recording = begin()
    fill(recording)
    session = recording.finish("complete", "stopped").path
    chunk = session / "camera_front" / "00000.mkv"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 0xFF
    chunk.write_bytes(data)
    (session / "audio_main" / "frames.csv").unlink()
    with (session / "bag" / "bag_0.mcap").open("ab") as bag:
        bag.truncate(20_000)
    verdict = verify_session(session)
    assert not verdict.whole
    text = "\n".join(verdict.damages)
    for expected in ("camera_front/00000.mkv: its SHA-256", "audio_main/frames.csv: missing", "bag_0.mcap: 20000 bytes"):
        assert expected in text
    json.dumps(verdict.as_json())


def test_a_folder_without_manifest_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(NotASession, match=r"manifest\.json"):
        verify_session(tmp_path)
