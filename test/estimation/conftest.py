"""What tests of estimation share."""

from pathlib import Path

import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK, VIDEO_PACKET
from test.estimation.videos import Record
from test.recorder.messages import START_NS


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Records messages of streams as a whole session with chunks of half a second."""

    def make(streams: dict[str, list[bytes]]) -> Path:
        parameters = RecorderParameters.model_validate({"rig": "lab", "chunk_s": 0.5})
        context = RecordingContext(parameters, tmp_path / "sessions", {"ros_distro": "jazzy"}, {"rig": "lab"}, lambda: START_NS)
        recording = Recording(context, RecordingRequest(), lambda name, failure: None)
        for name, messages in streams.items():
            spec = StreamSpec("video", f"{name}/video", VIDEO_PACKET)
            if name.startswith("audio"):
                spec = StreamSpec("audio", f"{name}/audio", AUDIO_CHUNK)
            sink = recording.add_stream(spec, f"/{spec.topic}", [])
            for number, each in enumerate(messages):
                sink.take(each, START_NS + number * 5_000_000)
        return recording.finish("complete", "stopped").path

    return make
