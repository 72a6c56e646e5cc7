"""Streams that the recorder encodes itself, after a crash."""

import shutil
from pathlib import Path

import av
import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.images.reading import COMPRESSED_IMAGE, IMAGE
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.repair.repair import repair_session
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import read_manifest
from test.parts import wait_until
from test.recorder.messages import START_NS, audio
from test.recorder.pictures import compressed, image, jpeg, scene


@pytest.mark.parametrize("codec", ["flac", "opus"])
def test_a_crash_leaves_pictures_and_encoded_sound_that_can_be_repaired(tmp_path: Path, codec: str) -> None:
    parameters = RecorderParameters.model_validate({"audio_codec": codec, "image_encoder": "pyav"})
    context = RecordingContext(parameters, tmp_path / "live", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    specs = [
        StreamSpec("video", "/cam/image", IMAGE),
        StreamSpec("video", "/cam/jpeg", COMPRESSED_IMAGE),
        StreamSpec("audio", "mic/audio", AUDIO_CHUNK),
    ]
    raw, small, sound = (recording.add_stream(spec, f"/{spec.topic.strip('/')}", []) for spec in specs)
    recording.write_down()
    for index in range(60):
        raw.take(image(index, scene(index), "rgb8"), START_NS)
        small.take(compressed(index, jpeg(scene(index))), START_NS)
    for index in range(40):
        sound.take(audio(index), START_NS)
    wait_until(lambda: [counter.messages for counter in recording.counters] == [60, 60, 40], "everything is written")
    session = tmp_path / "crashed" / recording.recording_id
    shutil.copytree(recording.layout.path, session)
    recording.finish("complete", "stopped")
    # As a crash leaves it: the last cluster is torn.
    for chunk in session.glob("*/00000.mkv"):
        with chunk.open("r+b") as file:
            file.truncate(chunk.stat().st_size * 9 // 10)
    repair_session(session)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    streams = read_manifest(session).streams
    assert {name: stream.kind for name, stream in streams.items()} == {"cam.image": "video", "cam.jpeg": "video", "mic": "audio"}
    assert streams["cam.image"].messages > 30
    assert streams["cam.jpeg"].messages > 30
    assert streams["mic"].codec == codec
    with av.open(str(session / "mic" / "00000.mkv")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 48000
