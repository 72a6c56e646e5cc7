"""Sessions made of known messages, without any node."""

from pathlib import Path
from typing import Any

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK, VIDEO_PACKET
from test.recorder.messages import IMU, START_NS

CAMERA = StreamSpec("video", "front/video", VIDEO_PACKET)
AUDIO = StreamSpec("audio", "mic/audio", AUDIO_CHUNK)
TOPIC = StreamSpec("topic", "imu/data_raw", IMU)
STATE = StreamSpec("topic", "state", "std_msgs/msg/String")
_NEVER = {"sec": 9223372036, "nsec": 854775807}
_LATCHED: dict[str, Any] = {
    "history": "keep_last",
    "depth": 1,
    "reliability": "reliable",
    "durability": "transient_local",
    "deadline": _NEVER,
    "lifespan": _NEVER,
    "liveliness": "automatic",
    "liveliness_lease_duration": _NEVER,
    "avoid_ros_namespace_conventions": False,
}


def record_session(folder: Path, streams: dict[StreamSpec, list[bytes]], **settings: Any) -> Path:
    """Records messages, received 5 ms apart; those of `STATE`, which is latched, 100 ms. The session's folder."""
    parameters = RecorderParameters.model_validate({"rig": "lab", "chunk_s": 0.5, **settings})
    context = RecordingContext(parameters, folder, {"ros_distro": "jazzy"}, {"rig": "lab"}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    for spec, messages in streams.items():
        topic = spec.topic if spec.topic.startswith("/") else f"/lab/{spec.topic}"
        sink = recording.add_stream(spec, topic, [_LATCHED] if spec == STATE else [])
        for number, message in enumerate(messages):
            sink.take(message, START_NS + number * (100_000_000 if spec == STATE else 5_000_000))
    return recording.finish("complete", "stopped").path
