"""Opened sessions give back what was recorded, and tell what is missing."""

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rig_capture.playback.items import Packet
from rig_capture.reading import stream as stream_module
from rig_capture.reading.errors import ExtraMissing, Incomplete, UnknownStream
from rig_capture.reading.session import open_session
from rig_capture.reading.video import Frame
from rig_capture.recorder.finishing.finishing import MergeWish, merge_now
from rig_capture.recorder.images.reading import IMAGE
from rig_capture.recorder.repair.repair import repair_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK
from rig_capture.session.errors import ManifestError
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import read_manifest, write_manifest
from test.playback.sessions import AUDIO, CAMERA, STATE, TOPIC, record_session
from test.recorder.messages import DEFINITIONS, START_NS, audio, header, imu, make, video
from test.recorder.pictures import image

Record = Callable[..., Path]

BEAT = StreamSpec("topic", "heartbeat", "rig_capture_msgs/msg/NodeHeartbeat")
DEPTH = StreamSpec("video", "/depth/image", IMAGE)
FRAME_NS = 33_333_333
BLOCK_NS = 50_000_000


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Records messages as a session."""
    return partial(record_session, tmp_path / "sessions")


def noise(count: int, form: str = "S16LE", *, without: int = -1) -> tuple[list[bytes], np.ndarray]:
    """Blocks of 50 ms at 48 kHz, and all their samples (frames, 2) as int32 with full scale 2^31; one block may be lost."""
    samples = (np.clip(np.random.default_rng(5).normal(scale=0.1, size=(count * 2400, 2)), -0.9, 0.9) * 2**31).astype("<i4")
    width = {"S16LE": 2, "S24LE": 3, "S32LE": 4, "F32LE": 4}[form]
    blocks = []
    for index in range(count):
        part = samples[index * 2400 : (index + 1) * 2400]
        data = (part / 2.0**31).astype("<f4") if form == "F32LE" else part
        raw = np.ascontiguousarray(data).view(np.uint8).reshape(-1, 4)[:, 4 - width :]
        stamp = header(START_NS + index * BLOCK_NS)
        fields = {"sample_rate": 48000, "channels": 2, "format": form, "frames": 2400, "drift_ppm": 0.0, "segment": 0}
        blocks.append(
            make(AUDIO_CHUNK, header=stamp, seq=index, first_sample=index * 2400, data=np.ascontiguousarray(raw).ravel(), **fields)
        )
    return [block for index, block in enumerate(blocks) if index != without], samples


def heartbeat(pid: int) -> bytes:
    """A message of the rig's own types."""
    DEFINITIONS.need(BEAT.type)
    time = DEFINITIONS.store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    fields: dict[str, Any] = {"started_at": time, "last_seen": time, "settings": "", "rate_hz": 1.0, "age_s": 0.5, "lost": 0}
    return make(BEAT.type, name="/lab/mic", host="pc1", pid=pid, level=0, message="", **fields)


