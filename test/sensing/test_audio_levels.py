"""Levels of sound: the same figures as ffmpeg's astats, and flags that come and go with what they are about."""

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import AudioBlock
from rig_capture.sensing.audio.levels import BlockMeter, LevelMeter, Samples, samples_of
from rig_capture.sensing.audio.synthetic import pack
from test.parts import need_programs

RATE = 48000
FORMATS = ["S16LE", "S24LE", "S32LE", "F32LE"]
Wave = npt.NDArray[np.float64]


def sine(level: float, hertz: float = 997.0, seconds: float = 1.0) -> Wave:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)


def noise(level: float, seed: int = 0, seconds: float = 1.0) -> Wave:
    return level * np.random.default_rng(seed).standard_normal(int(RATE * seconds))


SOUNDS: dict[str, Wave] = {
    "sine": sine(0.5),
    "noise": noise(0.05),
    "clipped": np.clip(sine(2.0), -1, 1),
    "offset": sine(0.01) + 0.3,
    "silence": np.zeros(RATE),
    "faint": sine(0.001),
}


def as_samples(*channels: Wave) -> Samples:
    return np.stack(channels, axis=1).astype(np.float32)


def meter(channels: int, **settings: object) -> LevelMeter:
    return LevelMeter(AudioSettings.model_validate({"channels": channels, "sample_rate": RATE} | settings), channels)


