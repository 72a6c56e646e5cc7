"""The main job as a user runs it: `./rig demo`, with a real video file as a camera and PulseAudio as a microphone."""

import csv
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from rig_capture.session.manifest import read_manifest
from test.parts import PulseNullSink, need_programs

RIG = Path(__file__).parents[2] / "rig"
TONE_HZ = 1000.0


def run_rig(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the script from a shell that knows nothing of ROS, as a user's."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AMENT_", "ROS_", "_ROS", "LD_", "PYTHON", "COLCON"))}
    distro = {"RIG_ROS_DISTRO": os.environ["ROS_DISTRO"]} if (RIG.parent / f".venv-{os.environ['ROS_DISTRO']}").exists() else {}
    return subprocess.run(
        [str(RIG), *arguments], capture_output=True, text=True, timeout=150, check=False, env=clean | distro | (environment or {})
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseNullSink]:
    """PulseAudio with a tone playing."""
    need_programs("pulseaudio pulseaudio-utils", "pulseaudio", "parec", "paplay")
    server = PulseNullSink(tmp_path_factory.mktemp("pulse"))
    server.start()
    server.play_tone(TONE_HZ, 120)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def result(sound: PulseNullSink, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one run of the demo printed."""
    need_programs("ffmpeg", "ffmpeg", "ffprobe")
    folder = tmp_path_factory.mktemp("demo")
    film = folder / "film.mp4"
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-t", "3", "-c:v", "libx264", str(film)]
    subprocess.run(make, check=True)
    settings = ["--set", "microphones.audio_main.driver=pulse", "--set", f"microphones.audio_main.device={sound.source}"]
    out = ["--out", str(folder / "out"), "--json"]
    home = {"HOME": str(folder), "RIG_CAPTURE_RUNTIME_DIR": str(folder / "run")}
    done = run_rig("demo", "--seconds", "5", "--camera", str(film), *settings, *out, environment=sound.environment | home)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def frames(session: Path, stream: str) -> list[dict[str, str]]:
    """Rows of a stream's frame table."""
    with (session / stream / "frames.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_stream_is_there_and_nothing_is_lost(result: dict[str, Any]) -> None:
    assert {"recording_id", "session", "store", "catalog", "streams", "files_uploaded"} <= set(result)
    assert {"camera_front", "camera_side", "audio_main", "imu/data_raw", "battery", "network", "clock_status"} <= set(result["streams"])
    for name, stream in result["streams"].items():
        assert sum(stream["lost"].values()) == 0, f"{name}: {stream}"
        assert stream["gaps"] == 0, f"{name}: {stream}"
    assert result["streams"]["camera_front"]["rate_hz"] == pytest.approx(25, rel=0.05), "the film's own rate"
    assert result["streams"]["imu/data_raw"]["rate_hz"] == pytest.approx(200, rel=0.05)


@pytest.mark.parametrize("stream", ["camera_front", "camera_side"])
def test_ffprobe_decodes_as_many_frames_as_the_table_has_rows(result: dict[str, Any], stream: str) -> None:
    session = Path(result["session"])
    rows = frames(session, stream)
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames,width", "-show_frames", "-of", "json"]
    chunk = session / stream / "00000.mkv"
    found = json.loads(subprocess.run([*command, str(chunk)], capture_output=True, check=True, text=True).stdout)
    assert int(found["streams"][0]["nb_read_frames"]) == len(rows) > 50
    first = int(rows[0]["stamp_ns"])
    for frame, row in zip(found["frames"], rows, strict=True):
        assert float(frame["pts_time"]) == pytest.approx((int(row["stamp_ns"]) - first) / 1e9, abs=0.001)


def test_the_front_camera_shows_the_film(result: dict[str, Any]) -> None:
    with av.open(str(Path(result["session"]) / "camera_front" / "00000.mkv")) as container:
        picture = next(container.decode(video=0))
    assert (picture.width, picture.height) == (640, 360)
    assert picture.to_ndarray(format="rgb24").std() > 40, "a test pattern, not a plain picture"


def test_the_microphone_hears_the_tone(result: dict[str, Any]) -> None:
    with av.open(str(Path(result["session"]) / "audio_main" / "00000.mkv")) as container:
        samples = np.concatenate([frame.to_ndarray().reshape(-1, 2)[:, 0] for frame in container.decode(audio=0)])
    second = samples[48000 : 2 * 48000].astype(float)
    spectrum = np.abs(np.fft.rfft(second * np.hanning(len(second))))
    assert int(spectrum.argmax()) == pytest.approx(TONE_HZ, abs=2)


def test_audio_stamps_advance_by_exactly_the_samples_delivered(result: dict[str, Any]) -> None:
    rows = frames(Path(result["session"]), "audio_main")
    anchor = int(rows[0]["stamp_ns"])
    delivered = 0
    for row in rows:
        exact = anchor + delivered * 10**9 // 48000
        assert abs(int(row["stamp_ns"]) - exact) <= 1, "to the rounding of a nanosecond"
        delivered += int(row["bytes"]) // 4
    assert delivered > 4 * 48000


def test_an_independent_reader_deserializes_the_whole_bag(result: dict[str, Any]) -> None:
    with AnyReader([Path(result["session"]) / "bag"]) as reader:
        counts: dict[str, int] = {}
        for connection, _, data in reader.messages():
            reader.deserialize(data, connection.msgtype)
            counts[connection.topic] = counts.get(connection.topic, 0) + 1
    expected = {f"/{name}": stream["messages"] for name, stream in result["streams"].items() if stream["kind"] == "topic"}
    assert counts == {topic: count for topic, count in expected.items() if count}


def test_every_file_is_in_the_store_byte_for_byte(result: dict[str, Any]) -> None:
    manifest = read_manifest(Path(result["session"]))
    stored = {hashlib.sha256(file.read_bytes()).hexdigest() for file in Path(result["store"]).rglob("*") if file.is_file()}
    assert {entry.sha256 for entry in manifest.files} <= stored
    assert result["files_uploaded"] >= len(manifest.files)


def test_ingesting_again_uploads_nothing(result: dict[str, Any]) -> None:
    sessions = str(Path(result["session"]).parent)
    done = run_rig("ingest", "--path", sessions, "--store", result["store"], "--catalog", result["catalog"], "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["files_uploaded"], answer["failed"]) == (0, 0)
    assert answer["files_skipped"] == result["files_uploaded"]


def test_a_camera_that_is_not_there_is_refused_at_once() -> None:
    done = run_rig("demo", "--camera", "/no/such/film.mp4")
    assert done.returncode == 2
    assert "/no/such/film.mp4" in done.stderr
    assert "Traceback" not in done.stderr
