"""Executable `audio`: a sound source on `<name>/audio`, its levels on `<name>/level`, its last seconds by `<name>/listen`."""

import array
import math
from typing import NoReturn

from rig_capture_msgs.msg import AudioChunk, AudioLevel
from rig_capture_msgs.srv import Listen

from rig_capture.health.catalogue import AUDIO_WRONG_RATE
from rig_capture.nodes.common.base import data_qos, run_node, time_message
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.nodes.common.sensor import SensorNode
from rig_capture.nodes.common.sound import SoundHealth, level_message
from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio import make_driver
from rig_capture.sensing.audio.block import AudioBlock
from rig_capture.sensing.audio.levels import Levels
from rig_capture.sensing.audio.metering import Metering
from rig_capture.sensing.audio.recent import RecentSound
from rig_capture.sensing.device import Driver

WRONG_RATE_PPM = 2000
"""No sound card drifts so far: what it delivers is not at the sample rate that was asked for."""


class AudioNode(SensorNode[AudioSettings, AudioBlock]):
    """Publishes blocks of samples, numbered through; each return of a lost source begins a segment.

    Levels are measured in a thread of their own, which publishing never waits for.
    """

    settings_type = AudioSettings

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._publisher = self.create_publisher(AudioChunk, f"{self.get_name()}/audio", data_qos(self.settings.depth))
        self._levels = self.create_publisher(AudioLevel, f"{self.get_name()}/level", data_qos(self.settings.depth))
        self.create_service(Listen, f"{self.get_name()}/listen", self._listen)
        self._metering = Metering(self.get_name(), self.settings, self._measured)
        self._recent = RecentSound(self.settings.listen_s, self.settings.sample_rate)
        self._sound_health = SoundHealth(self.get_name(), self.health)
        self._seq = 0
        self._segment = 0
        self._past_overruns = 0
        self._last: AudioBlock | None = None

    def make_driver(self) -> Driver[AudioBlock]:
        return make_driver(self.settings)

    def start(self) -> None:
        self._metering.start()
        super().start()

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            self._metering.stop()

    def check(self) -> None:
        super().check()
        self._metering.check()

    def settings_changed(self, before: AudioSettings) -> None:
        super().settings_changed(before)
        self._metering.update(self.settings)

    def publish_sample(self, sample: AudioBlock) -> None:
        if sample.first_sample == 0 and self._last is not None:
            self._segment += 1
            self._past_overruns += self._last.overruns
        self._last = sample
        self._publisher.publish(self._message(sample))
        self._seq += 1
        self._metering.put(sample)
        self._recent.add(sample)

    def lost(self) -> int:
        return self._past_overruns + (self._last.overruns if self._last is not None else 0)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        level, message, values = super().diagnose()
        last = self._last
        values |= {"driver": self.settings.driver, "segment": self._segment}
        if last is not None:
            values |= {
                "drift_ppm": f"{last.drift_ppm:.2f}",
                "offset_ms": f"{last.offset_ns / 1e6:.2f}",
                "overruns": self.lost(),
                "not_measured": self._metering.skipped,
            }
            wrong = self._wrong_rate(last)
            level, message = (WARN, wrong) if wrong and level == OK else (level, message)
        return level, message, values

    def _wrong_rate(self, last: AudioBlock) -> str:
        """Says that samples come at another rate than was asked for; empty where they don't, or it is not known."""
        wrong = not math.isnan(last.drift_ppm) and abs(last.drift_ppm) > WRONG_RATE_PPM
        rate = self.settings.sample_rate
        text = f"samples come at another rate than {rate} Hz ({last.drift_ppm:+.0f} ppm); set sample_rate" if wrong else ""
        evidence = {"drift_ppm": last.drift_ppm, "sample_rate": rate}
        self.health.set(AUDIO_WRONG_RATE, self.get_name(), problem=wrong, message=text, evidence=evidence)
        return text

    def _measured(self, levels: Levels) -> None:
        """Called in the metering's thread."""
        overruns = self.lost()
        self._levels.publish(level_message(levels, self.frame_id, overruns))
        self._sound_health.look(levels, overruns, self.settings)

    def _listen(self, request: Listen.Request, response: Listen.Response) -> Listen.Response:
        from rig_capture.sensing.audio.files import SoundFileError, SoundFormat, sound_file

        settings, kind = self.settings, request.format or "wav"
        blocks = self._recent.last(request.seconds)
        if kind not in ("wav", "opus"):
            response.message = f"{kind!r} is no format to listen to; ask for wav or opus"
        elif not blocks:
            response.message = f"{self.get_name()}: no sound is kept ({self._nothing_kept(request.seconds)})"
        else:
            form = SoundFormat(settings.format, settings.sample_rate, len(settings.mapped_channels))
            try:
                response.data = array.array("B", sound_file((block.data for block in blocks), kind, form))
                response.success, response.message = True, kind
            except SoundFileError as error:
                response.message = str(error)
            response.stamp = time_message(blocks[0].stamp_ns)
            response.duration_s = sum(block.frames for block in blocks) / settings.sample_rate
        return response

    def _nothing_kept(self, seconds: float) -> str:
        if self.settings.listen_s <= 0:
            return "listen_s is 0"
        return "ask for more than 0 seconds" if seconds <= 0 else self.loop.report().error or "nothing has been captured yet"

    def _message(self, block: AudioBlock) -> AudioChunk:
        settings = self.settings
        message = AudioChunk(
            seq=self._seq,
            first_sample=block.first_sample,
            segment=self._segment,
            sample_rate=settings.sample_rate,
            channels=len(settings.mapped_channels),
            format=settings.format,
            frames=block.frames,
            drift_ppm=block.drift_ppm,
            data=array.array("B", block.data),
        )
        message.header.stamp = time_message(block.stamp_ns)
        message.header.frame_id = self.frame_id
        return message


def make_node(name: str) -> AudioNode:
    """The node, for `group`."""
    return AudioNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("audio"))


if __name__ == "__main__":
    main()
