"""Levels of a whole file of sound."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from rig_capture.cli.meter_screen import decibel_text
from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.files import SoundFileError, read_samples
from rig_capture.sensing.audio.levels import LevelMeter
from rig_capture.session.levels import LevelSummary

_LEAST_RATE = 8000


@dataclass(frozen=True)
class FileChannel:
    """One channel over the whole file; levels are in dBFS, None in silence."""

    peak_dbfs: float | None
    rms_dbfs: float | None
    crest_db: float | None
    dc_offset: float
    """Mean, as a fraction of full scale."""
    clipped_blocks: int
    """Tenths of a second with a peak at or above -1 dBFS (the setting `clip_dbfs`)."""
    flatline_s: float
    speech_s: float


@dataclass(frozen=True)
class FileLevels:
    """What was measured of a file."""

    file: str
    sample_rate: int
    duration_s: float
    channels: tuple[FileChannel, ...]


def measure_file(path: Path) -> FileLevels:
    """Measures a file as the meter of a rig would, with the thresholds that settings have by default. Raises SoundFileError."""
    summary = LevelSummary()
    gauge: LevelMeter | None = None
    offset: npt.NDArray[np.float64] = np.zeros(1)
    frames = rate = 0
    for rate, samples in _tenths(path):
        if gauge is None:
            channels = samples.shape[1]
            gauge, offset = LevelMeter(AudioSettings.model_construct(sample_rate=rate, channels=channels), channels), np.zeros(channels)
        levels = gauge.measure(samples)
        summary.add(levels.duration_s, levels.rms_dbfs, levels.peak_dbfs, levels.clipping, levels.flatline, levels.speech)
        offset += np.array(levels.dc_offset) * len(samples)
        frames += len(samples)
    if not frames:
        raise SoundFileError(f"{path}: holds no sound")
    channels = tuple(
        FileChannel(
            peak_dbfs=channel.peak_dbfs,
            rms_dbfs=channel.rms_dbfs,
            crest_db=None if channel.peak_dbfs is None or channel.rms_dbfs is None else round(channel.peak_dbfs - channel.rms_dbfs, 2),
            dc_offset=round(float(mean), 6),
            clipped_blocks=channel.clipped_blocks,
            flatline_s=channel.flatline_s,
            speech_s=channel.speech_s,
        )
        for channel, mean in zip(summary.channels, offset / frames, strict=True)
    )
    return FileLevels(str(path), rate, round(frames / rate, 6), channels)


def show_file(measured: FileLevels) -> None:
    """Prints a table."""
    out = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("ch", "peak dBFS", "rms dBFS", "crest dB", "offset", "clipped", "flat s", "speech s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, channel in enumerate(measured.channels):
        levels = [decibel_text(-math.inf if level is None else level) for level in (channel.peak_dbfs, channel.rms_dbfs)]
        crest = "" if channel.crest_db is None else f"{channel.crest_db:.1f}"
        times = (f"{channel.flatline_s:.1f}", f"{channel.speech_s:.1f}")
        table.add_row(str(number), *levels, crest, f"{channel.dc_offset:+.4f}", str(channel.clipped_blocks), *times)
    out.print(f"{measured.file}: {measured.duration_s:.2f} s, {measured.sample_rate} Hz", soft_wrap=True, markup=False)
    out.print(table)


def _tenths(path: Path) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """A file's samples, a tenth of a second at a time."""
    waiting: list[npt.NDArray[np.float32]] = []
    count = rate = 0
    for rate, samples in read_samples(path):
        if rate < _LEAST_RATE:
            raise SoundFileError(f"{path}: has {rate} samples per second; at least {_LEAST_RATE} can be measured")
        waiting.append(samples)
        count += len(samples)
        step = rate // 10
        if count < step:
            continue
        joined = np.concatenate(waiting)
        whole = count // step * step
        for begin in range(0, whole, step):
            yield rate, joined[begin : begin + step]
        waiting, count = [joined[whole:]], count - whole
    if count:
        yield rate, np.concatenate(waiting)
