"""Video becomes MP4 without a change to its packets, at the times at which it was taken."""

import csv
from pathlib import Path

import av
import numpy as np
import pytest

from rig_capture.reading.session import open_session
from rig_capture.recorder.images.reading import IMAGE
from rig_capture.recorder.streams import StreamSpec
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import read_manifest, write_manifest
from test.exporting.parts import Record, call, record
from test.playback.sessions import CAMERA
from test.recorder.messages import START_NS, video
from test.recorder.pictures import image

__all__ = ["record"]

FRAME_NS = 33_333_333


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    """Decoded frames with their times, s."""
    with av.open(str(path)) as container:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_packets_are_copied_with_their_real_times(record: Record, tmp_path: Path, codec: str) -> None:
    packets = list(video(codec, 30, gop=5))
    path = record({CAMERA: packets[:10] + packets[20:]})
    code, told, errors = call(path, "--format", "mp4", "--out", tmp_path)
    assert (code, errors) == (0, "")
    made = tmp_path / path.name
    found = pictures(made / "front.mp4")
    frames = list(open_session(path).video("front"))
    assert len(found) == len(frames) == told["sessions"][0]["files"][0]["frames"] == 20
    for (time_s, picture), frame in zip(found, frames, strict=True):
        assert time_s == pytest.approx((frame.stamp_ns - START_NS) / 1e9, abs=1e-5)
        assert np.array_equal(picture, frame.image)
    with (made / "front.frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["frame"]), int(row["stamp_ns"]), int(row["seq"])) for row in rows] == [
        (index, frame.stamp_ns, frame.seq) for index, frame in enumerate(frames)
    ]
    with av.open(str(made / "front.mp4")) as container:
        assert container.streams.video[0].codec_context.name in (codec, "libdav1d")


@pytest.mark.parametrize(("codec", "hours"), [("h264", 9), ("mjpeg", 9)])
def test_a_clock_that_was_set_begins_another_file(record: Record, tmp_path: Path, codec: str, hours: int) -> None:
    path = record({CAMERA: [*video(codec, 10), *video(codec, 5, first=round(hours * 3600e9 / FRAME_NS))]})
    assert call(path, "--format", "mp4", "--encode", "--out", tmp_path)[0] == 0
    counts = [len(pictures(tmp_path / path.name / name)) for name in ("front.mp4", "front.2.mp4")]
    assert counts == [10, 5]


def test_another_size_is_another_file(record: Record, tmp_path: Path) -> None:
    path = record({CAMERA: [*video("h264", 10), *video("h264", 10, size=(160, 120), first=10)]})
    assert call(path, "--format", "mp4", "--out", tmp_path)[0] == 0
    shapes = [[picture.shape for _, picture in pictures(tmp_path / path.name / name)] for name in ("front.mp4", "front.2.mp4")]
    assert shapes == [[(240, 320, 3)] * 10, [(120, 160, 3)] * 10]


def test_what_does_not_fit_is_encoded_only_where_it_is_wished(record: Record, tmp_path: Path) -> None:
    path = record({CAMERA: list(video("mjpeg", 12))})
    code, _, errors = call(path, "--format", "mp4", "--out", tmp_path)
    assert code == 2
    assert "--encode" in errors
    assert not (tmp_path / path.name).exists()
    assert call(path, "--format", "mp4", "--encode", "--out", tmp_path)[0] == 0
    found, frames = pictures(tmp_path / path.name / "front.mp4"), list(open_session(path).video("front"))
    assert [time_s for time_s, _ in found] == pytest.approx([index * FRAME_NS / 1e9 for index in range(12)], abs=1e-5)
    for (_, picture), frame in zip(found, frames, strict=True):
        assert np.abs(picture.astype(int) - frame.image).mean() < 3


def test_depth_is_left_out_and_named(record: Record, tmp_path: Path) -> None:
    depth = StreamSpec("video", "/depth/image", IMAGE)
    pixels = [np.full((48, 64), 1000, np.uint16)] * 3
    path = record(
        {CAMERA: list(video("h264", 5)), depth: [image(index, each, "mono16") for index, each in enumerate(pixels)]}, images="video"
    )
    code, told, _ = call(path, "--format", "mp4", "--out", tmp_path / "all")
    assert code == 0
    assert told["sessions"][0]["left_out"] == ["depth.image: is depth with 16 bit, which MP4 does not keep"]
    assert call(path, "--format", "mp4", "--out", tmp_path / "depth", "--stream", "depth.image")[0] == 2


def test_a_lost_file_is_told_and_the_rest_is_there(record: Record, tmp_path: Path) -> None:
    path = record({CAMERA: list(video("h264", 45))})
    chunks = sorted((path / "front").glob("*.mkv"))
    chunks[1].unlink()
    code, told, _ = call(path, "--format", "mp4", "--out", tmp_path)
    assert code == 1
    assert "of 45 could be read" in told["sessions"][0]["losses"][0]
    assert 0 < len(pictures(tmp_path / path.name / "front.mp4")) < 45


def test_an_interrupted_session_is_exported_as_far_as_it_goes(record: Record, tmp_path: Path) -> None:
    path = record({CAMERA: list(video("h264", 45))})
    manifest = read_manifest(path)
    streams = {name: entry.model_copy(update={"codec": "", "messages": 0, "settings": {}}) for name, entry in manifest.streams.items()}
    write_manifest(path, manifest.model_copy(update={"state": "recording", "files": (), "streams": streams, "ended_at": None}))
    SessionLayout(path).complete_mark.unlink()
    code, told, _ = call(path, "--format", "mp4", "--out", tmp_path)
    assert code == 1
    assert "rig repair" in told["sessions"][0]["losses"][0]
    assert len(pictures(tmp_path / path.name / "front.mp4")) == 45
