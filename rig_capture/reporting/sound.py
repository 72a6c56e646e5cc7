"""How loud sound was over time, from the topic with its levels, or else from the samples."""

import math
from collections.abc import Sequence

import numpy as np

from rig_capture.reading.audio import Sound
from rig_capture.reading.topic import TopicMessage
from rig_capture.reporting.models import Axis, ChannelSound
from rig_capture.reporting.timing import Means, series

AUDIO_LEVEL = "rig_capture_msgs/msg/AudioLevel"

SILENCE_DBFS = -120.0
"""What silence counts as; 16 bit reach down to -90, 24 bit to -138."""

_LOUDEST_DBFS = 300.0
"""Levels from here on, and what is no number, are no levels."""


class Loudness:
    """Takes blocks of sound, or what was measured of them."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self._channels: list[tuple[Means, list[float | None]]] = []

    def take(self, each: TopicMessage) -> None:
        """A message AudioLevel."""
        message = each.message
        self._add(each.stamp_ns, float(message.duration_s), list(message.rms_dbfs), list(message.peak_dbfs))

    def measure(self, block: Sound) -> None:
        """A block of samples; floats that are no numbers count as silence."""
        samples = np.nan_to_num(block.as_float, nan=0.0, posinf=0.0, neginf=0.0)
        if not len(samples):
            return
        power = np.mean(samples.astype(np.float64) ** 2, axis=0)
        peak = np.abs(samples).max(axis=0)
        rms_dbfs = [_decibels(value, 10) for value in power.tolist()]
        self._add(block.stamp_ns, len(samples) / block.sample_rate, rms_dbfs, [_decibels(value, 20) for value in peak.tolist()])

    @property
    def channels(self) -> tuple[ChannelSound, ...]:
        """So far."""
        return tuple(
            ChannelSound(
                rms_dbfs=series(None if power is None else max(SILENCE_DBFS, _decibels(power, 10)) for power in means.series),
                peak_dbfs=series(peaks),
            )
            for means, peaks in self._channels
        )

    def _add(self, stamp_ns: int, duration_s: float, rms_dbfs: Sequence[float], peak_dbfs: Sequence[float]) -> None:
        place = self._axis.bin_of(stamp_ns)
        if place is None:
            return
        while len(self._channels) < len(rms_dbfs):
            self._channels.append((Means(self._axis), [None] * self._axis.bins))
        for (means, peaks), rms, peak in zip(self._channels, rms_dbfs, peak_dbfs, strict=False):
            if rms < _LOUDEST_DBFS:
                means.add(stamp_ns, 10 ** (float(rms) / 10), duration_s)
            if peak < _LOUDEST_DBFS:
                before = peaks[place]
                peaks[place] = max(SILENCE_DBFS if before is None else before, float(peak))


def _decibels(ratio: float, factor: int) -> float:
    return factor * math.log10(ratio) if ratio > 0 else -math.inf
