"""Reading videos of every kind: sessions with their stamps, and files that are not what they should be."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rig_capture.estimation.errors import NoVideo, VideoError
from rig_capture.estimation.pictures import Picture, VideoReader
from rig_capture.estimation.video import find_video, find_videos
from rig_capture.recorder.finishing.finishing import MergeWish, merge_now
from rig_capture.recorder.tracks.samples import VIDEO_PACKET
from rig_capture.session.errors import SessionError
from test.estimation.videos import Record, spot_picture, walk, write_video
from test.recorder.messages import DEFINITIONS, START_NS, audio, video


def pictures_of(path: Path, *streams: str) -> list[Picture]:
    (source,) = find_videos(path, streams)
    return list(VideoReader(source))


def recorded_stamps(stream: Path) -> list[int]:
    return [int(line.split(",")[1]) for line in (stream / "frames.csv").read_text().splitlines()[1:]]


def test_the_chunks_of_a_stream_are_one_video_with_the_stamps_of_its_table(record: Record) -> None:
    session = record({"camera_front": list(video("h264", 60, gop=10))})
    stream = session / "camera_front"
    stamps = recorded_stamps(stream)
    assert len(list(stream.glob("*.mkv"))) > 2
    assert any(stamp % 1_000_000 for stamp in stamps), "files could not tell them, which keep milliseconds"
    for path in (session, stream):
        source = find_video(path)
        reader = VideoReader(source)
        assert [picture.stamp_ns for picture in reader] == stamps
        assert reader.total == 60
        metadata = reader.metadata(np.array(stamps))
        assert (metadata.stream, metadata.recording_id, metadata.file) == ("camera_front", session.name, "camera_front")
        assert metadata.rate_hz == pytest.approx(30, abs=0.01)
        assert source.session == session


def test_one_chunk_of_a_session_has_its_own_stamps(record: Record) -> None:
    session = record({"camera_front": list(video("h264", 60, gop=10))})
    stamps = recorded_stamps(session / "camera_front")
    chunks = sorted((session / "camera_front").glob("*.mkv"))
    counts = [[picture.stamp_ns for picture in pictures_of(chunk)] for chunk in chunks]
    assert [stamp for chunk in counts for stamp in chunk] == stamps
    copy = session.parent / "copy.mkv"
    shutil.copyfile(chunks[1], copy)
    alone = [picture.stamp_ns for picture in pictures_of(copy)]
    assert np.abs(np.array(alone) - counts[1]).max() <= 500_000, "without the table they are right to a millisecond"


@pytest.mark.parametrize("codec", ["hevc", "av1", "mjpeg"])
def test_codecs_of_sessions_are_read(record: Record, codec: str) -> None:
    session = record({"camera_front": list(video(codec, 25))})
    assert [picture.stamp_ns for picture in pictures_of(session)] == recorded_stamps(session / "camera_front")


def test_frames_of_a_clock_that_was_set_back_keep_their_stamps(record: Record) -> None:
    packets = list(video("h264", 40, gop=10))
    back = 5_000_000_000
    stamps = []
    for index, packet in enumerate(packets):
        fields: Any = DEFINITIONS.store.deserialize_cdr(packet, VIDEO_PACKET)
        stamp = START_NS + index * 33_333_333 - back * (index >= 20)
        fields.header.stamp.sec, fields.header.stamp.nanosec = divmod(stamp, 10**9)
        packets[index] = bytes(DEFINITIONS.store.serialize_cdr(fields, VIDEO_PACKET))
        stamps.append(stamp)
    session = record({"camera_front": packets})
    assert [picture.stamp_ns for picture in pictures_of(session)] == stamps


def test_streams_of_a_session_are_chosen_by_name(record: Record) -> None:
    session = record({"front": list(video("h264", 20)), "back": list(video("h264", 20)), "audio_main": [audio(n) for n in range(10)]})
    assert [source.stream for source in find_videos(session)] == ["back", "front"]
    assert [source.stream for source in find_videos(session, ["front"])] == ["front"]
    with pytest.raises(NoVideo, match="no video stream side; there is back, front"):
        find_videos(session, ["side"])
    with pytest.raises(VideoError, match="several videos"):
        find_video(session)
    with pytest.raises(NoVideo, match="neither a session"):
        find_videos(session / "bag")


def test_a_merged_session_without_chunks_is_read_from_its_one_file(record: Record) -> None:
    session = record({"front": list(video("h264", 30, gop=10)), "back": list(video("h264", 30, gop=10))})
    stamps = recorded_stamps(session / "front")
    merge_now(session, MergeWish(keep_chunks=False, topics=()), lambda fraction: None, lambda: False)
    assert not list((session / "front").glob("*.mkv"))
    assert [picture.stamp_ns for picture in pictures_of(session, "front")] == stamps
    assert [source.stream for source in find_videos(session / "recording.mkv")] == ["back", "front"]


def test_depth_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "depth.mkv"
    write_video(path, (spot_picture(30, 30) for _ in range(3)), codec="ffv1", pixel_format="gray16le")
    with pytest.raises(VideoError, match="holds depth"):
        pictures_of(path)


def test_a_table_that_can_not_be_read_is_told(record: Record) -> None:
    session = record({"front": list(video("h264", 20))})
    (session / "front" / "frames.csv").write_text("seq,stamp_ns,pts_ns,keyframe,bytes\n1,half")
    with pytest.raises(VideoError, match="rig repair"):
        pictures_of(session)


def test_a_session_without_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(SessionError):
        find_videos(tmp_path)


def _cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def test_a_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "walk.mkv", walk(50))
    _cut(path, 0.6)
    assert 10 < len(pictures_of(path)) < 50


def test_a_truncated_file_without_its_table_of_contents_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "walk.mp4", walk(50))
    _cut(path, 0.6)
    with pytest.raises(VideoError, match=r"walk\.mp4: is no video file that can be read"):
        pictures_of(path)


def test_packets_that_can_not_be_decoded_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_video(tmp_path / "walk.avi", walk(40), codec="mjpeg", pixel_format="yuvj420p")
    data = bytearray(path.read_bytes())
    begin = len(data) // 2
    start = data.index(b"\xff\xd8\xff", begin)
    data[start : start + 600] = bytes(600)
    path.write_bytes(data)
    reader = VideoReader(find_video(path))
    assert len(list(reader)) == 39
    assert reader.undecodable == 1
    assert "1 packets can't be decoded" in caplog.text


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_rubbish_is_told(tmp_path: Path, suffix: str) -> None:
    for name, content in (("text", b"hello\n" * 100), ("noise", np.random.default_rng(1).bytes(20_000)), ("zeros", bytes(5000))):
        path = tmp_path / f"{name}.{suffix}"
        path.write_bytes(content)
        with pytest.raises(VideoError, match=f"{name}.{suffix}"):
            pictures_of(path)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(NoVideo, match="is empty"):
        find_videos(path)
    with pytest.raises(NoVideo, match="no such file"):
        find_videos(tmp_path / "missing.mp4")


def test_a_playlist_can_not_reach_for_other_files(tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mkv", walk(5))
    for name, content in (
        ("list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", f"ffconcat version 1.0\nfile {secret.name}\n"),
    ):
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(VideoError):
            pictures_of(path)


def _ffmpeg(*arguments: object) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg not found; run: sudo apt-get install ffmpeg")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def test_sound_alone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tone.mp4"
    _ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path)
    with pytest.raises(NoVideo, match="holds no pictures, only audio"):
        pictures_of(path)


def test_a_video_without_a_frame_is_told(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", walk(5))
    path = tmp_path / "none.mkv"
    _ffmpeg("-i", whole, "-c", "copy", "-frames:v", "0", path)
    with pytest.raises(VideoError, match=r"none\.mkv"):
        pictures_of(path)


def test_a_video_without_a_frame_that_can_be_decoded_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "walk.avi", walk(5), codec="mjpeg", pixel_format="yuvj420p")
    path.write_bytes(path.read_bytes().replace(b"\xff", b"\0"))
    with pytest.raises(NoVideo, match="no frame that can be decoded"):
        pictures_of(path)


def test_pictures_are_turned_as_the_file_says(tmp_path: Path) -> None:
    flat = write_video(tmp_path / "flat.mp4", (spot_picture(60, 50) for _ in range(3)))
    turned = tmp_path / "turned.mp4"
    one = 0x10000
    still, quarter = (struct.pack(">9i", *rows, 0, 0, 0x40000000) for rows in ((one, 0, 0, 0, one, 0), (0, one, 0, -one, 0, 0)))
    before, _, after = flat.read_bytes().rpartition(still)  # the track's matrix (ISO 14496-12, 8.3.2) is the last one
    turned.write_bytes(before + quarter + after)
    reference = tmp_path / "reference.mkv"
    _ffmpeg("-i", turned, "-c:v", "ffv1", reference)  # the program turns them by itself
    (first, *_), (wanted, *_) = pictures_of(turned), pictures_of(reference)
    assert first.rgb.shape == (320, 240, 3)
    assert first.rgb[60, 239 - 50].tolist() == pytest.approx([230, 30, 30], abs=12), "a quarter to the right"
    assert np.abs(first.rgb.astype(int) - wanted.rgb).mean() < 3


def test_frames_that_the_encoder_reordered_come_in_order(tmp_path: Path) -> None:
    path = tmp_path / "b.mp4"
    _ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30", "-t", "1", "-c:v", "libx264", "-bf", "3", path)
    stamps = [picture.stamp_ns for picture in pictures_of(path)]
    assert len(stamps) == 30
    assert stamps == sorted(stamps)


def test_pictures_in_4k_are_read(tmp_path: Path) -> None:
    path = tmp_path / "4k.mkv"
    _ffmpeg("-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=30", "-frames:v", "3", "-c:v", "libx264", "-preset", "ultrafast", path)
    assert [picture.rgb.shape for picture in pictures_of(path)] == [(2160, 3840, 3)] * 3


def test_pictures_that_change_their_size_are_told(record: Record) -> None:
    packets = [*video("h264", 15, gop=5), *video("h264", 15, gop=5, size=(160, 120), first=15)]
    session = record({"front": packets})
    with pytest.raises(VideoError, match="change from 320 x 240 to 160 x 120"):
        pictures_of(session)
