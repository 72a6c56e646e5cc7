"""Image topics of other people's nodes, kept as video."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.images.ffmpeg_encoder import FfmpegEncoder
from rig_capture.recorder.images.reading import COMPRESSED_IMAGE, IMAGE, Unencodable, jpeg_size, picture_reader
from rig_capture.recorder.images.writer import ImageWriter
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamCounter, StreamSpec
from rig_capture.recorder.tracks.matroska import MatroskaStream
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import Manifest, read_manifest
from test.parts import need_programs
from test.recorder.messages import DEFINITIONS, START_NS
from test.recorder.pictures import compressed, decoded, image, jpeg, psnr, scene, stamp

RAW = StreamSpec("video", "/robot/cam/image", IMAGE)
JPEG = StreamSpec("video", "/robot/cam/image/compressed", COMPRESSED_IMAGE)

Keep = Callable[..., tuple[Path, Manifest]]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Records messages of one stream, sees that the session is whole, and returns its folder and manifest."""

    def record(spec: StreamSpec, messages: list[bytes], **settings: object) -> tuple[Path, Manifest]:
        parameters = RecorderParameters.model_validate({"rig": "lab", **settings})
        context = RecordingContext(parameters, tmp_path / "sessions", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
        failures: list[BaseException] = []
        recording = Recording(context, RecordingRequest(), lambda name, failure: failures.append(failure))
        sink = recording.add_stream(spec, spec.topic, [])
        for message in messages:
            sink.take(message, START_NS)
        summary = recording.finish("complete", "stopped")
        assert failures == []
        verdict = verify_session(summary.path)
        assert verdict.whole, verdict.damages
        return summary.path, read_manifest(summary.path)

    return record


@pytest.mark.parametrize("program", ["ffmpeg", "pyav"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mjpeg"])
def test_raw_pictures_become_video(keep: Keep, codec: str, program: str) -> None:
    need_programs("ffmpeg", "ffmpeg")
    pictures = [scene(index, 256, 192) for index in range(40)]
    messages = [image(index, picture, "rgb8") for index, picture in enumerate(pictures)]
    path, manifest = keep(RAW, messages, image_codec=codec, image_encoder=program, image_quality=10)
    stream = manifest.streams["robot.cam.image"]
    assert (stream.kind, stream.codec, stream.messages, stream.loss.total) == ("video", codec, 40, 0)
    # As root SVT-AV1 takes real-time priority, which can be taken back in our own process only.
    expected = "pyav" if codec == "av1" and os.geteuid() == 0 else program
    assert stream.settings["encoder"].startswith(expected)
    assert manifest.software["encoder"] == stream.settings["encoder"]
    assert (stream.first_stamp_ns, stream.last_stamp_ns) == (stamp(0), stamp(39))
    shown = decoded(path / "robot.cam.image" / "00000.mkv", "rgb24")
    assert min(psnr(one, other) for one, other in zip(pictures, shown, strict=True)) > 28


@pytest.mark.parametrize("program", ["ffmpeg", "pyav"])
@pytest.mark.parametrize(
    ("encoding", "channels", "order"),
    [
        ("rgb8", 3, [0, 1, 2]),
        ("bgr8", 3, [2, 1, 0]),
        ("rgba8", 4, [0, 1, 2, 3]),
        ("bgra8", 4, [2, 1, 0, 3]),
        ("mono8", 1, [0]),
        ("bayer_rggb8", 1, [0]),
    ],
)
def test_ffv1_keeps_every_value(keep: Keep, encoding: str, channels: int, order: list[int], program: str) -> None:
    need_programs("ffmpeg", "ffmpeg")
    random = np.random.default_rng(1)
    pictures = [random.integers(0, 256, (33, 47, channels), np.uint8) for _ in range(3)]
    messages = [image(index, picture, encoding, padding=5) for index, picture in enumerate(pictures)]
    path, manifest = keep(RAW, messages, image_codec="ffv1", image_encoder=program)
    assert manifest.streams["robot.cam.image"].settings["encoding"] == encoding
    shown = decoded(path / "robot.cam.image" / "00000.mkv", {1: "gray", 3: "rgb24", 4: "rgba"}[channels])
    for given, got in zip(pictures, shown, strict=True):
        np.testing.assert_array_equal(got.reshape(given.shape), given[:, :, order])


@pytest.mark.parametrize("program", ["ffmpeg", "pyav"])
@pytest.mark.parametrize("encoding", ["uyvy", "yuv422", "yuv422_yuy2"])
def test_yuv422_keeps_every_value_by_ffv1(keep: Keep, encoding: str, program: str) -> None:
    need_programs("ffmpeg", "ffmpeg")
    values = np.random.default_rng(2).integers(0, 256, (16, 32, 2), np.uint8)
    path, _ = keep(RAW, [image(0, values, encoding)], image_codec="ffv1", image_encoder=program)
    (shown,) = decoded(path / "robot.cam.image" / "00000.mkv", "yuyv422")
    np.testing.assert_array_equal(shown, values if "yuy2" in encoding else values[:, :, ::-1])


@pytest.mark.parametrize("program", ["ffmpeg", "pyav"])
@pytest.mark.parametrize(("encoding", "big_endian"), [("16UC1", False), ("mono16", True)])
def test_depth_keeps_every_value_whatever_the_codec(keep: Keep, encoding: str, big_endian: bool, program: str) -> None:
    need_programs("ffmpeg", "ffmpeg")
    depths = [np.random.default_rng(index).integers(0, 65536, (24, 31), np.uint16) for index in range(3)]
    messages = [image(index, depth, encoding, big_endian=big_endian) for index, depth in enumerate(depths)]
    path, manifest = keep(RAW, messages, image_codec="h264", image_encoder=program)
    assert manifest.streams["robot.cam.image"].codec == "ffv1"
    shown = decoded(path / "robot.cam.image" / "00000.mkv")
    for given, got in zip(depths, shown, strict=True):
        np.testing.assert_array_equal(got, given)


def test_odd_sizes_and_changes_of_size_begin_new_chunks(keep: Keep) -> None:
    messages = [image(0, scene(0, 63, 47), "rgb8"), image(1, scene(1, 64, 48), "bgr8"), image(2, scene(2, 64, 48), "rgb8")]
    _, manifest = keep(RAW, messages)
    assert manifest.streams["robot.cam.image"].messages == 3
    assert sum(entry.kind == "video" for entry in manifest.files) == 3


def test_what_no_codec_takes_goes_into_the_bag(keep: Keep) -> None:
    depth = np.linspace(0, 5, 24 * 32, dtype=np.float32).reshape(24, 32)
    path, manifest = keep(RAW, [image(index, depth, "32FC1") for index in range(3)])
    stream = manifest.streams["robot.cam.image"]
    assert (stream.kind, stream.messages, stream.loss.total) == ("topic", 3, 0)
    with AnyReader([path / "bag"]) as reader:
        assert [connection.topic for connection in reader.connections] == ["/robot/cam/image"]


def test_a_picture_that_does_not_fit_is_on_record_and_the_rest_is_kept(keep: Keep) -> None:
    messages = [image(0, scene(0), "rgb8"), image(1, scene(1).astype(np.float32), "32FC3"), image(2, scene(2), "rgb8")]
    path, manifest = keep(RAW, messages)
    stream = manifest.streams["robot.cam.image"]
    assert (stream.messages, stream.loss.encoder) == (2, 1)
    rows = (path / "robot.cam.image" / "frames.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["0", "2"]


def test_a_topic_without_messages_leaves_a_whole_session(keep: Keep) -> None:
    _, manifest = keep(RAW, [])
    assert manifest.streams["robot.cam.image"].messages == 0


def test_without_the_ffmpeg_program_pyav_encodes(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _, manifest = keep(RAW, [image(0, scene(0), "rgb8")], image_encoder="auto")
    assert manifest.streams["robot.cam.image"].settings["encoder"] == "pyav libx264"


def test_a_program_that_lacks_the_encoder_is_passed_over(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho Unknown encoder >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    # Settings of its own: what was found out of another program is remembered by the options.
    _, manifest = keep(RAW, [image(index, scene(index), "rgb8") for index in range(3)], image_quality=31)
    stream = manifest.streams["robot.cam.image"]
    assert (stream.settings["encoder"], stream.messages, stream.loss.total) == ("pyav libx264", 3, 0)


def test_where_ffmpeg_is_killed_pyav_goes_on_in_a_new_chunk(tmp_path: Path) -> None:
    need_programs("ffmpeg", "ffmpeg")
    files: list[Any] = []
    layout = SessionLayout(tmp_path)
    counter = StreamCounter(RAW)
    track = MatroskaStream(layout, "cam", 60.0, "rec", files.append)
    writer = ImageWriter(track, picture_reader(DEFINITIONS), counter, RecorderParameters(image_quality=10))
    pictures = [scene(index, 256, 192) for index in range(80)]
    for index, picture in enumerate(pictures):
        if index == 40:
            assert isinstance(writer.encoder, FfmpegEncoder)
            os.kill(writer.encoder.process.pid, signal.SIGKILL)
            writer.encoder.process.wait()
        writer.write(image(index, picture, "rgb8"), START_NS)
    writer.close()
    assert counter.settings["encoder"] == "pyav libx264"
    assert counter.messages + counter.loss.encoder == 80
    assert counter.loss.encoder < 30
    chunks = [file.path for file in files if file.kind == "video"]
    seqs = [int(row.split(",")[0]) for row in layout.frames("cam").read_text().splitlines()[1:]]
    assert len(chunks) == 2
    assert seqs[-40:] == list(range(40, 80)), "nothing is lost of what came after"
    shown = [picture for chunk in chunks for picture in decoded(chunk, "rgb24")]
    assert min(psnr(pictures[seq], got) for seq, got in zip(seqs, shown, strict=True)) > 28


def test_jpeg_is_copied_byte_by_byte(keep: Keep) -> None:
    pictures = [jpeg(scene(index)) for index in range(10)]
    path, manifest = keep(JPEG, [compressed(index, picture) for index, picture in enumerate(pictures)])
    stream = manifest.streams["robot.cam.image.compressed"]
    assert (stream.codec, stream.messages, stream.settings) == ("mjpeg", 10, {"width": 64, "height": 48})
    import av

    with av.open(str(path / "robot.cam.image.compressed" / "00000.mkv")) as container:
        assert [bytes(packet) for packet in container.demux(video=0) if packet.size] == pictures


def test_other_compressed_pictures_go_into_the_bag(keep: Keep) -> None:
    _, manifest = keep(JPEG, [compressed(0, jpeg(scene(0), "png"), "rgb8; png compressed")])
    stream = manifest.streams["robot.cam.image.compressed"]
    assert (stream.kind, stream.messages) == ("topic", 1)


def test_the_size_of_a_jpeg_picture_is_read_from_its_header() -> None:
    assert jpeg_size(memoryview(jpeg(scene(0, 80, 50)))) == (80, 50)
    for broken in (b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xe0\xff\xff", b"\x89PNG"):
        with pytest.raises(Unencodable):
            jpeg_size(memoryview(broken))
