"""The rig live in Foxglove: topics with their schemas while somebody looks, video as pictures, services."""

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rig_capture_msgs.srv import StartRecording, StopRecording
from sensor_msgs.msg import Imu
from tf2_msgs.msg import TFMessage

from test.integration.foxglove_client import FoxgloveClient, view
from test.integration.nodes import Ear, NodeProcess, running
from test.integration.recorders import Start
from test.protobuf import fields

pytestmark = pytest.mark.integration


@pytest.fixture
def foxglove(namespace: str, tmp_path: Path) -> Iterator[NodeProcess]:
    """The node on a free port."""
    with running("foxglove", namespace, tmp_path, {"port": 0, "topics": f"['{namespace}/**', '/tf_static']"}) as node:
        yield node


def address(node: NodeProcess, ear: Ear) -> str:
    """Where the node listens."""
    ear.until(lambda: "open ws://" in node.said, "the address of the server")
    return node.said.partition("open ")[2].split()[0]


def test_a_viewer_sees_topics_with_their_schemas_and_is_the_only_reason_to_subscribe(
    ear: Ear, namespace: str, tmp_path: Path, foxglove: NodeProcess
) -> None:
    video, data = f"{namespace}/camera/video", f"{namespace}/imu/data_raw"
    subscribers = ear.diagnosis(namespace, "camera")

    def subscribed() -> str:
        status = subscribers()
        return "" if status is None else next(value.value for value in status.values if value.key == "subscribers")

    with (
        running("camera", namespace, tmp_path, {"width": 320, "height": 240}),
        running("imu", namespace, tmp_path, {"rate_hz": 100.0}) as imu,
    ):

        async def look(viewer: FoxgloveClient) -> None:
            await viewer.until(lambda: {video, data} <= viewer.channels.keys(), "both topics advertised")
            ear.until(lambda: subscribed() == "0", "a camera that nobody looks at")
            assert (viewer.channels[data]["schemaName"], viewer.channels[data]["schemaEncoding"]) == ("sensor_msgs/msg/Imu", "ros2msg")
            assert "MSG: geometry_msgs/Quaternion" in viewer.channels[data]["schema"]
            assert viewer.channels[video]["schemaName"] == "foxglove.CompressedVideo"

            await viewer.subscribe(data)
            await viewer.subscribe(video)
            await viewer.until(lambda: len(viewer.received[video]) > 20 and len(viewer.received[data]) > 20, "messages")
            assert deserialize_message(viewer.received[data][0], Imu).header.frame_id == "imu"
            packets = [fields(message) for message in viewer.received[video]]
            assert {(packet[2], packet[4]) for packet in packets} == {(b"camera_optical_frame", b"h264")}
            # The first is a keyframe: the camera makes one for who joins.
            with av.open(
                io.BytesIO(b"".join(unit for packet in packets if isinstance(unit := packet[3], bytes))), "r", format="h264"
            ) as stream:
                pictures = [(frame.width, frame.height) for frame in stream.decode(video=0)]
            assert len(pictures) >= 20
            assert set(pictures) == {(320, 240)}
            ear.until(lambda: subscribed() == "1", "one subscription to the camera")

            await viewer.unsubscribe(video)
            ear.until(lambda: subscribed() == "0", "a camera that nobody looks at any more")
            imu.end()
            await viewer.until(lambda: data not in viewer.channels, "the topic taken back")

        view(address(foxglove, ear), look)
    code, _ = foxglove.end()
    assert code == 0, foxglove.said
    assert "Traceback" not in foxglove.said


def test_who_comes_later_gets_what_publishers_keep(ear: Ear, namespace: str, tmp_path: Path, foxglove: NodeProcess) -> None:
    url = address(foxglove, ear)
    with running("imu", namespace, tmp_path, {"mount_parent": "base_link"}, name=namespace.strip("/")):

        async def look(viewer: FoxgloveClient) -> None:
            def frames(messages: list[bytes]) -> set[str]:
                return {each.child_frame_id for message in messages for each in deserialize_message(message, TFMessage).transforms}

            own = namespace.strip("/")
            await viewer.subscribe("/tf_static")
            await viewer.until(lambda: own in frames(viewer.received["/tf_static"]), "the frame")
            late = await FoxgloveClient.connect(viewer.session, url)
            await late.subscribe("/tf_static")
            await late.until(lambda: own in frames(late.received["/tf_static"]), "the frame, for who comes later")

        view(url, look)


def test_sound_is_shown_in_16_bit(ear: Ear, namespace: str, tmp_path: Path, foxglove: NodeProcess) -> None:
    topic = f"{namespace}/audio/audio"
    with running("audio", namespace, tmp_path, {"format": "S24LE", "channels": 2}):

        async def look(viewer: FoxgloveClient) -> None:
            await viewer.subscribe(topic)
            assert viewer.channels[topic]["schemaName"] == "foxglove.RawAudio"
            await viewer.until(lambda: len(viewer.received[topic]) > 5, "sound")

            heard = fields(viewer.received[topic][-1])
            assert (heard[3], heard[4], heard[5]) == (b"pcm-s16", 48000, 2)
            assert isinstance(heard[2], bytes)
            assert len(heard[2]) == 48000 // 20 * 2 * 2
            assert np.abs(np.frombuffer(heard[2], "<i2").astype(int)).max() > 1000

        view(address(foxglove, ear), look)


def test_a_recording_is_started_and_stopped_by_calls(ear: Ear, namespace: str, foxglove: NodeProcess, recorder: Start) -> None:
    recorder("topic imu/data_raw sensor_msgs/msg/Imu optional")

    async def look(viewer: FoxgloveClient) -> None:
        start = serialize_message(StartRecording.Request(label="from foxglove"))
        answer = await viewer.call(f"{namespace}/start_recording", start)
        assert isinstance(answer, bytes), answer
        started = deserialize_message(answer, StartRecording.Response)
        assert started.success, started.message
        again = await viewer.call(f"{namespace}/start_recording", start)
        assert isinstance(again, bytes), again
        assert not deserialize_message(again, StartRecording.Response).success
        answer = await viewer.call(f"{namespace}/stop_recording", serialize_message(StopRecording.Request()))
        assert isinstance(answer, bytes), answer
        assert deserialize_message(answer, StopRecording.Response).recording_id == started.recording_id
        # What throws data away is not on offer.
        assert not any("cancel" in service for service in viewer.services)
        assert "string participant" in viewer.services[f"{namespace}/start_recording"]["request"]["schema"]

    view(address(foxglove, ear), look)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"address": "0.0.0.0"}, "set allow_network=true"),
        ({"address": "0.0.0.0", "allow_network": True, "certificate": "/nowhere.pem"}, "/nowhere.pem: can't be read"),
        ({"topics": "['re:(']"}, "no regular expression"),
    ],
)
def test_it_says_why_it_does_not_serve(namespace: str, tmp_path: Path, parameters: dict[str, object], said: str) -> None:
    with running("foxglove", namespace, tmp_path, {"port": 0, **parameters}) as node:
        assert node.process.wait(30) == 2
        assert said in node.said
        assert "Traceback" not in node.said


def test_a_port_that_is_taken_is_said(ear: Ear, namespace: str, tmp_path: Path, foxglove: NodeProcess) -> None:
    port = int(address(foxglove, ear).rpartition(":")[2])
    with running("foxglove", namespace, tmp_path, {"port": port}, name="second") as node:
        assert node.process.wait(30) == 2
        assert f"Foxglove can't be served on 127.0.0.1, port {port}: Failed to bind port: Address already in use" in node.said