def differs(frame: Frame, index: int) -> float:
    """How far a picture is from the one of `messages.video` with an index, mean over all values."""
    plain = np.full((240 * 3 // 2, 320), 16 + index * 3 % 200, np.uint8)
    rgb = av.VideoFrame.from_ndarray(plain, format="yuv420p").to_ndarray(format="rgb24")
    return float(np.abs(frame.image.astype(int) - rgb).mean())


def mended_end(iterator: Any) -> tuple[list[Any], Incomplete]:
    """Everything that an iterator yields, and the error at its end."""
    found: list[Any] = []
    with pytest.raises(Incomplete) as caught:
        found.extend(iterator)
    return found, caught.value


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mjpeg", "ffv1"])
def test_frames_come_one_by_one_with_their_stamps_across_chunks(record: Record, codec: str) -> None:
    path = record({CAMERA: list(video(codec, 45))})
    assert len(list((path / "front").glob("*.mkv"))) > 1
    frames = list(open_session(path).video("front"))
    assert [frame.seq for frame in frames] == list(range(45))
    assert [frame.stamp_ns for frame in frames] == [START_NS + index * FRAME_NS for index in range(45)]
    assert {(frame.image.shape, frame.image.dtype.name) for frame in frames} == {((240, 320, 3), "uint8")}
    for index, frame in enumerate(frames):
        assert differs(frame, index) < (12 if codec == "av1" else 4)


@pytest.mark.parametrize("merged", [False, True])
def test_a_span_begins_and_ends_at_its_stamps(record: Record, merged: bool) -> None:
    path = record({CAMERA: list(video("h264", 45)), AUDIO: noise(30)[0]})
    if merged:
        merge_now(path, MergeWish(keep_chunks=False))
        assert not list((path / "front").glob("*.mkv"))
    front = open_session(path).video("front")
    frames = list(front.frames(START_NS + 23 * FRAME_NS, START_NS + 40 * FRAME_NS))
    assert [frame.seq for frame in frames] == list(range(23, 40))
    assert differs(frames[0], 23) < 4
    packets = list(front.packets(START_NS + 23 * FRAME_NS, START_NS + 40 * FRAME_NS))
    assert (packets[0].seq, packets[0].keyframe, packets[-1].seq) == (20, True, 39)
    assert list(front.frames(START_NS + 10**12)) == []


def test_packets_are_those_of_the_topic_and_tables_tell_of_them(record: Record) -> None:
    given = [DEFINITIONS.store.deserialize_cdr(each, "rig_capture_msgs/msg/VideoPacket") for each in video("h264", 45)]
    front = open_session(record({CAMERA: list(video("h264", 45))})).video("front")
    packets = list(front.packets())
    assert all(isinstance(packet, Packet) for packet in packets)
    assert [packet.data[-50:] for packet in packets] == [message.data.tobytes()[-50:] for message in given]  # type: ignore[attr-defined]
    assert front.table["seq"].tolist() == list(range(45))
    table = front.to_pandas()
    assert (table.index.name, table.index[0], len(table)) == ("stamp_ns", START_NS, 45)


@pytest.mark.parametrize(("form", "kept"), [("S16LE", "pcm"), ("S24LE", "pcm"), ("S32LE", "pcm"), ("F32LE", "pcm"), ("S24LE", "flac")])
def test_sound_is_to_the_sample(record: Record, form: str, kept: str) -> None:
    blocks, samples = noise(30, form)
    mic = open_session(record({AUDIO: blocks}, audio_codec=kept)).audio("mic")
    found = list(mic)
    assert [(block.seq, block.stamp_ns, block.first_sample) for block in found] == [
        (i, START_NS + i * BLOCK_NS, i * 2400) for i in range(30)
    ]
    together = np.concatenate([block.samples for block in found])
    assert together.dtype.name == {"S16LE": "int16", "F32LE": "float32"}.get(form, "int32")
    shift = {"S16LE": 16, "S24LE": 8}.get(form, 0)
    expected = (samples / 2.0**31).astype(np.float32) if form == "F32LE" else samples >> shift
    assert np.array_equal(together, expected)
    assert np.allclose(np.concatenate([block.as_float for block in found]), samples / 2.0**31, atol=2**-15)
    # 1234 samples into the fourth block; half a second that ends in another chunk.
    start_ns = START_NS + 3 * BLOCK_NS + round(1234e9 / 48000)
    (cut,) = mic.slices(start_ns, start_ns + 500_000_000)
    assert (cut.first_sample, abs(cut.stamp_ns - start_ns) <= 20_834, abs(len(cut.samples) - 24000) <= 1) == (cut.first_sample, True, True)
    assert cut.first_sample in (3 * 2400 + 1234, 3 * 2400 + 1235)
    assert np.array_equal(cut.samples, expected[cut.first_sample : cut.first_sample + len(cut.samples)])


def test_a_slice_ends_where_blocks_were_lost(record: Record) -> None:
    mic = open_session(record({AUDIO: noise(20, without=7)[0]})).audio("mic")
    first, second = mic.slices(START_NS, START_NS + 10**9)
    assert (first.seq, len(first.samples), second.seq, second.stamp_ns) == (0, 7 * 2400, 8, START_NS + 8 * BLOCK_NS)
    assert first.end_ns == START_NS + 7 * BLOCK_NS


def test_messages_are_objects_arrays_and_tables(record: Record) -> None:
    stamps = [START_NS + index * 5_000_000 for index in range(300)]
    text = [make("std_msgs/msg/String", data=f"state {index}") for index in range(3)]
    session = open_session(record({TOPIC: [imu(stamp) for stamp in stamps], STATE: text, BEAT: [heartbeat(7)]}))
    motion = session.topic("imu/data_raw")
    messages = list(motion)
    assert [each.stamp_ns for each in messages] == stamps
    assert messages[5].message.linear_acceleration.z == 9.81
    assert [each.stamp_ns for each in motion.messages(stamps[100], stamps[110])] == stamps[100:110]
    arrays = motion.to_numpy()
    assert arrays["linear_acceleration.z"].tolist() == [9.81] * 300
    assert arrays["orientation_covariance"].shape == (300, 9)
    table = motion.to_pandas()
    assert not [name for name in table.columns if "__" in name]
    assert table.index.tolist() == stamps
    assert table["orientation_covariance.8"].sum() == 0
    assert session.topic("/state").to_pandas()["data"].tolist() == ["state 0", "state 1", "state 2"]
    assert "data" not in session.topic("state").to_numpy()
    assert [each.message.pid for each in session.topic("heartbeat")] == [7]


def test_depth_keeps_every_value(record: Record) -> None:
    pixels = [np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21 + index for index in range(3)]
    path = record({DEPTH: [image(index, each, "mono16") for index, each in enumerate(pixels)]}, images="video", image_encoder="pyav")
    frames = list(open_session(path).video("depth.image"))
    assert len(frames) == 3
    for frame, given in zip(frames, pixels, strict=True):
        assert frame.image.dtype == np.uint16
        assert np.array_equal(frame.image, given)


def test_a_chunk_that_is_cut_off_is_told_after_everything_else(record: Record) -> None:
    path = record({CAMERA: list(video("h264", 45))})
    chunks = sorted((path / "front").glob("*.mkv"))
    chunks[1].write_bytes(chunks[1].read_bytes()[: chunks[1].stat().st_size // 2])
    frames, error = mended_end(open_session(path).video("front").frames())
    last = sorted((path / "front").glob("*.mkv"))[-1]
    assert last != chunks[1]
    assert [frame.seq for frame in frames][-1] == 44
    lost = 45 - len(frames)
    assert 0 < lost < 20
    assert (error.read, error.expected, error.last_stamp_ns) == (45 - lost, 45, START_NS + 44 * FRAME_NS)
    assert re.search(rf"front: {45 - lost} of 45 could be read.*{lost} that frames.csv has from stamp", str(error))
    _, of_packets = mended_end(open_session(path).video("front").packets())
    assert of_packets.read <= 45 - lost + 1
    assert len(list(open_session(path, strict=False).video("front"))) == 45 - lost
    # What lies before the damage is whole.
    assert len(list(open_session(path).video("front").frames(None, START_NS + 10 * FRAME_NS))) == 10


@pytest.mark.parametrize("kept", ["pcm", "flac"])
def test_sound_that_is_cut_off_is_told_and_no_sample_is_wrong(record: Record, kept: str) -> None:
    blocks, samples = noise(30)
    path = record({AUDIO: blocks}, audio_codec=kept, chunk_s=0.5)
    chunk = path / "mic" / "00001.mkv"
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])
    found, error = mended_end(open_session(path).audio("mic").blocks())
    assert (found[0].seq, found[-1].seq) == (0, 29)
    assert 20 < len(found) < 30
    assert error.expected == 30
    for block in found:
        given = samples[block.first_sample : block.first_sample + len(block.samples)] >> 16
        assert np.array_equal(block.samples, given)
        assert len(given) == 2400 or f"of the block at {block.stamp_ns}" in str(error)


def test_a_stream_that_ends_early_says_where(record: Record) -> None:
    path = record({CAMERA: list(video("h264", 45)), AUDIO: noise(30)[0]})
    sorted((path / "front").glob("*.mkv"))[-1].unlink()
    sorted((path / "mic").glob("*.mkv"))[-1].unlink()
    session = open_session(path)
    for stream, whole, step in ((session.video("front").frames(), 45, FRAME_NS), (session.audio("mic").blocks(), 30, BLOCK_NS)):
        found, error = mended_end(stream)
        assert 0 < len(found) < whole
        assert error.expected == whole
        assert error.last_stamp_ns == START_NS + (len(found) - 1) * step
        assert error.expected_last_ns == START_NS + (whole - 1) * step
        assert any("00002.mkv: can't be opened" in reason for reason in error.reasons), error.reasons


def test_damaged_tables_are_used_up_to_the_damage(record: Record) -> None:
    path = record({CAMERA: list(video("h264", 45))})
    table = SessionLayout(path).frames("front")
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(lines[:31]) + b"30,17950\xff\n" + b"".join(lines[32:]))
    frames, error = mended_end(open_session(path).video("front").frames())
    assert [frame.seq for frame in frames] == [*range(30), *[-1] * 15]
    assert all(abs(frame.stamp_ns - START_NS - index * FRAME_NS) < 1_000_000 for index, frame in enumerate(frames))
    assert "line 32 is damaged" in str(error)
    table.unlink()
    frames, error = mended_end(open_session(path).video("front").frames())
    assert len(frames) == 45
    assert "rig repair" in str(error)


def test_bags_are_read_around_their_damage(record: Record) -> None:
    path = record({TOPIC: [imu(START_NS + index * 5_000_000) for index in range(20_000)]}, chunk_s=600.0)  # one file, however slow
    bag = path / "bag" / "bag_0.mcap"
    whole = bag.read_bytes()
    motion = open_session(path).topic("imu/data_raw")
    middle = len(whole) // 2
    bag.write_bytes(whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 50]) + whole[middle + 50 :])
    messages, error = mended_end(motion.messages())
    assert 0 < len(messages) < 20_000
    assert messages[-1].stamp_ns == START_NS + 19_999 * 5_000_000
    assert (error.read, error.expected) == (len(messages), 20_000)
    assert "is damaged" in str(error)
    bag.write_bytes(whole[:middle])
    messages, error = mended_end(motion.messages())
    assert len(messages) > 5_000
    assert [each.stamp_ns for each in messages] == [START_NS + index * 5_000_000 for index in range(len(messages))]
    assert "cut off" in str(error)
    bag.unlink()
    messages, error = mended_end(motion.messages())
    assert (messages, error.read, error.expected) == ([], 0, 20_000)
    assert "is missing" in str(error)


