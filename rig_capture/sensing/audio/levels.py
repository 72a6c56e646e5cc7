"""How loud sound is, per channel, and what seems wrong with it. Pure arithmetic, but for how long something has lasted.

Levels are in dBFS: decibels relative to full scale, 20 log10 of the ratio, so that a full-scale sine has a root mean square of
-3.01 dBFS (as in ffmpeg's astats and in sox). Arrays of samples are float32, shape (frames, channels), full scale 1.0.
"""

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import SAMPLE_BYTES, AudioBlock
from rig_capture.sensing.audio.speech import SpeechDetector

Samples = npt.NDArray[np.float32]

_INTEGERS = {"S16LE": ("<i2", 2.0**-15), "S24LE": ("<i4", 2.0**-31), "S32LE": ("<i4", 2.0**-31)}


@dataclass(frozen=True)
class Levels:
    """Of one stretch of sound; tuples hold a value per channel."""

    stamp_ns: int
    """Capture time of its first sample."""
    duration_s: float
    rms_dbfs: tuple[float, ...]
    """Root mean square; -inf in silence."""
    peak_dbfs: tuple[float, ...]
    """Largest absolute sample; -inf in silence."""
    crest_db: tuple[float, ...]
    """Peak over root mean square; NaN in silence."""
    dc_offset: tuple[float, ...]
    """Mean, as a fraction of full scale."""
    clipping: tuple[bool, ...]
    flatline: tuple[bool, ...]
    low_signal: tuple[bool, ...]
    speech: tuple[bool, ...]
    correlation: float
    """The largest Pearson correlation between two channels, -1 to 1; NaN with one channel, or where fewer than two move."""
    correlated: tuple[tuple[int, int], ...]
    """Pairs of channels at or above the limit."""


