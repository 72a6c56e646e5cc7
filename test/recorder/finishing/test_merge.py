"""All streams of a session in one file: real packets of every codec, read back by the ffprobe program where it is installed."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from rig_capture.cli import main
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.finishing.finishing import FinishingNote, MergeWish, finish_session, merge_now, write_note
from rig_capture.recorder.finishing.interrupt import BrokenOff
from rig_capture.recorder.finishing.merge import MergeFailed, merge_session
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.repair.repair import repair_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import read_manifest, write_manifest
from test.recorder.messages import IMU, START_NS, audio, imu, video

AUDIO = StreamSpec("audio", "audio_main/audio", "rig_capture_msgs/msg/AudioChunk")
TOPIC = StreamSpec("topic", "imu/data_raw", IMU)
KILLS = int(os.environ.get("RIG_CAPTURE_KILLS", "4"))
"""How many merges are killed; read here, since tests see no variables of ours."""
CODECS = ("h264", "hevc", "av1", "mjpeg", "ffv1")

Record = Callable[..., Path]


def camera(name: str) -> StreamSpec:
    """A camera's stream."""
    return StreamSpec("video", f"{name}/video", "rig_capture_msgs/msg/VideoPacket")


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Records the given streams' messages as a whole session."""

    def make(streams: dict[StreamSpec, list[bytes]], **settings: Any) -> Path:
        parameters = RecorderParameters.model_validate({"rig": "lab", "chunk_s": 0.5, **settings})
        context = RecordingContext(parameters, tmp_path / "sessions", {"ros_distro": "jazzy"}, {"rig": "lab"}, lambda: START_NS)
        recording = Recording(context, RecordingRequest(), lambda name, failure: None)
        for spec, messages in streams.items():
            sink = recording.add_stream(spec, f"/{spec.topic}", [])
            for number, message in enumerate(messages):
                sink.take(message, START_NS + number * 5_000_000)
        return recording.finish("complete", "stopped").path

    return make


def motion(count: int = 300) -> list[bytes]:
    return [imu(START_NS + index * 5_000_000) for index in range(count)]


def sound(count: int = 30) -> list[bytes]:
    return [audio(index) for index in range(count)]


def stamps_in(path: Path) -> dict[str, list[int]]:
    """Stamps (ns) of each track's packets, by title."""
    with av.open(str(path)) as container:
        start_ns = int(container.metadata["RIG_START_STAMP_NS"])
        found: dict[str, list[int]] = {stream.metadata["title"]: [] for stream in container.streams}
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                found[packet.stream.metadata["title"]].append(start_ns + round(packet.pts * packet.time_base * 10**9))
        return found


def stamps_on_record(session: Path, name: str) -> list[int]:
    return [int(row.split(",")[1]) for row in SessionLayout(session).frames(name).read_text().splitlines()[1:]]


def test_every_codec_sound_and_topics_become_tracks_on_one_time_line(record: Record) -> None:
    # The sound begins a tenth of a second before the pictures.
    late = {codec: list(video(codec, 45, first=3)) for codec in CODECS}
    session = record({**{camera(codec): late[codec] for codec in CODECS}, AUDIO: sound(), TOPIC: motion()})
    before = {path: path.read_bytes() for path in session.rglob("*.mkv")}
    told: list[float] = []
    merged = merge_session(session, progress=told.append)
    found = stamps_in(merged.path)
    assert set(found) == {*CODECS, "audio_main", "imu/data_raw"}
    for name in (*CODECS, "audio_main"):
        wanted = stamps_on_record(session, name)
        assert len(found[name]) == len(wanted)
        assert all(abs(a - b) <= 1_000_000 for a, b in zip(found[name], wanted, strict=True))
    assert len(found["imu/data_raw"]) == 300
    assert merged.first_ns == START_NS
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    assert {path: path.read_bytes() for path in before} == before, "the chunks are as they were"
    with av.open(str(merged.path)) as container:
        assert container.metadata["RIG_RECORDING_ID"] == session.name
        for stream in container.streams.video:
            frames = sum(1 for packet in container.demux(stream) for _ in packet.decode())
            assert frames == 45, stream.metadata
            container.seek(0)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe: apt install ffmpeg")