def test_sessions_that_were_interrupted_are_read_as_far_as_they_go(record: Record) -> None:
    path = record({CAMERA: list(video("h264", 45)), TOPIC: [imu(START_NS + index * 5_000_000) for index in range(300)]})
    layout, manifest = SessionLayout(path), read_manifest(path)
    files = tuple(entry for entry in manifest.files if entry.path == "front/00000.mkv")
    write_manifest(path, manifest.model_copy(update={"state": "recording", "files": files, "ended_at": None}))
    layout.complete_mark.unlink()
    (layout.bag / "metadata.yaml").unlink()
    table = layout.frames("front")
    table.write_bytes(table.read_bytes()[:-7])
    session = open_session(path)
    frames, error = mended_end(session.video("front").frames())
    assert len(frames) == 45
    assert "without finishing it; `rig repair` does" in str(error)
    messages, error = mended_end(session.topic("imu/data_raw").messages())
    assert len(messages) == 300
    assert error.expected is None
    assert len(list(session.video("front").frames(stop_ns=START_NS + 30 * FRAME_NS))) == 30
    repair_session(path)
    repaired = open_session(path)
    assert len(list(repaired.video("front"))) == 45
    assert len(list(repaired.topic("imu/data_raw"))) == 300


def test_errors_name_what_there_is(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session(record({CAMERA: list(video("h264", 5)), AUDIO: [audio(0)]}))
    with pytest.raises(UnknownStream, match="no video stream 'mic'; there is: front"):
        session.video("mic")
    with pytest.raises(UnknownStream, match="no topic stream 'imu'; there is: none"):
        session.topic("imu")
    with pytest.raises(ManifestError, match="no manifest"):
        open_session(tmp_path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ExtraMissing, match=r"\./rig extra pandas"):
        stream_module.pandas_module()


def test_the_package_stays_light_and_reading_needs_no_ros(record: Record) -> None:
    path = record({CAMERA: list(video("h264", 5))})
    script = f"""
import sys, rig_capture
assert not {{"numpy", "av", "pydantic", "rclpy"}} & set(sys.modules)
print(len(list(rig_capture.open_session({str(path)!r}).video("front"))))
assert not {{"rclpy", "pandas"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("5\n", 0), done.stderr