def samples_of(data: bytes, sample_format: str, channels: int) -> Samples:
    """Interleaved samples as an array; floats that are no numbers count as silence.

    Args:
        data: whole frames.
        sample_format: ``S16LE``, ``S24LE`` (packed), ``S32LE`` or ``F32LE``.
        channels: of the data.

    Returns:
        Shape (frames, channels).
    """
    if sample_format == "F32LE":
        floats: Samples = np.nan_to_num(np.frombuffer(data, "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
        return floats.reshape(-1, channels)
    kind, scale = _INTEGERS[sample_format]
    values: npt.NDArray[Any] = np.frombuffer(data, np.uint8)
    if SAMPLE_BYTES[sample_format] == 3:  # into the upper three bytes of four
        wide = np.zeros((values.size // 3, 4), np.uint8)
        wide[:, 1:] = values.reshape(-1, 3)
        values = wide.reshape(-1)
    samples: Samples = np.multiply(values.view(kind), np.float32(scale), dtype=np.float32)
    return samples.reshape(-1, channels)


def decibels(ratio: float) -> float:
    """20 log10 of an amplitude; -inf of 0."""
    return 20 * math.log10(ratio) if ratio > 0 else -math.inf


class LevelMeter:
    """Measures stretches of one source, one after the other, and knows how long each channel has been flat or quiet.

    `settings` may be replaced at any time by others of the same source; they hold from the next stretch on.
    """

    def __init__(self, settings: AudioSettings, channels: int) -> None:
        """Has heard nothing yet; `channels` are those of the samples."""
        self.settings = settings
        self._channels = channels
        self.reset()

    def reset(self) -> None:
        """What comes next does not follow what came before."""
        self._speech = SpeechDetector(self.settings.sample_rate, self._channels)
        self._flat_s = [0.0] * self._channels
        self._low_s = [0.0] * self._channels

    def measure(self, samples: Samples, stamp_ns: int = 0) -> Levels:
        """Levels of a stretch of sound, at least one frame.

        Args:
            samples: shape (frames, channels), full scale 1.0.
            stamp_ns: capture time of the first one.
        """
        settings, frames = self.settings, len(samples)
        duration_s = frames / settings.sample_rate
        planes = np.ascontiguousarray(samples.T)  # along memory, numpy is ten times as fast
        # In single precision two channels that are almost the same may correlate by more than 1, on some processors.
        mean = planes.mean(axis=1, keepdims=True, dtype=np.float64)
        moving = planes - mean
        products = (moving @ moving.T) / frames
        power, offset = np.diagonal(products), mean[:, 0]
        rms = [decibels(math.sqrt(value)) for value in power + offset**2]
        peak = [decibels(float(value)) for value in np.maximum(planes.max(axis=1), -planes.min(axis=1))]
        moves = [decibels(math.sqrt(value)) for value in power]
        self._flat_s = _lasting(self._flat_s, moves, settings.flatline_dbfs, duration_s)
        self._low_s = _lasting(self._low_s, moves, settings.low_signal_dbfs, duration_s)
        flat = [level <= settings.flatline_dbfs for level in moves]
        pairs = _correlations(products, flat)
        return Levels(
            stamp_ns=stamp_ns,
            duration_s=duration_s,
            rms_dbfs=tuple(rms),
            peak_dbfs=tuple(peak),
            crest_db=tuple(high - low if math.isfinite(low) else math.nan for high, low in zip(peak, rms, strict=True)),
            dc_offset=tuple(map(float, offset)),
            clipping=tuple(level >= settings.clip_dbfs for level in peak),
            flatline=tuple(lasted > 0 and lasted >= settings.flatline_s for lasted in self._flat_s),
            low_signal=tuple(lasted > 0 and lasted >= settings.low_signal_s for lasted in self._low_s),
            speech=self._speech.hear(planes, settings.speech_mode),
            correlation=max(pairs.values(), default=math.nan),
            correlated=tuple(pair for pair, value in pairs.items() if value >= settings.correlation_limit),
        )


class BlockMeter:
    """Levels of a source's blocks, so many of them together that the rate in the settings is not exceeded."""

    def __init__(self, settings: AudioSettings) -> None:
        """Has heard nothing yet."""
        self._meter = LevelMeter(settings, len(settings.mapped_channels))
        self._waiting: list[AudioBlock] = []
        self._frames = 0

    def update(self, settings: AudioSettings) -> None:
        """Takes settings that were changed while running."""
        self._meter.settings = settings

    def add(self, block: AudioBlock) -> Levels | None:
        """Takes the next block; gives levels where they are due.

        Args:
            block: after the one before; where one is missing, or a segment begins, measuring begins anew.
        """
        settings = self._meter.settings
        if settings.level_rate_hz <= 0:
            return None
        if self._waiting and block.first_sample != self._waiting[-1].first_sample + self._waiting[-1].frames:
            self._waiting, self._frames = [], 0
            if block.first_sample == 0:
                self._meter.reset()
        self._waiting.append(block)
        self._frames += block.frames
        if self._frames < settings.sample_rate / settings.level_rate_hz:
            return None
        waiting, self._waiting, self._frames = self._waiting, [], 0
        data = b"".join(each.data for each in waiting)
        return self._meter.measure(samples_of(data, settings.format, len(settings.mapped_channels)), waiting[0].stamp_ns)


def overall(parts: list[Levels]) -> Levels:
    """The last of several stretches, with the largest peak, and clipping where any clipped: what a meter of a lower rate shows."""
    last = parts[-1]
    peaks = tuple(max(values) for values in zip(*(part.peak_dbfs for part in parts), strict=True))
    clipped = tuple(any(values) for values in zip(*(part.clipping for part in parts), strict=True))
    return replace(last, peak_dbfs=peaks, clipping=clipped)


def _lasting(before: list[float], levels: list[float], limit: float, duration_s: float) -> list[float]:
    """For how long each channel has been at or below a limit."""
    return [lasted + duration_s if level <= limit else 0.0 for lasted, level in zip(before, levels, strict=True)]


def _correlations(products: npt.NDArray[np.float64], flat: list[bool]) -> dict[tuple[int, int], float]:
    """Pearson correlation of each pair of channels of which neither is flat."""
    alive = [channel for channel, still in enumerate(flat) if not still and products[channel, channel] > 0]
    deviation = np.sqrt(np.diagonal(products))
    exact = {(a, b): float(products[a, b] / (deviation[a] * deviation[b])) for a, b in combinations(alive, 2)}
    return {pair: max(-1.0, min(1.0, value)) for pair, value in exact.items()}
