"""The recorder's guards: files that do not grow while messages come, and streams that end with next to nothing, are told."""

import time
from typing import Any

from pydantic import JsonValue

from rig_capture.health.catalogue import FILE_STALLED, RECORDING_FAILED
from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.every import Every
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.growth import Growth, GrowthWatch, too_small
from rig_capture.recorder.manager import RecordingManager
from rig_capture.recorder.recording import Recording

_LOOK_S = 1.0


class RecordingGuards:
    """Looks at the recording's files in a thread of its own, since a disk that is stuck holds up who asks it."""

    def __init__(self, node: RigNode[RecorderParameters], manager: RecordingManager) -> None:
        """Looks at nothing yet; `node` tells what is found."""
        self._node, self._manager = node, manager
        self._recording: Recording | None = None
        self._watch: GrowthWatch | None = None
        self.regular = Every("guards", _LOOK_S, self._look)
        """To be started, stopped and checked by the node."""
        manager.callbacks.ended.append(self._ended)

    def _look(self) -> None:
        recording = self._manager.recording
        if recording is None:
            return
        if self._watch is None or recording is not self._recording:
            self._recording, self._watch = recording, GrowthWatch(recording, self._node.settings)
        try:
            grown = self._watch.look(time.monotonic())
        except OSError:
            return  # the folder is gone: the writers notice that themselves, and end the recording
        for growth in grown:
            evidence = _evidence(growth, recording.recording_id)
            text = growth.text if growth.stalled else ""
            self._node.health.set(FILE_STALLED, growth.part, problem=growth.stalled, message=text, evidence=evidence)

    def _ended(self, summary: RecordingSummary) -> None:
        self._node.health.clear(FILE_STALLED, "no longer recorded: the recording has ended")
        recording, self._recording, self._watch = self._recording, None, None
        if recording is None or recording.recording_id != summary.recording_id or not summary.path.is_dir():
            return
        if summary.end_reason not in ("stopped", "duration"):
            return  # what came to harm has been told
        for text in too_small(summary.path, recording.counters, self._node.settings.min_stream_bytes):
            evidence: dict[str, Any] = {"recording_id": summary.recording_id, "min_stream_bytes": self._node.settings.min_stream_bytes}
            self._node.health.tell(RECORDING_FAILED, summary.recording_id, message=text, evidence=evidence)


def _evidence(growth: Growth, recording_id: str) -> dict[str, JsonValue]:
    return {
        "recording_id": recording_id,
        "file": growth.file,
        "bytes": growth.size,
        "not_grown_s": round(growth.unwritten_s, 1),
        "last_message_age_s": round(growth.last_message_s, 1),
    }