def astats(file: Path, sample_format: str, channels: int) -> list[dict[str, float]]:
    """What ffmpeg says of each channel of raw samples."""
    source = ["-f", sample_format.lower(), "-ar", str(RATE), "-ac", str(channels), "-i", str(file)]
    command = ["ffmpeg", "-hide_banner", "-nostdin", *source, "-af", "astats=measure_overall=none", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    parts = re.split(r"Channel: \d+", said)[1:]
    return [{key: float(value) for key, value in re.findall(r"\] ([A-Z][A-Za-z ]+): (-?(?:inf|nan|[\d.]+))", part)} for part in parts]


@pytest.mark.parametrize("sample_format", FORMATS)
def test_levels_are_those_of_ffmpeg(tmp_path: Path, sample_format: str) -> None:
    need_programs("ffmpeg", "ffmpeg")
    sounds = list(SOUNDS.values())
    data = pack(np.clip(np.stack(sounds, axis=1), -1, 1), sample_format)
    (tmp_path / "raw").write_bytes(data)
    expected = astats(tmp_path / "raw", sample_format, len(sounds))
    levels = meter(len(sounds)).measure(samples_of(data, sample_format, len(sounds)))
    for channel, (name, theirs) in enumerate(zip(SOUNDS, expected, strict=True)):
        assert levels.peak_dbfs[channel] == pytest.approx(theirs["Peak level dB"], abs=0.1), name
        assert levels.rms_dbfs[channel] == pytest.approx(theirs["RMS level dB"], abs=0.1), name
        assert levels.dc_offset[channel] == pytest.approx(theirs["DC offset"], abs=1e-4), name
        if name == "silence":
            assert levels.rms_dbfs[channel] == -math.inf
            assert math.isnan(levels.crest_db[channel])
        else:
            assert levels.crest_db[channel] == pytest.approx(20 * math.log10(theirs["Crest factor"]), abs=0.1), name
    assert [name for name, clips in zip(SOUNDS, levels.clipping, strict=True) if clips] == ["clipped"]


@pytest.mark.parametrize("sample_format", FORMATS)
def test_samples_are_read_back_as_they_were(sample_format: str) -> None:
    wave = np.stack([sine(0.7, 440), sine(0.2, 1000)], axis=1)
    read = samples_of(pack(wave, sample_format), sample_format, 2)
    assert read.shape == wave.shape
    assert float(np.abs(read - wave).max()) < 1e-4


def test_floats_that_are_no_numbers_are_silence() -> None:
    data = np.array([math.nan, 0.5, math.inf, -math.inf], "<f4").tobytes()
    assert samples_of(data, "F32LE", 1)[:, 0].tolist() == [0.0, 0.5, 1.0, -1.0]


def test_a_flat_or_quiet_channel_is_told_after_its_time_and_no_longer_than_it_lasts() -> None:
    gauge = meter(3, flatline_s=0.2, low_signal_s=0.3)
    quiet = as_samples(sine(0.5, seconds=0.1), np.full(4800, 0.25), sine(0.0005, seconds=0.1))
    told = [gauge.measure(quiet) for _ in range(3)]
    assert [levels.flatline for levels in told] == [(False, False, False), (False, True, False), (False, True, False)]
    assert [levels.low_signal for levels in told] == [(False, False, False), (False, False, False), (False, True, True)]
    loud = gauge.measure(as_samples(*[sine(0.5, seconds=0.1)] * 3))
    assert not any(loud.flatline + loud.low_signal)


def test_thresholds_may_be_changed_while_measuring() -> None:
    gauge = meter(1)
    half = as_samples(sine(0.5, seconds=0.1))
    assert gauge.measure(half).clipping == (False,)
    gauge.settings = gauge.settings.model_copy(update={"clip_dbfs": -7.0})
    assert gauge.measure(half).clipping == (True,)


def test_the_same_sound_on_two_channels_is_told() -> None:
    same, other = noise(0.1, 1), noise(0.1, 2)
    levels = meter(4).measure(as_samples(same, other, same * 0.3 + 0.1, np.zeros(RATE)))
    assert levels.correlated == ((0, 2),)
    assert levels.correlation == pytest.approx(1, abs=1e-3)
    apart = meter(2).measure(as_samples(same, other))
    assert abs(apart.correlation) < 0.05
    assert apart.correlated == ()
    assert math.isnan(meter(1).measure(as_samples(same)).correlation)


def test_correlation_never_exceeds_one_and_almost_the_same_is_told_from_the_same() -> None:
    for seed in range(200):
        sound = noise(0.1, seed)
        whole = np.round(sound * 32767).astype(np.int16)
        half = np.round(sound * 0.5 * 32767).astype(np.int16)
        both = samples_of(np.stack([whole, half], axis=1).tobytes(), "S16LE", 2)
        almost = meter(2, correlation_limit=1.0).measure(both)
        assert 0.999999 < almost.correlation < 1
        assert almost.correlated == ()


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
def test_a_voice_is_heard_and_noise_and_silence_are_not(rate: int) -> None:
    need_programs("ffmpeg", "ffmpeg")
    said = "flite=voice=slt:text='a quick brown fox jumps over the lazy dog and runs away through the dark forest'"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", said, "-f", "f32le", "-ac", "1", "-ar", str(rate), "-"]
    voice = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")
    rng = np.random.default_rng(0)
    hiss = (0.01 * rng.standard_normal(len(voice))).astype(np.float32)
    gauge = meter(3, sample_rate=rate)
    step = rate // 10
    heard = [
        gauge.measure(np.stack([voice[at : at + step], hiss[at : at + step], np.zeros(step, np.float32)], axis=1)).speech
        for at in range(0, len(voice) - step, step)
    ]
    shares = [sum(levels[channel] for levels in heard) / len(heard) for channel in range(3)]
    assert shares[0] > 0.7
    assert shares[1] < 0.1
    assert shares[2] == 0


def blocks(frames: int, count: int, first: int = 0) -> list[AudioBlock]:
    data = pack(sine(0.5, seconds=frames / RATE).reshape(-1, 1), "S16LE")
    return [AudioBlock(n, first + n * frames, frames, data, 0.0, 0, 0) for n in range(count)]


def test_blocks_are_measured_at_the_rate_of_the_settings() -> None:
    gauge = BlockMeter(AudioSettings(channels=1, level_rate_hz=10))
    told = [levels for block in blocks(480, 100) if (levels := gauge.add(block)) is not None]
    assert len(told) == 10
    assert all(levels.duration_s == pytest.approx(0.1) for levels in told)
    assert [levels.stamp_ns for levels in told] == list(range(0, 100, 10))
    gauge.update(AudioSettings(channels=1, level_rate_hz=0))
    assert all(gauge.add(block) is None for block in blocks(480, 100))


def test_no_stretch_reaches_over_a_loss() -> None:
    gauge = BlockMeter(AudioSettings(channels=1, level_rate_hz=10))
    assert gauge.add(blocks(2400, 1)[0]) is None
    assert gauge.add(blocks(2400, 1)[0]) is None, "a new segment begins"
    assert gauge.add(blocks(2400, 1, first=2400)[0]) is not None
