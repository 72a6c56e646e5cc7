"""foxglove_msgs/CompressedVideo: packets are copied. The package's definition is put on the path here."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.images.compressed_video import is_keyframe
from rig_capture.recorder.images.reading import COMPRESSED_VIDEO
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import VIDEO_PACKET
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import read_manifest
from test.recorder.messages import DEFINITIONS, START_NS, video
from test.recorder.pictures import stamp

SPEC = StreamSpec("video", "/cam/video", COMPRESSED_VIDEO)

Message = Callable[[int, bytes, str], bytes]


@pytest.fixture
def message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Message:
    """Makes a serialized CompressedVideo."""
    share = tmp_path / "prefix" / "share"
    (share / "ament_index" / "resource_index" / "packages").mkdir(parents=True)
    (share / "ament_index" / "resource_index" / "packages" / "foxglove_msgs").touch()
    (share / "foxglove_msgs" / "msg").mkdir(parents=True)
    definition = "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    (share / "foxglove_msgs" / "msg" / "CompressedVideo.msg").write_text(definition)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'prefix'}{os.pathsep}{os.environ['AMENT_PREFIX_PATH']}")
    definitions = Definitions()
    definitions.need(COMPRESSED_VIDEO)
    types = definitions.store.types

    def make(index: int, data: bytes, form: str) -> bytes:
        time = types["builtin_interfaces/msg/Time"](sec=stamp(index) // 10**9, nanosec=stamp(index) % 10**9)
        packet = types[COMPRESSED_VIDEO](timestamp=time, frame_id="cam", data=np.frombuffer(data, np.uint8), format=form)
        return bytes(definitions.store.serialize_cdr(packet, COMPRESSED_VIDEO))

    return make


def packets(codec: str, count: int) -> list[tuple[bytes, bool]]:
    """Encoded pictures, and whether each is a keyframe."""
    DEFINITIONS.need(VIDEO_PACKET)
    found = [DEFINITIONS.store.deserialize_cdr(data, VIDEO_PACKET) for data in video(codec, count)]
    return [(bytes(packet.data), packet.keyframe) for packet in found]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("codec", "form"), [("h264", "h264"), ("hevc", "h265"), ("av1", "av1")])
def test_packets_are_copied(tmp_path: Path, message: Message, codec: str, form: str) -> None:
    given = packets(codec, 30)
    assert [is_keyframe(codec, data) for data, _ in given] == [key for _, key in given]
    context = RecordingContext(RecorderParameters(), tmp_path / "sessions", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    sink = recording.add_stream(SPEC, "/cam/video", [])
    for index, (data, _) in enumerate(given):
        sink.take(message(index, data, form), START_NS)
    path = recording.finish("complete", "stopped").path
    verdict = verify_session(path)
    assert verdict.whole, verdict.damages
    stream = read_manifest(path).streams["cam"]
    assert (stream.kind, stream.codec, stream.messages) == ("video", codec, 30)
    assert stream.settings == {"width": 320, "height": 240}
    with av.open(str(path / "cam" / "00000.mkv")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 30


def test_formats_that_cant_be_copied_go_into_the_bag(tmp_path: Path, message: Message) -> None:
    context = RecordingContext(RecorderParameters(), tmp_path / "sessions", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    recording.add_stream(SPEC, "/cam/video", []).take(message(0, b"\x82\x49", "vp9"), START_NS)
    path = recording.finish("complete", "stopped").path
    assert read_manifest(path).streams["cam"].kind == "topic"
    assert verify_session(path).whole
