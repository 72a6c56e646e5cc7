"""Which channels of a source are published, and in which order."""

from dataclasses import replace

import numpy as np

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import SAMPLE_BYTES, AudioBlock
from rig_capture.sensing.device import Driver


class MappedAudio:
    """A driver around another, whose blocks hold the channels of the setting `channel_map`."""

    def __init__(self, source: Driver[AudioBlock], settings: AudioSettings) -> None:
        """Opens nothing yet."""
        self._source = source
        self._channels = settings.channels
        self._width = SAMPLE_BYTES[settings.format]
        self._map = np.array(settings.mapped_channels)

    def open(self) -> None:
        self._source.open()

    def read(self) -> AudioBlock | None:
        block = self._source.read()
        if block is None:
            return None
        samples = np.frombuffer(block.data, np.uint8).reshape(block.frames, self._channels, self._width)
        return replace(block, data=samples[:, self._map].tobytes())

    def close(self) -> None:
        self._source.close()

    def interrupt(self) -> None:
        self._source.interrupt()
