"""Flashes and beeps are found in recorded files and dated finer than frames; what is apart is told, and what is missing too."""

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from rig_capture.cli import app
from rig_capture.reading.session import open_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK, VIDEO_PACKET
from rig_capture.reporting.sync.errors import NothingFound
from rig_capture.reporting.sync.film import write_film
from rig_capture.reporting.sync.measure import measure_sync
from rig_capture.reporting.sync.page import render_sync
from rig_capture.sensing.flash_beep import BEEP_HZ, FLASH_NS, beeps, lit_share
from test.playback.sessions import record_session
from test.recorder.messages import START_NS, header, make

PERIOD_NS = 954_000_000
RATE = 48000
FRONT, SIDE = (StreamSpec("video", f"{name}/video", VIDEO_PACKET) for name in ("front", "side"))
MIC = StreamSpec("audio", "mic/audio", AUDIO_CHUNK)

Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Records messages as a session."""
    return partial(record_session, tmp_path / "sessions")


def filmed(late_ms: float = 0.0, fps: float = 30.0, exposure: float = 1.0, seconds: float = 10.0, drift_ppm: float = 0.0) -> list[bytes]:
    """VideoPackets of a flashing light, whose stamps are late; `exposure` is the share of the frame interval that the shutter is open."""
    period = 1e9 / fps
    half = max(1, round(period * exposure / 2))
    stamps = [round((index + 0.5) * period) for index in range(int(seconds * fps))]
    lights = [lit_share(START_NS + stamp - half, START_NS + stamp + half, PERIOD_NS) for stamp in stamps]
    late = [round(late_ms * 1e6 + stamp * drift_ppm * 1e-6) for stamp in stamps]
    packets = enumerate(encoded([round(20 + 200 * light) for light in lights], fps))
    return [packet(number, START_NS + stamps[number] + late[number], data) for number, data in packets]


def encoded(levels: list[int], fps: float) -> Iterator[bytes]:
    """JPEG pictures; the light fills a quarter of each, and the rest flickers a little."""
    context: Any = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 320, 240, "yuvj420p", Fraction(1, round(fps))
    noise = np.random.default_rng(7)
    for number, level in enumerate(levels):
        picture = np.full((360, 320), 128, np.uint8)
        picture[:240] = noise.integers(40, 50)
        picture[:120, :160] = level
        frame = av.VideoFrame.from_ndarray(picture, format="yuvj420p")
        frame.pts = number
        for made in context.encode(frame):
            yield bytes(made)


def packet(number: int, stamp_ns: int, data: bytes) -> bytes:
    """A VideoPacket."""
    facts = {"codec": "mjpeg", "width": 320, "height": 240, "keyframe": True, "pts_ns": stamp_ns - START_NS}
    return make(VIDEO_PACKET, header=header(stamp_ns), seq=number, data=np.frombuffer(data, np.uint8), **facts)


def heard(late_ms: float = 0.0, seconds: float = 10.0, level: float = 1.0) -> list[bytes]:
    """AudioChunks of the beeps with some noise, whose stamps are late."""
    noise = np.random.default_rng(3)
    chunks = []
    for index in range(int(seconds * 20)):
        times = START_NS + (np.arange(2400, dtype=np.int64) + index * 2400) * 10**9 // RATE
        wave = beeps(times, 2, PERIOD_NS) * level + noise.normal(scale=0.01, size=(2400, 2))
        data = np.rint(wave * 32767).astype("<i2").view(np.uint8).ravel()
        fields = {"sample_rate": RATE, "channels": 2, "format": "S16LE", "frames": 2400, "drift_ppm": 0.0, "segment": 0}
        stamp = header(START_NS + index * 50_000_000 + round(late_ms * 1e6))
        chunks.append(make(AUDIO_CHUNK, header=stamp, seq=index, first_sample=index * 2400, data=data, **fields))
    return chunks


def test_what_is_apart_is_found_to_a_fraction_of_a_millisecond(record: Record) -> None:
    path = record({FRONT: filmed(), SIDE: filmed(-40.0, fps=25.0), MIC: heard(12.3)})
    report = measure_sync(open_session(path), BEEP_HZ, "host")
    found = {(pair.first, pair.second): pair.apart_ms for pair in report.pairs}
    assert found["front", "side"].median == pytest.approx(-40.0, abs=0.5)
    assert found["front", "mic"].median == pytest.approx(12.3, abs=0.5)
    assert found["side", "mic"].median == pytest.approx(52.3, abs=0.5)
    assert all(apart.spread < 1.5 for apart in found.values())
    assert report.audio_video_ms == found["side", "mic"], "the worst pair"
    assert report.camera_camera_ms == found["front", "side"]
    assert report.events in (10, 11)
    assert render_sync(report).count("<circle") == sum(pair.events for pair in report.pairs) + len(report.pairs)


def test_a_short_exposure_is_right_on_average_and_drift_is_told(record: Record) -> None:
    path = record({FRONT: filmed(exposure=0.01, drift_ppm=500.0, seconds=40.0), MIC: heard(seconds=40.0)})
    (pair,) = measure_sync(open_session(path), BEEP_HZ, "host").pairs
    assert pair.apart_ms.median == pytest.approx(-10.0, abs=2.0)  # 500 ppm of twenty seconds
    assert 25 < pair.apart_ms.spread < 55, "a frame interval and the drift"
    assert pair.apart_ms.drift_known_to_ppm is not None
    assert pair.apart_ms.drift_ppm == pytest.approx(-500, abs=3 * pair.apart_ms.drift_known_to_ppm)
    assert pair.apart_ms.drift_known_to_ppm < 200


def test_what_is_missing_is_told(record: Record) -> None:
    dark = record(
        {FRONT: [packet(n, START_NS + n * 33_333_333, data) for n, data in enumerate(encoded([20] * 60, 30.0))], MIC: heard(seconds=2.0)}
    )
    with pytest.raises(NothingFound, match=r"front: no flash found: it gets only .* of 255 brighter"):
        measure_sync(open_session(dark), BEEP_HZ, "host")
    silent = record({FRONT: filmed(seconds=4.0), MIC: heard(seconds=4.0, level=0.0)})
    with pytest.raises(NothingFound, match="mic: no beep of 2000 Hz found"):
        measure_sync(open_session(silent), BEEP_HZ, "host")
    with pytest.raises(NothingFound, match="1 video and 0 sound streams"):
        measure_sync(open_session(record({FRONT: filmed(seconds=2.0)})), BEEP_HZ, "host")
    result = CliRunner().invoke(app, ["sync-test", str(silent), "--json"])
    assert isinstance(result.exception, NothingFound), "which the command shows as a line, with exit code 1"


def test_flashes_beside_lost_frames_are_left_out(record: Record) -> None:
    frames = filmed()
    first_edge = round((PERIOD_NS - START_NS % PERIOD_NS) * 30 / 1e9)
    report = measure_sync(open_session(record({FRONT: frames[: first_edge - 1] + frames[first_edge:], MIC: heard()})), BEEP_HZ, "host")
    assert report.skipped == 1
    assert report.audio_video_ms is not None
    assert report.audio_video_ms.p95 < 1


def test_the_command_tells_and_holds_a_limit(record: Record, tmp_path: Path) -> None:
    path, page = record({FRONT: filmed(seconds=6.0), MIC: heard(30.0, seconds=6.0)}), tmp_path / "sync.html"
    result = CliRunner().invoke(app, ["sync-test", str(path), "--json", "--out", str(page), "--limit", "5"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["audio_video_ms"]["median"] == pytest.approx(30, abs=0.5)
    assert told["camera_camera_ms"] is None
    assert "whose clock" not in page.read_text()
    assert any("does not say by which host" in note for note in told["notes"])
    assert CliRunner().invoke(app, ["sync-test", str(path), "--json", "--limit", "50"]).exit_code == 0
    assert CliRunner().invoke(app, ["sync-test", str(tmp_path)]).exit_code == 2


def test_a_film_flashes_when_it_beeps(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", 4.0)
    with av.open(str(tmp_path / "film.mp4")) as container:
        pictures = [(frame.time or 0.0, frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    with av.open(str(tmp_path / "film.mp4")) as container:
        sound = [(frame.time or 0.0, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    lit = np.array([level > 120 for _, level in pictures])
    flashes = [pictures[index + 1][0] for index in np.flatnonzero(lit[1:] & ~lit[:-1])]
    loud = np.flatnonzero(np.abs(np.concatenate([samples for _, samples in sound])) > 0.2)
    starts = loud[np.flatnonzero(np.diff([-RATE, *loud.tolist()]) > RATE // 4)]
    assert len(flashes) == 4
    assert sound[0][0] + starts / RATE == pytest.approx(flashes[: len(starts)], abs=0.001)
    assert lit.sum() / 60 == pytest.approx(3 * FLASH_NS / 1e9 + 4.0 - flashes[-1] if 4.0 - flashes[-1] < 0.25 else 1.0, abs=0.1)
