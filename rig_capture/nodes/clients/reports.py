"""What a rig says, without ROS: its status messages and answers as plain records."""

from dataclasses import dataclass

from rig_capture_msgs.msg import RecorderStatus, StreamStatus, UploaderStatus


@dataclass(frozen=True)
class StreamReport:
    """One stream of a recording."""

    topic: str
    kind: str
    messages: int
    bytes: int
    rate_hz: float
    lost: int
    """All losses together: DDS, sequence, queue, encoder."""


@dataclass(frozen=True)
class RecorderReport:
    """The recorder's status."""

    state: str
    detail: str
    recording_id: str
    path: str
    elapsed_s: float
    bytes: int
    free_bytes: int
    streams: tuple[StreamReport, ...]


@dataclass(frozen=True)
class UploaderReport:
    """The uploader's status."""

    state: str
    detail: str
    store: str
    catalog: str
    queued: int
    sessions_done: int
    sessions_failed: int
    current: str
    current_bytes: int
    current_total: int
    bytes_uploaded: int
    rate_bytes_s: float
    last_error: str
    ingested: tuple[str, ...]


@dataclass(frozen=True)
class RecordingReport:
    """The answer to start, stop or cancel."""

    recording_id: str
    path: str
    message: str
    duration_s: float = 0.0
    bytes: int = 0


@dataclass(frozen=True)
class SessionReport:
    """A session that came to its end."""

    recording_id: str
    state: str
    """complete, recovered, cancelled or failed."""
    end_reason: str
    path: str
    duration_s: float
    bytes: int


def recorder_report(message: RecorderStatus) -> RecorderReport:
    """The recorder's status out of its message."""
    return RecorderReport(
        state=message.state,
        detail=message.detail,
        recording_id=message.recording_id,
        path=message.path,
        elapsed_s=message.elapsed_s,
        bytes=message.bytes,
        free_bytes=message.free_bytes,
        streams=tuple(_stream(stream) for stream in message.streams),
    )


def uploader_report(message: UploaderStatus) -> UploaderReport:
    """The uploader's status out of its message."""
    fields = {name: getattr(message, name) for name in UploaderReport.__dataclass_fields__ if name != "ingested"}
    return UploaderReport(**fields, ingested=tuple(message.ingested))


def _stream(message: StreamStatus) -> StreamReport:
    lost = message.lost_dds + message.lost_sequence + message.dropped_queue + message.dropped_encoder
    return StreamReport(message.topic, message.kind, message.messages, message.bytes, message.rate_hz, lost)
