"""A block of sound, and the clock that stamps it."""

import math
from dataclasses import dataclass

from rig_capture.profiles.settings.audio import AudioSettings

SAMPLE_BYTES = {"S16LE": 2, "S24LE": 3, "S32LE": 4, "F32LE": 4}
"""Bytes of one sample of one channel; S24LE is packed."""

SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class AudioBlock:
    """Consecutive samples of one segment: of one uninterrupted delivery by the source."""

    stamp_ns: int
    """Capture time of the first sample."""
    first_sample: int
    """Index of the first sample (per channel) in the segment; 0 begins a segment."""
    frames: int
    """Samples per channel."""
    data: bytes
    """Interleaved samples."""
    drift_ppm: float
    """How much faster the sample clock runs than the system clock, in parts per million; NaN until known."""
    offset_ns: int
    """How much later than its stamp says the source now delivers: what drift has come to since the segment began."""
    overruns: int
    """Overruns that the recording program reported since the segment began."""


def frame_bytes(settings: AudioSettings) -> int:
    """Bytes of one sample of all channels."""
    return SAMPLE_BYTES[settings.format] * settings.channels


def block_frames(settings: AudioSettings) -> int:
    """Samples per channel in one published block."""
    return max(1, round(settings.sample_rate * settings.block_ms / 1000))


class DriftMeter:
    """The slope of lateness over time: the sample clock against the system clock.

    Scheduling can only make an arrival late, never early. So the least lateness of each second counts, and a line of
    least squares goes through these.
    """

    WINDOW_S = 1.0
    LEAST_WINDOWS = 10

    def __init__(self) -> None:
        self._window: tuple[float, float] | None = None
        self._window_end = self.WINDOW_S
        self._count = 0
        self._mean_x = self._mean_y = self._xx = self._xy = 0.0

    def add(self, elapsed_s: float, lateness_ns: int) -> None:
        """Takes one arrival.

        Args:
            elapsed_s: duration of all samples up to this arrival, by their count.
            lateness_ns: by how much later than that they came.
        """
        if elapsed_s >= self._window_end:
            self._close_window()
            self._window_end = elapsed_s + self.WINDOW_S
        if self._window is None or lateness_ns < self._window[1]:
            self._window = (elapsed_s, float(lateness_ns))

    @property
    def ppm(self) -> float:
        """Parts per million by which the sample clock runs fast (negative: slow); NaN in the first ten seconds."""
        # Fewer samples than the system clock expects arrive ever later: lateness in ns per s, so a thousandth is ppm.
        return -self._xy / self._xx / 1000 if self._count >= self.LEAST_WINDOWS else math.nan

    def _close_window(self) -> None:
        if self._window is None:
            return
        x, y = self._window
        self._window = None
        self._count += 1
        from_mean_x = x - self._mean_x
        self._mean_x += from_mean_x / self._count
        self._mean_y += (y - self._mean_y) / self._count
        self._xx += from_mean_x * (x - self._mean_x)
        self._xy += from_mean_x * (y - self._mean_y)


class SampleClock:
    """Stamps of one segment: an anchor that is fixed once, and from there on nothing but the count of samples.

    The anchor is the capture time of sample 0. It is taken from the least late of the arrivals in the first quarter of a
    second, since the first one alone may have waited for a program to start.
    """

    SETTLE_S = 0.25

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._settle_frames = int(sample_rate * self.SETTLE_S)
        self._earliest: int | None = None
        self._anchor: int | None = None
        self._drift = DriftMeter()
        self._lateness: list[int] = []
        self.offset_ns = 0
        """Least lateness against the stamps among the last arrivals."""

    @property
    def anchored(self) -> bool:
        """Whether stamps can be given."""
        return self._anchor is not None

    @property
    def drift_ppm(self) -> float:
        """See `DriftMeter.ppm`."""
        return self._drift.ppm

    def heard(self, frames: int, arrival_ns: int) -> None:
        """Takes note of an arrival.

        Args:
            frames: samples per channel that have arrived since the segment began, these included.
            arrival_ns: when they had arrived, system clock.
        """
        start = arrival_ns - frames * SECOND_NS // self._rate
        if self._anchor is None:
            self._earliest = start if self._earliest is None else min(self._earliest, start)
            if frames >= self._settle_frames:
                self._anchor = self._earliest
        else:
            self._lateness = [*self._lateness[-15:], start - self._anchor]
            self.offset_ns = min(self._lateness)
            self._drift.add(frames / self._rate, start - self._anchor)

    def settle(self) -> None:
        """Fixes the anchor now: the source ended before it was settled."""
        if self._anchor is None:
            self._anchor = self._earliest

    def stamp(self, sample: int) -> int:
        """Capture time of a sample, by its index in the segment, in ns since the epoch."""
        assert self._anchor is not None
        return self._anchor + sample * SECOND_NS // self._rate
