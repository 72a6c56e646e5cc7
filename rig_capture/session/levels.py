"""How loud the sound of a session was, over the whole of it: what its manifest says per channel."""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

_DIGITS = 2


class ChannelLevels(BaseModel):
    """One channel over a whole session. Levels are in dBFS; None stands for nothing but silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak_dbfs: float | None = None
    """The largest absolute sample."""
    rms_dbfs: float | None = None
    """Root mean square of the whole."""
    clipped_blocks: int = 0
    """Measured blocks with a peak at or above the setting `clip_dbfs`."""
    flatline_s: float = 0.0
    """Time for which the channel was called flat."""
    speech_s: float = 0.0
    """Time in which speech was heard."""
    measured_s: float = 0.0
    """Time that was measured."""


class LevelSummary:
    """Sums up measured blocks, one after the other."""

    def __init__(self) -> None:
        self._channels: list[_Channel] = []
        self._overruns_before: int | None = None
        self.overruns = 0
        """Times that samples were lost before they reached the node, since the first block."""

    def add(
        self,
        duration_s: float,
        rms_dbfs: Sequence[float],
        peak_dbfs: Sequence[float],
        clipping: Sequence[bool],
        flatline: Sequence[bool],
        speech: Sequence[bool],
    ) -> None:
        """Takes a block; sequences hold a value per channel, -inf where there is silence."""
        while len(self._channels) < len(rms_dbfs):
            self._channels.append(_Channel())
        for channel, rms, peak, clipped, flat, spoken in zip(self._channels, rms_dbfs, peak_dbfs, clipping, flatline, speech, strict=False):
            channel.energy += duration_s * 10 ** (rms / 10)
            channel.peak_dbfs = max(channel.peak_dbfs, peak)
            channel.clipped_blocks += bool(clipped)
            channel.flatline_s += duration_s * bool(flat)
            channel.speech_s += duration_s * bool(spoken)
            channel.measured_s += duration_s

    def see_overruns(self, count: int) -> None:
        """Takes note of a source's own count, which begins at 0 with its node."""
        before = count if self._overruns_before is None else self._overruns_before
        self.overruns += count - before if count >= before else count
        self._overruns_before = count

    @property
    def channels(self) -> tuple[ChannelLevels, ...]:
        """So far."""
        return tuple(channel.levels() for channel in self._channels)


class _Channel:
    def __init__(self) -> None:
        self.energy = 0.0
        """Power times seconds."""
        self.peak_dbfs = -math.inf
        self.clipped_blocks = 0
        self.flatline_s = self.speech_s = self.measured_s = 0.0

    def levels(self) -> ChannelLevels:
        power = self.energy / self.measured_s if self.measured_s else 0.0
        return ChannelLevels(
            peak_dbfs=_rounded(self.peak_dbfs),
            rms_dbfs=_rounded(10 * math.log10(power) if power > 0 else -math.inf),
            clipped_blocks=self.clipped_blocks,
            flatline_s=round(self.flatline_s, _DIGITS),
            speech_s=round(self.speech_s, _DIGITS),
            measured_s=round(self.measured_s, _DIGITS),
        )


def _rounded(level: float) -> float | None:
    return round(float(level), _DIGITS) if math.isfinite(level) else None
