"""A made-up sound source: a tone per channel, and a click at every whole second of the clock; or beeps when cameras see flashes."""

import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import SECOND_NS, AudioBlock, SampleClock, block_frames
from rig_capture.sensing.flash_beep import beeps
from rig_capture.sensing.pacing import Pacer

TONE_LEVEL = 0.25
CLICK_LEVEL = 0.8
CLICK_S = 0.005


class SyntheticAudio:
    """Channel n plays (n + 1) times the tone. The click lets sound be laid against pictures that show the time."""

    def __init__(self, settings: AudioSettings) -> None:
        self._settings = settings
        self._frames = block_frames(settings)
        self._clock = SampleClock(settings.sample_rate)
        self._stop = threading.Event()
        self._sent = 0
        self._due = 0

    def open(self) -> None:
        start_ns, self._start_monotonic_ns = time.time_ns(), time.monotonic_ns()
        self._pacer = Pacer(self._settings.sample_rate / self._frames, self._stop)
        self._clock.heard(0, start_ns)
        self._clock.settle()

    def read(self) -> AudioBlock | None:
        if not self._pacer.wait_all():
            return None
        first, self._sent = self._sent, self._sent + self._frames
        self._clock.heard(self._sent, time.time_ns())
        clock = self._clock
        return AudioBlock(clock.stamp(first), first, self._frames, self._samples(first), clock.drift_ppm, clock.offset_ns, 0)

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        self._stop.set()

    def _samples(self, first: int) -> bytes:
        settings = self._settings
        rate = settings.sample_rate
        index = np.arange(first, first + self._frames, dtype=np.int64)
        if settings.pattern == "flash_beep":
            times_ns = self._start_monotonic_ns + index * SECOND_NS // rate
            return pack(beeps(times_ns, settings.channels, round(settings.pattern_s * 1e9)), settings.format)
        frequencies = settings.tone_hz * np.arange(1, settings.channels + 1)
        phase = np.outer(index, frequencies / rate) % 1.0
        wave = TONE_LEVEL * np.sin(2 * np.pi * phase)
        in_second = (self._clock.stamp(0) % SECOND_NS * rate // SECOND_NS + index) % rate
        wave[in_second < CLICK_S * rate] = CLICK_LEVEL
        return pack(wave, settings.format)


def pack(wave: npt.NDArray[np.float64], sample_format: str) -> bytes:
    """Samples between -1 and 1, shape (frames, channels), as interleaved bytes."""
    if sample_format == "F32LE":
        return wave.astype("<f4").tobytes()
    if sample_format == "S24LE":
        widened = np.rint(wave * (2**23 - 1)).astype("<i4")
        return np.ascontiguousarray(widened).view(np.uint8).reshape(*wave.shape, 4)[:, :, :3].tobytes()
    bits = {"S16LE": 16, "S32LE": 32}[sample_format]
    whole: npt.NDArray[np.signedinteger[Any]] = np.rint(wave * (2 ** (bits - 1) - 1)).astype(f"<i{bits // 8}")
    return whole.tobytes()
