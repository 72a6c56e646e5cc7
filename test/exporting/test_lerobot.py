"""Sessions become episodes of a LeRobot dataset: the right pictures and values at every frame."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from rig_capture.exporting.lerobot.statistics import PictureStatistics, together, vector_statistics
from rig_capture.reading.session import open_session
from rig_capture.recorder.tracks.samples import VIDEO_PACKET
from test.exporting.parts import JOINTS, Record, at, call, joints, record
from test.playback.sessions import CAMERA, STATE
from test.recorder.messages import header, make

__all__ = ["record"]

KEY = "observation.images.front"
FRAME_MS = 33.333333


def session(record: Record, *, packets: slice = slice(None), positions: int = 2) -> Path:
    """45 frames at 30 per second, and positions at 100 per second that tell their time in ms."""
    values = [joints(at(10 * index), [10.0 * index] * positions) for index in range(150)]
    state = [make("std_msgs/msg/String", data="ready")]
    return record({CAMERA: numbered(45)[packets], JOINTS: values, STATE: state})


def numbered(count: int) -> list[bytes]:
    """VideoPackets at 30 per second, each with its number as eight bars, black and white."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.gop_size = 320, 240, "yuv420p", 5
    context.time_base, context.framerate, context.options = Fraction(1, 30), Fraction(30), {"preset": "ultrafast", "tune": "zerolatency"}
    packets = []
    for index in [*range(count), None]:
        frame = None
        if index is not None:
            bars = np.repeat([255 * (index >> bit & 1) for bit in range(8)], 40).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.broadcast_to(bars[None, :, None], (240, 320, 3)).copy(), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
        packets += [(packet.pts, packet.is_keyframe, bytes(packet)) for packet in context.encode(frame)]
    fields: dict[str, Any] = {"codec": "h264", "width": 320, "height": 240}
    return [
        make(
            VIDEO_PACKET,
            header=header(at(index * FRAME_MS)),
            seq=index,
            keyframe=keyframe,
            pts_ns=round(index * FRAME_MS * 1e6),
            data=np.frombuffer(data, np.uint8),
            **fields,
        )
        for index, keyframe, data in packets
    ]


