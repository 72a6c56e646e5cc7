"""Whether somebody speaks: WebRTC's voice activity detector, one per channel."""

import numpy as np
import numpy.typing as npt
import webrtcvad

_RATE = 8000
"""Inside, the detector works at 8 kHz; handed less, it costs less."""
_FRAME = _RATE // 50
"""It takes 20 ms at a time."""


class SpeechDetector:
    """Follows the channels of one source."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        """Has heard nothing yet.

        Args:
            sample_rate: of what it will hear, at least 8000 Hz.
            channels: of what it will hear.
        """
        self._rate = sample_rate
        self._detectors = [webrtcvad.Vad() for _ in range(channels)]
        self._mode = -1
        self._rest: npt.NDArray[np.int16] = np.empty((channels, 0), np.int16)
        self._said = (False,) * channels

    def hear(self, planes: npt.NDArray[np.float32], mode: int) -> tuple[bool, ...]:
        """Whether there was speech in at least half of the next samples, per channel; as before where they are too few to tell.

        Args:
            planes: the samples, shape (channels, frames), full scale 1.0.
            mode: 0 takes most sounds for speech, 3 the fewest.
        """
        if mode != self._mode:
            self._mode = mode
            for detector in self._detectors:
                detector.set_mode(mode)
        narrow = np.concatenate([self._rest, self._narrow(planes)], axis=1)
        count = narrow.shape[1] // _FRAME
        self._rest = narrow[:, count * _FRAME :]
        if count:
            self._said = tuple(self._votes(row.tobytes(), detector, count) for row, detector in zip(narrow, self._detectors, strict=True))
        return self._said

    def _narrow(self, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
        """Means of neighbouring samples, at 8 kHz; shape (channels, frames). For hearing whether, not what, is said, that is enough."""
        count = planes.shape[1] * _RATE // self._rate
        if not count:
            return np.empty((len(planes), 0), np.int16)
        edges = np.arange(count + 1) * self._rate // _RATE
        sums = np.add.reduceat(planes[:, : edges[-1]], edges[:-1], axis=1)
        scaled = sums * (32767.0 / np.diff(edges)).astype(np.float32)
        narrow: npt.NDArray[np.int16] = np.clip(scaled, -32768, 32767).astype(np.int16)
        return narrow

    @staticmethod
    def _votes(data: bytes, detector: webrtcvad.Vad, count: int) -> bool:
        size = 2 * _FRAME
        voiced: int = sum(detector.is_speech(data[index * size : (index + 1) * size], _RATE) for index in range(count))
        return 2 * voiced >= count
