"""The camera node over DDS, in a process of its own."""

import itertools
import signal
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from av.video.codeccontext import VideoCodecContext
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rig_capture_msgs.msg import VideoPacket
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from rig_capture.sensing.camera.synthetic import read_frame_number
from test.integration.nodes import Ear, running, stamp_ns
from test.parts import need_programs
from test.sensing.camera.helpers import access_units, make_clip
from test.sensing.camera.rtsp_server import RtspServer
from test.sensing.camera.test_calibration import content

pytestmark = pytest.mark.integration

SMALL = {"width": 320, "height": 240}


def numbers(codec: str, packets: list[bytes]) -> list[int]:
    """The frame numbers in encoded pictures."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    pictures = [picture for packet in packets for picture in context.decode(av.Packet(packet))] + context.decode(None)
    return [read_frame_number(picture.to_ndarray(format="gray").astype(np.uint8)) for picture in pictures]


def values(status: DiagnosticStatus | None) -> dict[str, str]:
    """The values of a diagnostic status."""
    return {} if status is None else {pair.key: pair.value for pair in status.values}


def data(messages: list[Any]) -> list[bytes]:
    return [message.data.tobytes() for message in messages]


def test_who_comes_late_gets_whole_video_from_a_keyframe_and_nothing_is_encoded_before(ear: Ear, namespace: str, tmp_path: Path) -> None:
    diagnosis = ear.diagnosis(namespace, "front")
    with running("camera", namespace, tmp_path, SMALL, name="front") as node:
        ear.until(lambda: int(values(diagnosis()).get("captured", 0)) > 20, "frames captured")
        assert values(diagnosis())["encoded"] == "0"
        assert values(diagnosis())["encoder"] == ""
        video = ear.hear(VideoPacket, f"{namespace}/front/video")
        ear.until(lambda: len(video) >= 60, "sixty packets")
        ear.until(lambda: values(diagnosis())["encoder"] == "libx264", "the encoder's name")
        code, seconds = node.end(signal.SIGTERM)
    assert (code, node.said) == (0, "")
    assert seconds < 2
    packets = list(video)
    assert packets[0].keyframe
    assert packets[0].seq > 20
    assert [packet.seq for packet in packets] == list(range(packets[0].seq, packets[0].seq + len(packets)))
    assert numbers("h264", data(packets)) == [packet.seq for packet in packets]
    assert {later.pts_ns - earlier.pts_ns for earlier, later in itertools.pairwise(packets)} <= {33333333, 33333334}
    assert {stamp_ns(packet) - packet.pts_ns for packet in packets} == {stamp_ns(packets[0]) - packets[0].pts_ns}
    assert {(packet.codec, packet.width, packet.height) for packet in packets} == {("h264", 320, 240)}
    assert packets[0].header.frame_id == "front_optical_frame"
    assert values(diagnosis())["dropped_encoder"] == "0"


def test_each_who_joins_gets_a_keyframe_at_once(ear: Ear, namespace: str, tmp_path: Path) -> None:
    with running("camera", namespace, tmp_path, SMALL | {"keyframe_interval_s": 60.0}) as node:
        first = ear.hear(VideoPacket, f"{namespace}/camera/video")
        ear.until(lambda: len(first) >= 10, "ten packets")
        second = ear.hear(VideoPacket, f"{namespace}/camera/video")
        ear.until(lambda: len(second) >= 10, "ten packets of the second")
        code, _ = node.end(signal.SIGINT)
    assert (code, node.said) == (0, "")
    join = next(index for index, packet in enumerate(second) if packet.keyframe)
    assert join < 10
    # The first may be heard of only after its first frame, and then the second frame is its keyframe.
    begun = 2 if first[1].keyframe else 1
    assert [packet.seq for packet in first[begun:] if packet.keyframe] == [second[join].seq]
    assert numbers("h264", data(second[join:])) == [packet.seq for packet in second[join:]]


def test_previews_raw_pictures_and_camera_info_carry_the_frame_s_stamp(ear: Ear, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "calibration.yaml"
    file.write_text(yaml.safe_dump(content()))
    parameters = SMALL | {"fps": 15.0, "preview_fps": 15.0, "preview_width": 160, "publish_raw": True, "calibration": str(file)}
    with running("camera", namespace, tmp_path, parameters) as node:
        previews = ear.hear(CompressedImage, f"{namespace}/camera/image_raw/compressed")
        raws = ear.hear(Image, f"{namespace}/camera/image_raw")
        infos = ear.hear(CameraInfo, f"{namespace}/camera/camera_info")
        ear.until(lambda: len(previews) >= 10 and len(raws) >= 10 and len(infos) >= 10, "ten of each")
        code, _ = node.end()
    assert (code, node.said) == (0, "")
    assert {preview.format for preview in previews} == {"jpeg"}
    found = numbers("mjpeg", data(previews))
    assert found == list(range(found[0], found[0] + len(found)))
    raw, info = raws[0], infos[0]
    assert (raw.encoding, raw.width, raw.height, raw.step, len(raw.data)) == ("rgb8", 320, 240, 960, 320 * 240 * 3)
    assert {stamp_ns(info) for info in infos} & {stamp_ns(raw) for raw in raws}
    assert (info.width, info.height, info.distortion_model) == (320, 240, "plumb_bob")
    assert list(info.k) == [300, 0, 160, 0, 305, 120, 0, 0, 1]
    assert info.header.frame_id == "camera_optical_frame"


def test_camera_info_comes_once_with_each_video_packet(ear: Ear, namespace: str, tmp_path: Path) -> None:
    with running("camera", namespace, tmp_path, SMALL):
        infos = ear.hear(CameraInfo, f"{namespace}/camera/camera_info")
        video = ear.hear(VideoPacket, f"{namespace}/camera/video")
        ear.until(lambda: len(video) >= 20 and len(infos) >= 20, "twenty of each")
        stamps = {stamp_ns(packet) for packet in video[:20]}
        ear.until(lambda: len(stamps & {stamp_ns(info) for info in infos}) >= 19, "an info with each packet")
    assert len({stamp_ns(info) for info in infos}) == len(infos)
    assert list(infos[0].k) == [0] * 9


def test_camera_info_also_comes_where_nobody_looks_at_pictures(ear: Ear, namespace: str, tmp_path: Path) -> None:
    with running("camera", namespace, tmp_path, {"width": 320, "height": 0, "fps": 30.0}):
        infos = ear.hear(CameraInfo, f"{namespace}/camera/camera_info")
        ear.until(lambda: len(infos) >= 10, "ten of them")
    assert {(info.width, info.height % 2) for info in infos} == {(320, 0)}
    assert len({stamp_ns(info) for info in infos}) == len(infos)


def test_previews_can_be_changed_while_running_and_other_settings_not(ear: Ear, namespace: str, tmp_path: Path) -> None:
    with running("camera", namespace, tmp_path, SMALL | {"preview_fps": 10.0, "preview_width": 64}):
        previews = ear.hear(CompressedImage, f"{namespace}/camera/image_raw/compressed")
        ear.until(lambda: len(previews) >= 2, "previews")
        client = ear.node.create_client(SetParameters, f"{namespace}/camera/set_parameters")
        ear.until(client.service_is_ready, "the parameter service")
        wanted = [Parameter("preview_width", value=320), Parameter("quality", value=40), Parameter("width", value=640)]
        future = client.call_async(SetParameters.Request(parameters=[parameter.to_parameter_msg() for parameter in wanted]))
        ear.until(future.done, "an answer")
        assert [result.successful for result in future.result().results] == [True, True, False]
        small = len(previews[0].data)
        ear.until(lambda: len(previews[-1].data) > 2 * small, "larger previews")


def test_a_missing_file_is_reported_and_played_once_it_is_there(ear: Ear, namespace: str, tmp_path: Path) -> None:
    need_programs("ffmpeg", "ffmpeg")
    clip = tmp_path / "clip.mp4"
    parameters = SMALL | {"driver": "file", "source": str(clip), "retry_min_s": 0.1, "retry_max_s": 0.2}
    diagnosis = ear.diagnosis(namespace, "camera")
    video = ear.hear(VideoPacket, f"{namespace}/camera/video")
    with running("camera", namespace, tmp_path, parameters) as node:
        ear.until(lambda: (status := diagnosis()) is not None and status.level == DiagnosticStatus.ERROR, "an error")
        status = diagnosis()
        assert status is not None
        assert status.message == f"{clip}: no such file; set source to a video file"
        made = make_clip(tmp_path / "made.mp4", 30, "-c:v", "libx264")
        made.rename(clip)
        ear.until(lambda: len(video) >= 40, "forty packets")
        ear.until(lambda: (status := diagnosis()) is not None and status.level == DiagnosticStatus.OK, "an end of the error")
        code, _ = node.end()
    assert code == 0
    assert node.said.count("trying again") == 1
    assert numbers("h264", data(video)) == [packet.seq % 30 for packet in video]


def test_a_file_played_once_ends_without_noise(ear: Ear, namespace: str, tmp_path: Path) -> None:
    need_programs("ffmpeg", "ffmpeg")
    clip = make_clip(tmp_path / "clip.mp4", 10, "-c:v", "libx264")
    diagnosis = ear.diagnosis(namespace, "camera")
    with running("camera", namespace, tmp_path, SMALL | {"driver": "file", "source": str(clip), "loop": False}) as node:
        ear.until(lambda: values(diagnosis()).get("state") == "ended", "the end")
        status = diagnosis()
        assert status is not None
        assert (status.level, status.message) == (DiagnosticStatus.WARN, f"{clip}: ended")
        assert values(status)["captured"] == "10"
        code, _ = node.end()
    assert code == 0
    assert len(node.said.splitlines()) == 1


def test_the_node_ends_quickly_and_quietly_while_a_camera_does_not_answer(ear: Ear, namespace: str, tmp_path: Path) -> None:
    diagnosis = ear.diagnosis(namespace, "camera")
    with RtspServer(access_units(1)) as server:
        server.silent.set()
        parameters = {"driver": "rtsp", "source": server.url, "timeout_s": 60.0}
        with running("camera", namespace, tmp_path, parameters) as node:
            ear.until(lambda: server.connected.is_set() and values(diagnosis()).get("state") == "opening", "the attempt")
            code, seconds = node.end(signal.SIGTERM)
    assert (code, node.said) == (0, "")
    assert seconds < 2


def test_a_malformed_calibration_ends_the_node_with_a_clear_error(namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "calibration.yaml"
    file.write_text("image_width: 640\n")
    with running("camera", namespace, tmp_path, {"calibration": str(file)}) as node:
        assert node.process.wait(20) == 2
    assert node.said.startswith(f"error: parameter calibration: {file}: no camera calibration: image_height: Field required")
    assert "Traceback" not in node.said
