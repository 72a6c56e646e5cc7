"""Executable `audio`: a sound source on `<name>/audio`."""

import array
import math
import sys

from rig_capture_msgs.msg import AudioChunk

from rig_capture.nodes.base import data_qos, run_node, time_message
from rig_capture.nodes.diagnosis import OK, WARN
from rig_capture.nodes.sensor import SensorNode
from rig_capture.profiles.settings import AudioSettings
from rig_capture.sensing.audio import make_driver
from rig_capture.sensing.audio.block import AudioBlock
from rig_capture.sensing.device import Driver

WRONG_RATE_PPM = 2000
"""No sound card drifts so far: what it delivers is not at the sample rate that was asked for."""


class AudioNode(SensorNode[AudioSettings, AudioBlock]):
    """Publishes blocks of samples, numbered through; each return of a lost source begins a segment."""

    settings_type = AudioSettings

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._publisher = self.create_publisher(AudioChunk, f"{self.get_name()}/audio", data_qos(self.settings.depth))
        self._seq = 0
        self._segment = 0
        self._past_overruns = 0
        self._last: AudioBlock | None = None

    def make_driver(self) -> Driver[AudioBlock]:
        return make_driver(self.settings)

    def publish_sample(self, sample: AudioBlock) -> None:
        if sample.first_sample == 0 and self._last is not None:
            self._segment += 1
            self._past_overruns += self._last.overruns
        self._last = sample
        self._publisher.publish(self._message(sample))
        self._seq += 1

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
                "overruns": self._past_overruns + last.overruns,
            }
            if level == OK and not math.isnan(last.drift_ppm) and abs(last.drift_ppm) > WRONG_RATE_PPM:
                level = WARN
                message = f"samples come at another rate than {self.settings.sample_rate} Hz ({last.drift_ppm:+.0f} ppm); set sample_rate"
        return level, message, values

    def _message(self, block: AudioBlock) -> AudioChunk:
        settings = self.settings
        message = AudioChunk(
            seq=self._seq,
            first_sample=block.first_sample,
            segment=self._segment,
            sample_rate=settings.sample_rate,
            channels=settings.channels,
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


def main() -> int:
    """Entry point."""
    return run_node(lambda: make_node("audio"))


if __name__ == "__main__":
    sys.exit(main())
