"""A session as one file for Foxglove."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mcap.reader import make_reader

from rig_capture.recorder.tracks.samples import VIDEO_PACKET
from test.exporting.parts import JOINTS, Record, at, block, call, joints, record
from test.playback.sessions import AUDIO, CAMERA
from test.protobuf import fields
from test.recorder.messages import DEFINITIONS, video

__all__ = ["record"]

Found = dict[str, list[tuple[str, int, bytes]]]


def contents(file: Path) -> Found:
    """Of each topic the type, time and bytes of its messages, in order."""
    found: Found = defaultdict(list)
    with file.open("rb") as stream:
        for schema, channel, message in make_reader(stream).iter_messages():
            assert schema is not None
            found[channel.topic].append((schema.name, message.log_time, message.data))
    return found


def sound(form: str) -> list[bytes]:
    """Ten blocks of 50 ms."""
    samples = np.arange(2400 * 2, dtype=np.int32).reshape(-1, 2) << 16
    return [block(index, samples, form, first_sample=index * 2400, stamp_ns=at(index * 50)) for index in range(10)]


def decoded(codec: str, packets: list[Any]) -> list[np.ndarray]:
    """Pictures of packets that follow each other."""
    context: Any = av.CodecContext.create({"av1": "libdav1d"}.get(codec, codec), "r")
    frames = [frame for packet in [*map(av.Packet, packets), None] for frame in context.decode(packet)]
    return [frame.to_ndarray(format="gray") for frame in frames]


@pytest.mark.parametrize(("codec", "shown"), [("h264", b"h264"), ("hevc", b"h265"), ("av1", b"av1")])
def test_messages_video_and_sound_are_in_one_file_as_they_were_recorded(record: Record, tmp_path: Path, codec: str, shown: bytes) -> None:
    packets = list(video(codec, 20, gop=5))
    messages = [joints(at(index * 50), [float(index)]) for index in range(10)]
    path = record({CAMERA: packets, AUDIO: sound("S16LE"), JOINTS: messages})
    code, told, errors = call(path, "--format", "foxglove", "--out", tmp_path)
    assert (code, errors) == (0, "")
    (file,) = told["sessions"][0]["files"]
    assert file["streams"] == {"front": 20, "mic": 10, "joints": 10}
    found = contents(tmp_path / path.name / file["file"])
    assert found.keys() == {"/front/video", "/mic/audio", "/joints"}
    assert [data for _, _, data in found["/joints"]] == messages
    assert {name for name, _, _ in found["/joints"]} == {"sensor_msgs/msg/JointState"}
    pictures = [fields(data) for _, _, data in found["/front/video"]]
    assert {(picture[2], picture[4]) for picture in pictures} == {(b"front_optical_frame", shown)}
    recorded: list[Any] = [DEFINITIONS.store.deserialize_cdr(packet, VIDEO_PACKET) for packet in packets]
    given = [bytes(packet.data) for packet in recorded]
    shown_pictures = decoded(codec, [picture[3] for picture in pictures])
    assert len(shown_pictures) == 20
    assert all(np.array_equal(*pair) for pair in zip(shown_pictures, decoded(codec, given), strict=True))
    assert [time for _, time, _ in found["/front/video"]] == [at(index * 33.333333) for index in range(20)]
    heard = fields(found["/mic/audio"][0][2])
    assert (heard[3], heard[4], heard[5]) == (b"pcm-s16", 48000, 2)
    assert isinstance(heard[2], bytes)
    assert np.array_equal(np.frombuffer(heard[2], "<i2"), np.arange(4800))


def test_what_foxglove_does_not_show_is_told(record: Record, tmp_path: Path) -> None:
    path = record({CAMERA: list(video("mjpeg", 5)), AUDIO: sound("S24LE")})
    code, told, _ = call(path, "--format", "foxglove", "--out", tmp_path)
    assert code == 0
    (session,) = told["sessions"]
    assert session["left_out"] == ["mic: Foxglove takes sound of 16 bit, and this is S24LE; --format wav has all of it"]
    found = contents(tmp_path / path.name / session["files"][0]["file"])
    assert {name for name, _, _ in found["/front/video"]} == {"foxglove.CompressedImage"}


def test_some_streams_can_be_chosen(record: Record, tmp_path: Path) -> None:
    path = record({CAMERA: list(video("h264", 5)), JOINTS: [joints(at(0), [1.0])]})
    assert call(path, "--format", "foxglove", "--stream", "joints", "--out", tmp_path)[0] == 0
    (file,) = (tmp_path / path.name).glob("*.mcap")
    assert contents(file).keys() == {"/joints"}
    code, _, errors = call(path, "--format", "foxglove", "--stream", "nothing", "--out", tmp_path / "other")
    assert code == 2
    assert "has no stream 'nothing'" in errors
