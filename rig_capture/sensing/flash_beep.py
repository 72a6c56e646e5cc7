"""A light that flashes and a sound that beeps at the same moments, for tests of synchronisation.

They go by the machine's monotonic clock, which nobody sets: it stands for the world in front of synthetic cameras and microphones, whatever
the system clocks that these stamp by make of it.
"""

import numpy as np
import numpy.typing as npt

FLASH_NS = 250_000_000
"""The light is on so long from each multiple of the period on."""
BEEP_NS = 100_000_000
"""The sound likewise."""
BEEP_HZ = 2000.0
BEEP_LEVEL = 0.5


def lit_share(start_ns: int, stop_ns: int, period_ns: int) -> float:
    """How much of a span of monotonic time, ns, the light is on, 0 to 1."""
    return (_lit_ns(stop_ns, period_ns) - _lit_ns(start_ns, period_ns)) / (stop_ns - start_ns)


def beeps(times_ns: npt.NDArray[np.int64], channels: int, period_ns: int) -> npt.NDArray[np.float64]:
    """The sound at times of the monotonic clock.

    Args:
        times_ns: (N,) ns.
        channels: how many; channel n has (n + 1) times the frequency, so that they differ.
        period_ns: between two beeps.

    Returns:
        (N, channels), full scale 1.
    """
    since_ns = times_ns % period_ns
    frequencies = BEEP_HZ * np.arange(1, channels + 1)
    wave = BEEP_LEVEL * np.sin(2 * np.pi * np.outer(since_ns / 1e9, frequencies))
    wave[since_ns >= BEEP_NS] = 0.0
    return wave


def _lit_ns(time_ns: int, period_ns: int) -> int:
    periods, rest = divmod(time_ns, period_ns)
    return periods * FLASH_NS + min(rest, FLASH_NS)
