"""Levels of sound as messages, and what is wrong with sound as health events."""

from collections.abc import Sequence

from rig_capture_msgs.msg import AudioLevel

from rig_capture.health.catalogue import AUDIO_CLIPPING, AUDIO_CORRELATED, AUDIO_FLATLINE, AUDIO_LOW_SIGNAL, AUDIO_OVERRUN, Code
from rig_capture.health.tracker import Hold
from rig_capture.nodes.common.base import time_message
from rig_capture.nodes.common.health import HealthReporter
from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.levels import Levels


def level_message(levels: Levels, frame_id: str, overruns: int) -> AudioLevel:
    """Levels as they are published."""
    message = AudioLevel(
        duration_s=levels.duration_s,
        rms_dbfs=levels.rms_dbfs,
        peak_dbfs=levels.peak_dbfs,
        crest_db=levels.crest_db,
        dc_offset=levels.dc_offset,
        clipping=levels.clipping,
        flatline=levels.flatline,
        low_signal=levels.low_signal,
        speech=levels.speech,
        correlation=levels.correlation,
        correlated=[f"{one}-{other}" for one, other in levels.correlated],
        overruns=overruns,
    )
    message.header.stamp = time_message(levels.stamp_ns)
    message.header.frame_id = frame_id
    return message


def levels_of(message: AudioLevel) -> Levels:
    """Levels as they were measured."""
    return Levels(
        stamp_ns=message.header.stamp.sec * 10**9 + message.header.stamp.nanosec,
        duration_s=message.duration_s,
        rms_dbfs=tuple(message.rms_dbfs),
        peak_dbfs=tuple(message.peak_dbfs),
        crest_db=tuple(message.crest_db),
        dc_offset=tuple(message.dc_offset),
        clipping=tuple(message.clipping),
        flatline=tuple(message.flatline),
        low_signal=tuple(message.low_signal),
        speech=tuple(message.speech),
        correlation=message.correlation,
        correlated=tuple(_pair(text) for text in message.correlated),
    )


class SoundHealth:
    """Tells the problems of one source, channel by channel. Used from one thread."""

    def __init__(self, name: str, health: HealthReporter) -> None:
        """Tells nothing yet; `name` is the source's, for people."""
        self._name = name
        self._health = health
        self._overruns = 0
        self._quiet_until_ns = 0

    def look(self, levels: Levels, overruns: int, settings: AudioSettings) -> None:
        """Takes the next levels.

        Args:
            levels: of the source.
            overruns: of the source since its node started.
            settings: with the thresholds.
        """
        for channel in range(len(levels.rms_dbfs)):
            self._look_at(channel, levels, settings)
        self._look_at_pairs(levels, settings)
        if overruns > self._overruns and levels.stamp_ns >= self._quiet_until_ns:
            many = overruns - self._overruns
            self._overruns, self._quiet_until_ns = overruns, levels.stamp_ns + round(settings.recovery_s * 1e9)
            text = f"{self._name}: samples were lost in the sound system ({many} overruns); is the machine busy? A larger block_ms helps"
            self._health.tell(AUDIO_OVERRUN, self._name, message=text, evidence={"overruns": many, "overruns_total": overruns})

    def _look_at(self, channel: int, levels: Levels, settings: AudioSettings) -> None:
        rms, peak, flat = levels.rms_dbfs[channel], levels.peak_dbfs[channel], levels.flatline[channel]
        hold = Hold(off_s=settings.recovery_s)
        what = f"{self._name}, channel {channel}"
        measured = {
            "channel": channel,
            "rms_dbfs": round(rms, 2),
            "peak_dbfs": round(peak, 2),
            "dc_offset": round(levels.dc_offset[channel], 5),
        }

        def tell(code: Code, problem: bool, text: str, **limits: float) -> None:
            self._health.set(code, str(channel), problem=problem, message=text if problem else "", evidence=measured | limits, hold=hold)

        tell(
            AUDIO_CLIPPING,
            levels.clipping[channel],
            f"{what}: clips at {peak:.1f} dBFS; turn its gain down",
            clip_dbfs=settings.clip_dbfs,
        )
        tell(
            AUDIO_FLATLINE,
            flat,
            f"{what}: no signal for {settings.flatline_s:g} s; is the microphone connected, powered and not muted?",
            flatline_dbfs=settings.flatline_dbfs,
            flatline_s=settings.flatline_s,
        )
        # A flat channel is quiet as well; that is said once.
        tell(
            AUDIO_LOW_SIGNAL,
            levels.low_signal[channel] and not flat,
            f"{what}: below {settings.low_signal_dbfs:g} dBFS for {settings.low_signal_s:g} s; turn its gain up, or move it closer",
            low_signal_dbfs=settings.low_signal_dbfs,
            low_signal_s=settings.low_signal_s,
        )

    def _look_at_pairs(self, levels: Levels, settings: AudioSettings) -> None:
        hold = Hold(settings.correlation_s, settings.recovery_s)
        for pair in _pairs(len(levels.rms_dbfs)):
            one, other = pair
            same = pair in levels.correlated
            text = f"{self._name}: channels {one} and {other} carry the same sound; is one microphone connected twice?" if same else ""
            evidence = {"correlation": levels.correlation, "correlation_limit": settings.correlation_limit}
            self._health.set(AUDIO_CORRELATED, f"{one}-{other}", problem=same, message=text, evidence=evidence, hold=hold)


def _pairs(channels: int) -> Sequence[tuple[int, int]]:
    return [(one, other) for one in range(channels) for other in range(one + 1, channels)]


def _pair(text: str) -> tuple[int, int]:
    one, _, other = text.partition("-")
    return int(one), int(other)