def test_ffprobe_shows_the_tracks(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 30)), AUDIO: sound(20), TOPIC: motion(200)})
    merged = merge_session(session, topics=("imu*",))
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", str(merged.path)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    rows = [(s["codec_type"], s["codec_name"], s["tags"]["title"], int(s["nb_read_packets"])) for s in told["streams"]]
    assert rows == [
        ("video", "h264", "front", 30),
        ("audio", "pcm_s16le", "audio_main", 20),
        ("subtitle", "subrip", "imu/data_raw", 200),
    ]
    tags = {name.upper(): value for name, value in told["format"]["tags"].items()}
    assert tags["RIG_RECORDING_ID"] == session.name
    assert tags["RIG_START_STAMP_NS"] == str(START_NS)


def test_a_subtitle_is_the_message_as_json(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 10)), TOPIC: motion(3)})
    with av.open(str(merge_session(session).path)) as container:
        lines = [json.loads(bytes(packet)) for packet in container.demux(container.streams[1]) if packet.pts is not None]
    assert [line["header"]["stamp"]["nanosec"] for line in lines] == [(START_NS + n * 5_000_000) % 10**9 for n in range(3)]
    assert lines[0]["linear_acceleration"]["z"] == 9.81


def test_a_topic_that_is_not_asked_for_is_left_out(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 10)), TOPIC: motion(3)})
    assert set(stamps_in(merge_session(session, topics=("-",)).path)) == {"front"}


def test_a_change_of_format_goes_on_in_a_further_track(record: Record) -> None:
    packets = [*video("h264", 10), *video("h264", 10, size=(160, 120), first=10), *video("mjpeg", 5, first=20)]
    found = stamps_in(merge_session(record({camera("front"): packets})).path)
    assert {title: len(stamps) for title, stamps in found.items()} == {"front": 10, "front (2)": 10, "front (3)": 5}


def test_a_gap_stays_a_gap(record: Record) -> None:
    packets = [*video("h264", 10), *video("h264", 10, first=100)]
    stamps = stamps_in(merge_session(record({camera("front"): packets})).path)["front"]
    assert stamps[10] - stamps[9] == pytest.approx(91 * 33_333_333, abs=2_000_000)


def test_chunks_go_only_when_the_merged_file_is_listed(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 60)), AUDIO: sound(), TOPIC: motion()})
    summary = merge_now(session, MergeWish(keep_chunks=False))
    assert (summary.state, summary.detail) == ("complete", "")
    kinds = {entry.kind for entry in read_manifest(session).files}
    assert kinds == {"bag", "bag_metadata", "frames", "merged"}
    assert list(session.glob("*/*.mkv")) == []
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert verdict.messages == 60 + 30 + 300
    with pytest.raises(MergeFailed, match="no chunks"):
        merge_now(session, MergeWish())
    assert verify_session(session).whole


@pytest.mark.parametrize("codec", ["flac", "opus"])
def test_encoded_sound_is_merged_as_it_is(record: Record, codec: str) -> None:
    session = record({camera("front"): list(video("h264", 60)), AUDIO: sound(40)}, audio_codec=codec)
    chunks = sorted((session / "audio_main").glob("*.mkv"))
    packets = [bytes(packet) for path in chunks for packet in packets_of(path, 0)]
    merge_now(session, MergeWish(keep_chunks=False))
    merged = SessionLayout(session).merged
    assert [bytes(packet) for packet in packets_of(merged, 1)] == packets
    with av.open(str(merged)) as container:
        assert container.streams.audio[0].codec_context.name in (codec, f"lib{codec}")
    assert sorted((session / "audio_main").glob("*.mkv")) == (chunks if codec == "opus" else [])
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages


def packets_of(path: Path, index: int) -> list[Any]:
    """A track's packets."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(container.streams[index]) if packet.size]


def test_a_repair_leaves_a_merged_session_as_it_is(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 60)), TOPIC: motion()})
    merge_now(session, MergeWish(keep_chunks=False))
    before = read_manifest(session)
    SessionLayout(session).complete_mark.unlink()
    write_manifest(session, before.model_copy(update={"state": "recording", "content_hash": None}))
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    after = read_manifest(session)
    assert after.files == before.files
    assert after.streams["front"].messages == 60


def test_damage_to_the_merged_file_is_found_where_the_chunks_are_gone(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 60))})
    merge_now(session, MergeWish(keep_chunks=False))
    frames = SessionLayout(session).frames("front")
    frames.write_text("\n".join(frames.read_text().splitlines()[:-1]) + "\n")
    damages = "\n".join(verify_session(session).damages)
    assert "frames.csv" in damages


def test_merging_can_be_broken_off_anywhere_and_goes_on_later(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 30)), AUDIO: sound(), TOPIC: motion()})
    chunks = sorted(session.rglob("*.mkv"))
    for after in (0, 1, 5, 50, 200, 400):
        asked = iter(range(10**6))
        with pytest.raises(BrokenOff):
            merge_now(session, MergeWish(), interrupted=lambda asked=asked, after=after: next(asked) >= after)  # type: ignore[misc]
        layout = SessionLayout(session)
        assert layout.finishing.exists()
        assert not layout.complete_mark.exists()
        assert sorted(session.rglob("*.mkv")) == chunks, "nothing half-made is left, no chunk is lost"
    merge_now(session, MergeWish())
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert not SessionLayout(session).finishing.exists()


def test_a_session_that_can_not_be_merged_becomes_complete_without(record: Record) -> None:
    session = record({camera("front"): list(video("h264", 60)), TOPIC: motion()})
    layout, manifest = SessionLayout(session), read_manifest(session)
    broken = layout.chunk("front", 1)
    broken.write_bytes(b"no Matroska at all")
    layout.complete_mark.unlink()
    write_manifest(session, manifest.model_copy(update={"state": "recording"}))
    write_note(session, FinishingNote(state="complete", merge=MergeWish(keep_chunks=False)))
    summary = finish_session(session)
    assert summary.detail.startswith("not merged")
    assert layout.complete_mark.exists()
    assert read_manifest(session).files == manifest.files
    assert broken.exists()


def test_a_session_without_video_and_sound_has_nothing_to_merge(record: Record) -> None:
    with pytest.raises(MergeFailed, match="no video and no audio"):
        merge_session(record({TOPIC: motion(10)}))


def test_killed_at_any_moment_it_loses_no_chunk_and_goes_on(record: Record, tmp_path: Path) -> None:
    session = record({camera("front"): list(video("mjpeg", 200, size=(640, 480))), AUDIO: sound(100), TOPIC: motion(2000)}, chunk_s=1.0)
    packets = stamps_on_record(session, "front")
    code = (
        "import sys; from pathlib import Path; from rig_capture.recorder.finishing.finishing import MergeWish, merge_now; "
        "print('ready', flush=True); merge_now(Path(sys.argv[1]), MergeWish(keep_chunks=False))"
    )
    begin = time.monotonic()
    shutil.copytree(session, tmp_path / "measured")
    merge_now(tmp_path / "measured", MergeWish(keep_chunks=False))
    takes_s = time.monotonic() - begin
    for number in range(KILLS):
        trial = tmp_path / f"trial_{number}"
        shutil.copytree(session, trial)
        process = subprocess.Popen([sys.executable, "-c", code, str(trial)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, takes_s * 1.2))
        process.kill()
        process.communicate()
        layout = SessionLayout(trial)
        if layout.finishing.exists() or not layout.complete_mark.exists():
            finish_session(trial) if layout.finishing.exists() else repair_session(trial)
        verdict = verify_session(trial)
        assert verdict.whole, verdict.damages
        assert stamps_on_record(trial, "front") == packets
        shutil.rmtree(trial)


def test_the_command_merges_into_the_session_or_elsewhere(record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = record({camera("front"): list(video("h264", 30)), TOPIC: motion(20)})
    before = read_manifest(session)
    assert main(["merge", str(session), "--output", str(tmp_path / "elsewhere.mkv"), "--topic", "-"]) == 0
    assert read_manifest(session) == before
    assert set(stamps_in(tmp_path / "elsewhere.mkv")) == {"front"}
    capsys.readouterr()
    assert main(["merge", str(session), "--remove-chunks", "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert Path(made["file"]) == SessionLayout(session).merged
    assert verify_session(session).whole
    assert main(["merge", str(session)]) == 1, "there are no chunks any more"
    assert "no chunks" in capsys.readouterr().err
