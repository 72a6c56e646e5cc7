"""Sound kept as PCM, FLAC or Opus."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import Manifest, read_manifest
from test.recorder.messages import START_NS, header, make

AUDIO = StreamSpec("audio", "mic/audio", AUDIO_CHUNK)
BLOCK_S = 0.05

Keep = Callable[..., tuple[Path, Manifest]]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Records blocks of sound, sees that the session is whole, and returns its folder and manifest."""

    def record(messages: list[bytes], **settings: object) -> tuple[Path, Manifest]:
        parameters = RecorderParameters.model_validate(settings)
        context = RecordingContext(parameters, tmp_path / "sessions", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
        failures: list[BaseException] = []
        recording = Recording(context, RecordingRequest(), lambda name, failure: failures.append(failure))
        sink = recording.add_stream(AUDIO, "/mic/audio", [])
        for message in messages:
            sink.take(message, START_NS)
        summary = recording.finish("complete", "stopped")
        assert failures == []
        verdict = verify_session(summary.path)
        assert verdict.whole, verdict.damages
        return summary.path, read_manifest(summary.path)

    return record


def noise(seconds: float, rate: int, channels: int, form: str) -> np.ndarray[Any, np.dtype[Any]]:
    """Samples (frames, channels) of a format, a tone with some noise; S24 in the lower three bytes of int32."""
    time = np.arange(int(seconds * rate))[:, None] / rate
    values = 0.4 * np.sin(2 * np.pi * 440 * (1 + np.arange(channels)) * time) + np.random.default_rng(3).normal(
        0, 0.01, (len(time), channels)
    )
    scale = {"S16LE": 2**15 - 1, "S24LE": 2**23 - 1, "S32LE": 2**31 - 1, "F32LE": 1}[form]
    return (values * scale).astype({"S16LE": "<i2", "F32LE": "<f4"}.get(form, "<i4"))


def blocks(samples: np.ndarray[Any, np.dtype[Any]], rate: int, form: str, missing: tuple[int, ...] = ()) -> list[bytes]:
    """Serialized AudioChunks of 50 ms, some of them left out."""
    size = int(rate * BLOCK_S)
    messages = []
    for index in range(len(samples) // size):
        data = np.frombuffer(np.ascontiguousarray(samples[index * size : (index + 1) * size]).tobytes(), np.uint8)
        if form == "S24LE":
            data = data.reshape(-1, 4)[:, :3].reshape(-1)
        message = make(
            AUDIO_CHUNK,
            header=header(START_NS + round(index * BLOCK_S * 1e9)),
            seq=index,
            first_sample=index * size,
            segment=0,
            sample_rate=rate,
            channels=samples.shape[1],
            format=form,
            frames=size,
            drift_ppm=0.0,
            data=data,
        )
        if index not in missing:
            messages.append(message)
    return messages


def decoded(path: Path) -> np.ndarray[Any, np.dtype[Any]]:
    """All samples of a file, (frames, channels)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        channels = frames[0].layout.nb_channels
        return np.concatenate(
            [frame.to_ndarray().reshape(-1, channels) if frame.format.is_packed else frame.to_ndarray().T for frame in frames]
        )


@pytest.mark.parametrize(("form", "shift"), [("S16LE", 0), ("S24LE", 8)])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_flac_keeps_every_sample(keep: Keep, form: str, shift: int, channels: int) -> None:
    samples = noise(2.0, 44100, channels, form)
    path, manifest = keep(blocks(samples, 44100, form), audio_codec="flac")
    stream = manifest.streams["mic"]
    assert (stream.codec, stream.messages, stream.loss.total) == ("flac", 40, 0)
    got = decoded(path / "mic" / "00000.mkv")
    np.testing.assert_array_equal(got, samples[: len(samples) // 2205 * 2205] << shift)
    assert len((path / "mic" / "frames.csv").read_text().splitlines()) == 41, "one row for each block as it came"


@pytest.mark.parametrize("form", ["S32LE", "F32LE"])
def test_what_flac_cant_hold_stays_pcm(keep: Keep, form: str) -> None:
    samples = noise(1.0, 48000, 2, form)
    path, manifest = keep(blocks(samples, 48000, form), audio_codec="flac")
    assert manifest.streams["mic"].codec == f"pcm_{form.lower()}"
    np.testing.assert_array_equal(decoded(path / "mic" / "00000.mkv"), samples)


@pytest.mark.parametrize("form", ["S16LE", "F32LE"])
@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1), (16000, 4)])
def test_opus_sounds_alike_and_is_as_long(keep: Keep, form: str, rate: int, channels: int) -> None:
    samples = noise(2.0, rate, channels, form)
    path, manifest = keep(blocks(samples, rate, form), audio_codec="opus")
    stream = manifest.streams["mic"]
    assert (stream.codec, stream.settings["sample_rate"], stream.settings["channels"]) == ("opus", rate, channels)
    got = decoded(path / "mic" / "00000.mkv").astype(float)
    assert got.shape[1] == channels
    assert len(got) / 48000 == pytest.approx(len(samples) / rate, abs=0.01)
    for channel in range(channels):
        spectrum = np.abs(np.fft.rfft(got[: 48000 * 19 // 10, channel]))
        loudest = np.argmax(spectrum) * 48000 / (48000 * 19 // 10)
        assert loudest == pytest.approx(440 * (1 + channel), abs=2)


@pytest.mark.parametrize("codec", ["flac", "opus"])
def test_a_gap_begins_a_new_file_so_that_times_stay_right(keep: Keep, codec: str) -> None:
    samples = noise(2.0, 48000, 2, "S16LE")
    path, manifest = keep(blocks(samples, 48000, "S16LE", missing=(10, 11)), audio_codec=codec)
    stream = manifest.streams["mic"]
    assert (stream.messages, stream.loss.sequence) == (38, 2)
    with av.open(str(path / "mic" / "00001.mkv")) as container:
        assert int(container.metadata["RIG_START_STAMP_NS"]) == START_NS + 12 * 50_000_000


@pytest.mark.parametrize("codec", ["flac", "opus"])
def test_each_chunk_plays_by_itself(keep: Keep, codec: str) -> None:
    samples = noise(2.0, 48000, 2, "S16LE")
    path, manifest = keep(blocks(samples, 48000, "S16LE"), audio_codec=codec, chunk_s=0.5)
    files = [entry.path for entry in manifest.files if entry.kind == "audio"]
    assert len(files) == 4
    assert sum(len(decoded(path / file)) for file in files) == pytest.approx(96000, abs=0 if codec == "flac" else 3840)


def test_missing_sound_is_damage(keep: Keep) -> None:
    samples = noise(2.0, 48000, 2, "S16LE")
    path, _ = keep(blocks(samples, 48000, "S16LE"), audio_codec="flac", chunk_s=0.5)
    frames = path / "mic" / "frames.csv"
    frames.write_text("\n".join(frames.read_text().splitlines()[:-3]) + "\n")
    assert any("frames.csv 1.850 s" in damage for damage in verify_session(path).damages)
