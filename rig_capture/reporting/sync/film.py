"""A film of flashes and beeps, to be played on a screen with a loudspeaker in front of a rig."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from rig_capture.sensing.flash_beep import FLASH_NS, beeps

_FPS, _RATE = 60, 48000
_PERIOD_FRAMES = 59
"""No multiple of the time between the frames of a usual camera, so that flashes come at different phases of these."""
_WIDTH, _HEIGHT = 640, 360
_SAMPLES = _RATE // _FPS


def write_film(path: Path, seconds: float) -> None:
    """Writes H.264 and AAC into a file whose ending names the container, such as .mp4: black, and white while it beeps.

    Every 0.983 s a flash of 0.25 s and a beep of 0.1 s and 2 kHz begin together.

    Raises:
        OSError: the file can't be written.
        ValueError: the ending is none that FFmpeg knows.
    """
    period_ns = _PERIOD_FRAMES * 10**9 // _FPS
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=_FPS, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=_RATE, layout="mono")
        pictures = {is_lit: np.full((_HEIGHT * 3 // 2, _WIDTH), 128, np.uint8) for is_lit in (False, True)}
        for is_lit, planes in pictures.items():
            planes[:_HEIGHT] = 235 if is_lit else 16
        for number in range(round(seconds * _FPS)):
            frame_ns = number % _PERIOD_FRAMES * 10**9 // _FPS
            # The first period is dark and silent, so that players have found their pace.
            is_on = number >= _PERIOD_FRAMES
            picture = av.VideoFrame.from_ndarray(pictures[is_on and frame_ns < FLASH_NS], format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, _FPS)
            container.mux(video.encode(picture))
            times_ns = frame_ns + np.arange(_SAMPLES, dtype=np.int64) * 10**9 // _RATE
            wave = beeps(times_ns, 1, period_ns) * is_on
            sound = av.AudioFrame.from_ndarray(wave.astype(np.float32).reshape(1, -1), format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = _RATE, number * _SAMPLES, Fraction(1, _RATE)
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
