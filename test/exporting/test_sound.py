"""Sound becomes WAV to the sample; what is missing is silence or the end of a file, and on record."""

import json
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rig_capture.exporting import sound
from test.exporting.parts import WIDTHS, Record, at, block, call, record
from test.playback.sessions import AUDIO

__all__ = ["record"]


def noise(frames: int, channels: int) -> np.ndarray:
    """All values that a sample can have, full scale among them; (frames, channels) int32."""
    samples = np.random.default_rng(3).integers(-(2**31), 2**31, (frames, channels), dtype=np.int64)
    samples[0], samples[1] = -(2**31), 2**31 - 1
    return samples.astype("<i4")


def blocks(samples: np.ndarray, form: str, *, without: tuple[int, ...] = ()) -> list[bytes]:
    """Blocks of 2400 frames at 48 kHz."""
    parts = [samples[start : start + 2400] for start in range(0, len(samples), 2400)]
    made = [block(index, part, form, first_sample=index * 2400, stamp_ns=at(index * 50)) for index, part in enumerate(parts)]
    return [each for index, each in enumerate(made) if index not in without]


def expected(samples: np.ndarray, form: str) -> bytes:
    if form == "F32LE":
        return (samples / 2.0**31).astype("<f4").tobytes()
    return np.ascontiguousarray(samples.view(np.uint8).reshape(-1, 4)[:, 4 - WIDTHS[form] :]).tobytes()


def played(path: Path, codec: str) -> bytes:
    """A file's samples, by FFmpeg."""
    raw = {"pcm_s16le": "s16le", "pcm_s24le": "s24le", "pcm_s32le": "s32le", "pcm_f32le": "f32le"}[codec]
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", raw, "-c:a", codec, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def told(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "mic.json").read_text()))


@pytest.mark.parametrize(("form", "channels"), [("S16LE", 2), ("S24LE", 1), ("S24LE", 6), ("S32LE", 2), ("F32LE", 2)])
def test_every_sample_is_kept_in_its_format(record: Record, tmp_path: Path, form: str, channels: int) -> None:
    samples = noise(11 * 2400 + 7, channels)
    path = record({AUDIO: blocks(samples, form)})
    code, _, errors = call(path, "--format", "wav", "--out", tmp_path)
    assert (code, errors) == (0, "")
    made = tmp_path / path.name / "mic.wav"
    codec = f"pcm_{form[0].lower()}{form[1:3]}le"
    with av.open(str(made)) as container:
        track = container.streams.audio[0]
        assert (track.codec_context.name, track.rate, track.channels) == (codec, 48000, channels)
    assert played(made, codec) == expected(samples, form)
    file = {"file": "mic.wav", "stamp_ns": at(0), "sample_rate": 48000, "channels": channels, "format": codec, "samples": len(samples)}
    assert told(made.parent) | {"recording_id": ""} == {"stream": "mic", "recording_id": "", "files": [file], "gaps": []}


def test_gaps_are_silence_and_on_record(record: Record, tmp_path: Path) -> None:
    samples = noise(10 * 2400, 2)
    path = record({AUDIO: blocks(samples, "S24LE", without=(3, 4))})
    assert call(path, "--format", "wav", "--out", tmp_path)[0] == 0
    silent = samples.copy()
    silent[3 * 2400 : 5 * 2400] = 0
    assert played(tmp_path / path.name / "mic.wav", "pcm_s24le") == expected(silent, "S24LE")
    assert told(tmp_path / path.name)["gaps"] == [
        {"file": "mic.wav", "at_sample": 7200, "samples": 4800, "from_ns": at(150), "to_ns": at(250), "filled": True}
    ]


def test_gaps_may_end_a_file(record: Record, tmp_path: Path) -> None:
    samples = noise(10 * 2400, 1)
    path = record({AUDIO: blocks(samples, "S16LE", without=(3,))})
    assert call(path, "--format", "wav", "--cut-at-gaps", "--out", tmp_path)[0] == 0
    made = tmp_path / path.name
    assert played(made / "mic.wav", "pcm_s16le") == expected(samples[: 3 * 2400], "S16LE")
    assert played(made / "mic.2.wav", "pcm_s16le") == expected(samples[4 * 2400 :], "S16LE")
    assert [(file["file"], file["stamp_ns"], file["samples"]) for file in told(made)["files"]] == [
        ("mic.wav", at(0), 7200),
        ("mic.2.wav", at(200), 14400),
    ]
    assert [gap["filled"] for gap in told(made)["gaps"]] == [False]


def test_a_source_that_began_anew_is_placed_by_its_stamps_and_another_rate_is_another_file(record: Record, tmp_path: Path) -> None:
    samples = noise(2400, 2)
    given = [
        block(0, samples, "S16LE", first_sample=0, stamp_ns=at(0)),
        block(1, samples, "S16LE", first_sample=0, stamp_ns=at(150), segment=1),
        block(2, samples, "S16LE", first_sample=0, stamp_ns=at(200), segment=2, rate=24000),
        block(3, samples, "S16LE", first_sample=0, stamp_ns=at(4 * 3_600_000), segment=3, rate=24000),
    ]
    path = record({AUDIO: given})
    assert call(path, "--format", "wav", "--out", tmp_path)[0] == 0
    made = tmp_path / path.name
    whole = np.concatenate([samples, np.zeros((4800, 2), "<i4"), samples])
    assert played(made / "mic.wav", "pcm_s16le") == expected(whole, "S16LE")
    assert [file["sample_rate"] for file in told(made)["files"]] == [48000, 24000, 24000]
    # Hours without sound are no silence, but a clock that was set.
    assert [(gap["samples"] // 24000, gap["filled"]) for gap in told(made)["gaps"]] == [(0, True), (14399, False)]


def test_a_file_beyond_four_gigabytes_is_rf64(tmp_path: Path) -> None:
    form = sound._Form(48000, 2, 24, is_float=False)
    with sound.WavFile(tmp_path / "long.wav", form) as file:
        # Silence that was never written: the file is a hole but for its end.
        file._file.seek(2**32, 1)
        file.frames = 2**32 // 6
        file.silence(2)
    head = (tmp_path / "long.wav").open("rb").read(120)
    assert (head[:4], head[12:16]) == (b"RF64", b"ds64")
    with av.open(str(tmp_path / "long.wav")) as container:
        assert container.streams.audio[0].duration == 2**32 // 6 + 2