def shown(image: np.ndarray) -> int:
    """The number on a picture of `numbered`, (height, width, 3) uint8."""
    return sum(1 << bit for bit in range(8) if image[:, 40 * bit + 8 : 40 * bit + 32].mean() > 128)


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_episodes_have_the_files_and_columns_of_the_format(record: Record, tmp_path: Path) -> None:
    sessions = [session(record), session(record, packets=slice(0, 30))]
    out = tmp_path / "dataset"
    code, told, errors = call(*sessions, "--format", "lerobot", "--rate", 10, "--out", out)
    assert (code, errors) == (0, "")
    info = json.loads((out / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"], info["total_tasks"]) == ("v3.0", 10, 2, 1)
    lengths = [15, 10]
    assert info["total_frames"] == sum(lengths)
    assert info["features"][KEY]["shape"] == [240, 320, 3]
    assert info["features"]["observation.joints"] == {"dtype": "float32", "shape": [2], "names": ["position[0]", "position[1]"]}
    tasks = pd.read_parquet(out / "meta/tasks.parquet")
    assert (tasks.index.name, tasks.index.tolist(), tasks["task_index"].tolist()) == ("task", ["recording"], [0])
    episodes = parquet.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(each["length"], each["dataset_from_index"], each["dataset_to_index"]) for each in episodes] == [(15, 0, 15), (10, 15, 25)]
    assert np.shape(episodes[0][f"stats/{KEY}/mean"]) == (3, 1, 1)
    stats = json.loads((out / "meta/stats.json").read_text())
    assert set(stats) == set(info["features"])
    assert stats["observation.joints"]["count"] == [25]
    for index, length in enumerate(lengths):
        place = f"chunk-{episodes[index]['data/chunk_index']:03d}/file-{episodes[index]['data/file_index']:03d}"
        table = parquet.read_table(out / f"data/{place}.parquet")
        assert str(table.schema.field("observation.joints").type) == "fixed_size_list<element: float>[2]"
        rows: dict[str, Any] = table.to_pydict()
        assert rows["frame_index"] == list(range(length))
        assert rows["timestamp"] == pytest.approx([frame / 10 for frame in range(length)])
        assert (set(rows["episode_index"]), set(rows["task_index"])) == ({index}, {0})
        assert rows["observation.joints"] == [[100.0 * frame] * 2 for frame in range(length)]
        found = pictures(out / f"videos/{KEY}/{place}.mp4")
        assert [time_s for time_s, _ in found] == pytest.approx([frame / 10 for frame in range(length)])
        assert [shown(image) for _, image in found] == [3 * frame for frame in range(length)]
    own = json.loads((out / "meta/rig_capture.json").read_text())["episodes"]
    assert [each["first_stamp_ns"] for each in own] == [at(0), at(0)]
    assert told["sessions"][0]["left_out"] == ["state: has no numbers"]


def test_pictures_are_the_nearest_and_those_missing_are_told(record: Record, tmp_path: Path) -> None:
    packets = numbered(45)
    path = record({CAMERA: packets[:15] + packets[30:]})
    assert call(path, "--format", "lerobot", "--rate", 20, "--out", tmp_path / "out")[0] == 0
    frames = list(open_session(path).video("front"))
    found = pictures(tmp_path / f"out/videos/{KEY}/chunk-000/file-000.mp4")
    assert len(found) == 30
    for time_s, image in found:
        nearest = min(frames, key=lambda frame: abs(frame.stamp_ns - at(time_s * 1000)))
        assert shown(image) == nearest.seq
    (episode,) = json.loads((tmp_path / "out/meta/rig_capture.json").read_text())["episodes"]
    assert "frames show a picture that is more than a frame's time off" in episode["left_out"][0]


def test_without_a_rate_it_is_that_of_the_first_video_and_topics_alone_need_one(record: Record, tmp_path: Path) -> None:
    path = session(record)
    assert call(path, "--format", "lerobot", "--out", tmp_path / "video")[0] == 0
    assert json.loads((tmp_path / "video/meta/info.json").read_text())["fps"] == 30
    assert len(pictures(tmp_path / f"video/videos/{KEY}/chunk-000/file-000.mp4")) == 45
    code, _, errors = call(path, "--format", "lerobot", "--stream", "joints", "--out", tmp_path / "topics")
    assert (code, "add --rate" in errors) == (2, True)
    arguments = ("--format", "lerobot", "--stream", "joints", "--rate", 50, "--method", "linear", "--out", tmp_path / "topics")
    assert call(path, *arguments)[0] == 0
    rows = parquet.read_table(tmp_path / "topics/data/chunk-000/file-000.parquet").to_pydict()
    assert [values[0] for values in rows["observation.joints"]] == [20.0 * frame for frame in range(75)]


def test_sessions_that_do_not_fit_together_make_no_dataset(record: Record, tmp_path: Path) -> None:
    paths = [session(record), session(record, positions=3)]
    code, told, errors = call(*paths, "--format", "lerobot", "--out", tmp_path / "out")
    assert code == 2
    assert "observation.joints is [3], there [2]" in errors
    assert ["error" in each for each in told["sessions"]] == [True, True]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["sessions"]
    assert call(*paths, "--format", "lerobot", "--stream", "front", "--out", tmp_path / "out")[0] == 0


def test_a_damaged_session_becomes_an_episode_as_far_as_it_goes(record: Record, tmp_path: Path) -> None:
    path = session(record)
    sorted((path / "front").glob("*.mkv"))[-1].unlink()
    code, told, _ = call(path, "--format", "lerobot", "--rate", 10, "--out", tmp_path / "out")
    assert code == 1
    assert "of 45 could be read" in told["sessions"][0]["losses"][0]
    length = parquet.read_metadata(tmp_path / "out/data/chunk-000/file-000.parquet").num_rows
    assert 0 < length < 15
    assert len(pictures(tmp_path / f"out/videos/{KEY}/chunk-000/file-000.mp4")) == length


def test_statistics_are_those_of_the_values() -> None:
    generator = np.random.default_rng(1)
    parts = [generator.normal(size=(50, 3)), generator.normal(3, size=(150, 3))]
    parts[0][7, 1] = np.nan
    whole, found = np.concatenate(parts)[:, [0, 2]], together([vector_statistics(part) for part in parts])
    for name, expected in (("mean", whole.mean(0)), ("std", whole.std(0)), ("min", whole.min(0)), ("max", whole.max(0))):
        assert found[name][[0, 2]] == pytest.approx(expected)
    assert not np.isnan(found["mean"]).any()
    image = generator.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    counted = PictureStatistics()
    counted.add(image)
    result, scaled = counted.result(), image.reshape(-1, 3) / 255
    assert result["mean"].ravel() == pytest.approx(scaled.mean(0))
    assert result["std"].ravel() == pytest.approx(scaled.std(0))
    assert result["q90"].ravel() == pytest.approx(np.quantile(scaled, 0.9, axis=0), abs=0.01)


def test_lerobot_itself_gives_back_the_right_frames(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A dataset that it does not find here it would look for elsewhere.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    lerobot = pytest.importorskip(
        "lerobot.datasets.lerobot_dataset", reason="lerobot (with torch) is not installed; it is no part of the tests"
    )
    sessions = [session(record), session(record, packets=slice(0, 30))]
    assert call(*sessions, "--format", "lerobot", "--rate", 10, "--out", tmp_path / "out")[0] == 0
    dataset = lerobot.LeRobotDataset("local/rig", root=tmp_path / "out", video_backend="pyav")
    assert (len(dataset), dataset.num_episodes, dataset.fps) == (25, 2, 10)
    for index in range(25):
        item, frame = dataset[index], index if index < 15 else index - 15
        assert (int(item["episode_index"]), int(item["frame_index"]), item["task"]) == (int(index >= 15), frame, "recording")
        assert item["observation.joints"].tolist() == [100.0 * frame] * 2
        image = (item[KEY].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
        assert shown(image) == 3 * frame
