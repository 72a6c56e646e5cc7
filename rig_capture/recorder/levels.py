"""What a session's manifest says of the loudness of its sound, summed up from the levels that are recorded beside it."""

import logging
from typing import Any

from rosbags.serde import SerdeError

from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.sinks import Write
from rig_capture.session.levels import LevelSummary

AUDIO_LEVEL = "rig_capture_msgs/msg/AudioLevel"

log = logging.getLogger(__name__)


class SessionLevels:
    """Sums of all level topics of a session, by the name of the audio stream each belongs to (``mic`` for ``mic/level``)."""

    def __init__(self, definitions: Definitions) -> None:
        """Has taken nothing yet; `definitions` are read when the first message comes."""
        self._definitions = definitions
        self._sums: dict[str, LevelSummary] = {}

    def watched(self, topic: str, write: Write) -> Write:
        """Writes the messages of a level topic, and takes note of each."""

        def write_and_note(data: bytes, received_ns: int) -> None:
            write(data, received_ns)
            self.take(topic, data)

        return write_and_note

    def take(self, topic: str, data: bytes | memoryview) -> None:
        """Takes note of one serialized message; one that can't be read is left out of the sums. Raises UnknownType."""
        self._definitions.need(AUDIO_LEVEL)
        try:
            level: Any = self._definitions.store.deserialize_cdr(data, AUDIO_LEVEL)
        except SerdeError as error:
            log.debug("%s: a message is left out of the sums: %s", topic, error)
            return
        name = topic.strip("/").removesuffix("/level").replace("/", ".")
        summary = self._sums.setdefault(name, LevelSummary())
        summary.add(level.duration_s, level.rms_dbfs, level.peak_dbfs, level.clipping, level.flatline, level.speech)
        summary.see_overruns(level.overruns)

    def of(self, stream: str) -> LevelSummary | None:
        """Of an audio stream; None where nothing was heard of it. A bag's topics also have the rig's namespace in front."""
        fitting = [name for name in self._sums if name == stream or name.endswith(f".{stream}")]
        return self._sums[min(fitting, key=len)] if fitting else None
