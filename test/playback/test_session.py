"""What a session gives back when it is played: what was put in."""

import csv
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rig_capture.playback.clock import PlayClock
from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.items import Block, Item, Packet
from rig_capture.playback.read_ahead import ReadAhead
from rig_capture.playback.session import PlayedSession
from rig_capture.recorder.finishing.finishing import MergeWish, merge_now
from rig_capture.recorder.repair.repair import repair_session
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK, VIDEO_PACKET
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from rig_capture.session.manifest import read_manifest, write_manifest
from test.playback.sessions import AUDIO, CAMERA, STATE, TOPIC, record_session
from test.recorder.messages import DEFINITIONS, START_NS, header, imu, make, video

_WIDTHS = {"S16LE": 2, "S24LE": 3, "S32LE": 4, "F32LE": 4}

Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Records messages as a session."""
    return partial(record_session, tmp_path / "sessions")


def sound(count: int, form: str = "S16LE", *, frames: int = 2400, restart: int = 1000) -> list[bytes]:
    """Blocks of noise; from block `restart` on the samples count anew."""
    rng = np.random.default_rng(4)
    blocks = []
    for index in range(count):
        wave = np.clip(rng.normal(scale=0.1, size=(frames, 2)), -0.9, 0.9)
        data = wave.astype("<f4") if form == "F32LE" else (wave * 2**31).astype("<i4")
        width = _WIDTHS[form]
        raw = data.view(np.uint8).reshape(-1, 4)[:, 4 - width :]
        late = index >= restart
        blocks.append(
            make(
                AUDIO_CHUNK,
                header=header(START_NS + index * 50_000_000 + late * 700_000_000),
                seq=index,
                first_sample=(index - restart * late) * frames,
                segment=int(late),
                sample_rate=48000,
                channels=2,
                format=form,
                frames=frames,
                drift_ppm=0.0,
                data=np.ascontiguousarray(raw).ravel(),
            )
        )
    return blocks


def read(message: bytes, type_name: str) -> Any:
    return DEFINITIONS.store.deserialize_cdr(message, type_name)


def units(data: bytes) -> list[bytes]:
    """NAL units, whatever their start codes."""
    return [unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", data) if unit.strip(b"\0")]


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)


def played(path: Path, start_s: float = 0.0, patterns: tuple[str, ...] = ()) -> list[Item]:
    with PlayedSession(path, patterns) as session:
        return list(session.items(session.begin_ns + int(start_s * 1e9)))


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mjpeg", "ffv1"])
def test_video_packets_come_back_as_they_were(record: Record, codec: str) -> None:
    given = list(video(codec, 45))
    packets = [item.content for item in played(record({CAMERA: given}))]
    assert len(packets) == 45
    for packet, message in zip(packets, (read(each, VIDEO_PACKET) for each in given), strict=True):
        assert isinstance(packet, Packet)
        assert (packet.seq, packet.pts_ns, packet.codec, packet.keyframe) == (message.seq, message.pts_ns, codec, message.keyframe)
        assert packet.stamp_ns == stamp_of(message)
        assert (packet.width, packet.height) == (320, 240)
        if codec in ("h264", "hevc"):
            assert units(packet.data) == units(message.data.tobytes())
        elif codec != "av1":  # whose temporal delimiters Matroska leaves out
            assert packet.data == message.data.tobytes()
    decoder = av.CodecContext.create("libdav1d" if codec == "av1" else codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.width, decoder.height = 320, 240
    frames = [frame for packet in packets if isinstance(packet, Packet) for frame in decoder.decode(av.Packet(packet.data))]
    assert len([*frames, *decoder.decode(None)]) == 45


@pytest.mark.parametrize(
    ("form", "codec", "merged"),
    [
        ("S16LE", "pcm", False),
        ("S24LE", "pcm", True),
        ("F32LE", "pcm", False),
        ("S16LE", "flac", True),
        ("S24LE", "flac", False),
        ("S16LE", "opus", False),
    ],
)
def test_blocks_of_sound_come_back_as_they_were(record: Record, form: str, codec: str, *, merged: bool) -> None:
    given = sound(40, form, restart=25)
    path = record({AUDIO: given, CAMERA: list(video("h264", 80))}, audio_codec=codec)
    if merged:
        merge_now(path, MergeWish(keep_chunks=False))
    blocks = [item.content for item in played(path, patterns=("mic",))]
    assert len(blocks) == 40
    for block, message in zip(blocks, (read(each, AUDIO_CHUNK) for each in given), strict=True):
        assert isinstance(block, Block)
        assert (block.seq, block.first_sample, block.segment, block.frames) == (message.seq, message.first_sample, message.segment, 2400)
        assert (block.stamp_ns, block.format, block.sample_rate, block.channels) == (stamp_of(message), form, 48000, 2)
        if codec != "opus":
            assert block.data == message.data.tobytes()


def test_all_streams_come_in_the_order_of_their_stamps(record: Record) -> None:
    given = [imu(START_NS + index * 5_000_000) for index in range(300)]
    path = record({TOPIC: given, CAMERA: list(video("h264", 45)), AUDIO: sound(30)})
    items = played(path)
    assert [item.due_ns for item in items] == sorted(item.due_ns for item in items)
    assert [item.content for item in items if item.stream == "imu/data_raw"] == given
    assert {item.stream for item in items} == {"imu/data_raw", "front", "mic"}
    with PlayedSession(path) as session:
        assert {source.name: source.topic for source in session.sources} == {
            "imu/data_raw": "imu/data_raw",
            "front": "front/video",
            "mic": "mic/audio",
        }
        assert session.duration_s == pytest.approx(1.495, abs=0.02)
        assert [source.frame_id for source in session.sources if source.name == "front"] == ["front_optical_frame"]


@pytest.mark.parametrize("merged", [False, True])
def test_playing_from_the_middle_begins_with_a_keyframe_and_the_state_of_things(record: Record, *, merged: bool) -> None:
    DEFINITIONS.need("std_msgs/msg/String")
    states = [make("std_msgs/msg/String", data=f"state {number}") for number in range(15)]
    path = record({CAMERA: list(video("h264", 60)), AUDIO: sound(40), STATE: states})
    if merged:
        merge_now(path, MergeWish(keep_chunks=False))
    items = played(path, 1.1)
    video_stamps = [(item.due_ns - START_NS) / 1e9 for item in items if item.stream == "front"]
    first = next(item.content for item in items if item.stream == "front")
    assert isinstance(first, Packet)
    assert first.keyframe
    assert 1.1 - 10 / 30 - 0.01 <= video_stamps[0] <= 1.1
    assert len(video_stamps) == 60 - first.seq
    assert min(item.due_ns for item in items if item.stream == "mic") >= START_NS + 1_100_000_000
    state = [item.content for item in items if item.stream == "state"]
    assert state == states[10:]
    assert next(item.due_ns for item in items if item.stream == "state") == START_NS + 1_100_000_000


def test_a_recovered_session_and_one_with_a_gap_can_be_played(record: Record) -> None:
    late = [*video("h264", 30), *video("h264", 30, first=150)]
    path = record({CAMERA: late, TOPIC: [imu(START_NS + index * 5_000_000) for index in range(300)]})
    whole = len(played(path))
    last = sorted((path / "front").glob("*.mkv"))[-1]
    last.write_bytes(last.read_bytes()[:-3000])
    SessionLayout(path).complete_mark.unlink()
    write_manifest(path, read_manifest(path).model_copy(update={"state": "recording", "content_hash": None}))
    repair_session(path)
    items = played(path)
    with SessionLayout(path).frames("front").open() as table:
        rows = list(csv.DictReader(table))
    assert [item.content.seq for item in items if isinstance(item.content, Packet)] == [int(row["seq"]) for row in rows]
    assert whole - 30 <= len(items) <= whole
    gap = np.diff([item.due_ns for item in items if item.stream == "front"])
    assert gap.max() / 1e9 == pytest.approx(121 / 30, abs=0.01)


def test_what_cant_be_played_is_told(record: Record, tmp_path: Path) -> None:
    path = record({TOPIC: [imu(START_NS)]})
    assert len(played(path)) == 1
    with pytest.raises(PlaybackError, match="nothing that is meant"):
        PlayedSession(path, ("camera*",))
    with SessionLock(path), pytest.raises(PlaybackError, match="is being recorded"):
        PlayedSession(path)
    with pytest.raises(SessionError):
        PlayedSession(tmp_path)


def test_reading_ahead_is_bounded_and_ends_when_told() -> None:
    taken = threading.Semaphore(0)
    made: list[int] = []

    def endless() -> Iterator[Item]:
        for number in range(10**9):
            made.append(number)
            taken.release()
            yield Item(number * 100_000_000, "x", bytes(1000))

    with ReadAhead(endless(), ahead_s=1.0, most_bytes=10**9) as ahead:
        for _ in range(12):
            assert taken.acquire(timeout=10)
        assert not taken.acquire(timeout=0.2), "a second ahead is enough"
        first = ahead.next()
        assert first is not None
        assert first.due_ns == 0
        assert taken.acquire(timeout=10)
        assert ahead.waiting_bytes <= 11_000
    with ReadAhead(endless(), ahead_s=1e6, most_bytes=5000) as ahead:
        for _ in range(6):
            assert taken.acquire(timeout=10)
        assert ahead.waiting_bytes <= 5000


def test_what_reading_dies_of_comes_after_what_was_read() -> None:
    def broken() -> Iterator[Item]:
        yield Item(0, "x", b"")
        raise PlaybackError("a file is gone")

    with ReadAhead(broken(), ahead_s=1, most_bytes=1000) as ahead:
        assert ahead.next() is not None
        with pytest.raises(PlaybackError, match="a file is gone"):
            ahead.next()


def test_the_clock_runs_at_its_rate_stands_still_and_can_be_interrupted() -> None:
    clock = PlayClock(0, rate=100.0)
    assert clock.wait_until(5_000_000_000, clock.interrupts)
    assert clock.position_ns >= 5_000_000_000
    clock.run(rate=1.0, paused=True)
    here = clock.position_ns
    assert clock.position_ns == here
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(clock.wait_until(here + 10**15, 0)))
    waiting.start()
    clock.jump(7)
    waiting.join(10)
    assert answers == [False]
    assert clock.position_ns == 7
