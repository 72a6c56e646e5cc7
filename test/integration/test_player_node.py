"""The player: a session of real nodes heard again, and how it is steered."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rig_capture_msgs.msg import AudioChunk, VideoPacket
from rig_capture_msgs.srv import StartRecording, StopRecording
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, Imu
from std_msgs.msg import String
from std_srvs.srv import SetBool

from rig_capture.cli import main
from rig_capture.nodes.clients.settings import Outcome, SettingsClient
from rig_capture.nodes.common.base import state_qos
from rig_capture.recorder.images.reading import COMPRESSED_IMAGE, IMAGE
from rig_capture.recorder.streams import StreamSpec
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import read_manifest
from test.integration.nodes import Ear, fresh_namespace, running, stamp_ns
from test.integration.recorders import AUDIO, IMU, VIDEO, Call, Start
from test.playback.sessions import CAMERA, STATE, TOPIC, record_session
from test.recorder.messages import DEFINITIONS, START_NS, imu, make, video
from test.recorder.pictures import compressed, image, jpeg, psnr, scene, stamp

pytestmark = pytest.mark.integration


def stamps_on_record(session: Path, name: str) -> list[int]:
    return [int(row.split(",")[1]) for row in SessionLayout(session).frames(name).read_text().splitlines()[1:]]


def begin(ear: Ear, namespace: str, *topics: str) -> None:
    """Lets a paused player go on once its topics are found."""
    client = ear.node.create_client(SetBool, f"{namespace}/player/pause")
    ear.until(client.service_is_ready, "the player")
    ear.until(lambda: all(ear.node.count_publishers(f"{namespace}/{topic}") for topic in topics), "its topics")
    answer = client.call_async(SetBool.Request(data=False))
    ear.until(answer.done, "its answer")


@pytest.mark.usefixtures("sensors")
def test_a_recorded_session_is_heard_again_with_pictures_and_at_its_pace(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    lived: dict[int, Imu] = {}
    ear.node.create_subscription(Imu, f"{namespace}/imu/data_raw", lambda message: lived.update({stamp_ns(message): message}), 2000)
    pictures = ear.hear(VideoPacket, f"{namespace}/camera/video")
    recorder(VIDEO, AUDIO, IMU)
    ear.until(lambda: bool(lived), "motion: the recorder, which listens from now on, must not hear what is not heard here")
    started = call(StartRecording, "start_recording")
    begun = len(pictures)
    ear.until(lambda: len(pictures) > begun + 60, "two seconds of pictures")
    assert call(StopRecording, "stop_recording").success
    session = Path(started.path)
    ear.until(SessionLayout(session).complete_mark.exists, "the session")
    ear.until(lambda: read_manifest(session).streams["imu/data_raw"].last_stamp_ns in lived, "all motion as it was lived")

    again = fresh_namespace()
    times: list[tuple[float, int]] = []

    def hear(message: Imu) -> None:
        times.append((time.monotonic(), stamp_ns(message)))
        motion.append(message)

    motion: list[Imu] = []
    ear.node.create_subscription(Imu, f"{again}/imu/data_raw", hear, 2000)
    packets = ear.hear(VideoPacket, f"{again}/camera/video")
    chunks = ear.hear(AudioChunk, f"{again}/audio/audio")
    raw = ear.hear(Image, f"{again}/camera/image_raw")
    previews = ear.hear(CompressedImage, f"{again}/camera/image_raw/compressed")
    clock = ear.hear(Clock, "/clock", QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT))
    with running("player", again, tmp_path, {"session": str(session), "paused": True}) as player:
        begin(ear, again, "imu/data_raw", "camera/video", "audio/audio", "camera/image_raw", "camera/image_raw/compressed")
        ear.until(lambda: player.process.poll() is not None, "the end of the session")
        assert player.process.returncode == 0, player.said
        assert "Traceback" not in player.said
    recorded = stamps_on_record(session, "camera")
    sounded = stamps_on_record(session, "audio")
    ear.until(lambda: len(packets) >= len(recorded) <= len(raw) + 1 and len(chunks) >= len(sounded), "everything")
    assert [stamp_ns(packet) for packet in packets] == recorded
    assert [stamp_ns(chunk) for chunk in chunks] == sounded
    assert chunks[0].header.frame_id == "audio"
    assert packets[0].header.frame_id == "camera_optical_frame"
    assert packets[0].keyframe
    assert all(message == lived[stamp_ns(message)] for message in motion)
    assert len(motion) > 350
    assert {stamp_ns(image) for image in raw} <= set(recorded)
    assert len(raw) >= len(recorded) - 1
    assert (raw[0].width, raw[0].height, raw[0].encoding, len(raw[0].data)) == (320, 240, "rgb8", 320 * 240 * 3)
    assert bytes(previews[0].data).startswith(b"\xff\xd8")
    assert 5 <= len(previews) < len(raw)
    # Twice as fast or half as fast it would be 0.5 or 1 s; a machine that stands still for a moment delays only some messages.
    late = np.array([heard_s - stamp_ns / 1e9 for heard_s, stamp_ns in times])
    assert np.median(late - late.min()) < 0.3
    assert any(recorded[0] <= message.clock.sec * 10**9 + message.clock.nanosec <= recorded[-1] for message in clock)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Three seconds of pictures, motion and a state."""
    DEFINITIONS.need("std_msgs/msg/String")
    states = [make("std_msgs/msg/String", data=str(number)) for number in range(30)]
    motion = [imu(START_NS + index * 5_000_000) for index in range(600)]
    return record_session(tmp_path / "sessions", {CAMERA: list(video("h264", 90)), TOPIC: motion, STATE: states})


def test_it_is_paused_moved_and_repeated(ear: Ear, call: Call, namespace: str, session: Path, tmp_path: Path) -> None:
    motion = ear.hear(Imu, f"{namespace}/imu/data_raw")
    states = ear.hear(String, f"{namespace}/state", state_qos())

    def at() -> float:
        return (stamp_ns(motion[-1]) - START_NS) / 1e9

    settings = {"session": str(session), "paused": True, "loop": True, "delay_s": 0.0, "start_s": 1.05}
    with running("player", namespace, tmp_path, settings) as player, SettingsClient(namespace) as client:
        name = f"{namespace}/player"

        def change(**values: bool | float) -> None:
            assert {report.outcome for report in client.apply(name, values)} == {Outcome.APPLIED}

        ear.until(lambda: all(ear.node.count_publishers(f"{namespace}/{topic}") for topic in ("imu/data_raw", "state")), "its topics")
        # Asked twice, so that its publishers know of who listens when it begins.
        assert call(SetBool, "player/pause", data=True).message.startswith("paused")
        assert call(SetBool, "player/pause", data=False).message.startswith("playing at 1.")
        ear.until(lambda: len(motion) > 20, "motion")
        assert min(stamp_ns(message) for message in motion) >= START_NS + 1_050_000_000
        assert [message.data for message in states][:1] == ["10"], "the state of things at the start"
        assert call(SetBool, "player/pause", data=True).message.startswith("paused")
        change(seek_s=2.5)
        change(paused=False, rate=4.0)
        ear.until(lambda: at() >= 2.5, "motion from elsewhere")
        after = next(index for index, message in enumerate(motion) if stamp_ns(message) >= START_NS + 2_490_000_000)
        assert stamp_ns(motion[after]) - START_NS == 2_500_000_000
        assert stamp_ns(motion[after - 1]) - START_NS < 2_400_000_000
        ear.until(lambda: at() < 1, "the beginning again")
        code, seconds = player.end()
    assert code == 0, player.said
    assert seconds < 5
    assert "Traceback" not in player.said


def test_image_topics_that_were_kept_as_video_come_back(ear: Ear, namespace: str, tmp_path: Path) -> None:
    """Depth without loss, colours nearly so, JPEG as it was."""
    specs = [
        StreamSpec("video", f"{namespace}/{name}", kind) for name, kind in (("deep", IMAGE), ("seen", IMAGE), ("small", COMPRESSED_IMAGE))
    ]
    depths = [np.random.default_rng(index).integers(0, 65536, (48, 64), dtype=np.uint16) for index in range(20)]
    colours = [scene(index, 256, 192) for index in range(20)]
    pictures = [jpeg(scene(index)) for index in range(20)]
    messages = [
        [image(index, picture, "16UC1", padding=6) for index, picture in enumerate(depths)],
        [image(index, picture, "bgr8") for index, picture in enumerate(colours)],
        [compressed(index, picture) for index, picture in enumerate(pictures)],
    ]
    path = record_session(
        tmp_path / "sessions", dict(zip(specs, messages, strict=True)), images="video", image_encoder="pyav", image_quality=5
    )
    deep, seen = ear.hear(Image, f"{namespace}/deep"), ear.hear(Image, f"{namespace}/seen")
    small = ear.hear(CompressedImage, f"{namespace}/small")
    with running("player", namespace, tmp_path, {"session": str(path), "paused": True}) as player:
        begin(ear, namespace, "deep", "seen", "small")
        ear.until(lambda: player.process.poll() is not None, "the end of the session")
    ear.until(lambda: min(map(len, (deep, seen, small))) == 20, "everything")
    assert [stamp_ns(message) for message in small] == [stamp(index) for index in range(20)]
    assert [bytes(message.data) for message in small] == pictures
    assert [(stamp_ns(message), message.encoding) for message in deep] == [(stamp(index), "16UC1") for index in range(20)]
    assert [bytes(message.data) for message in deep] == [picture.tobytes() for picture in depths]
    assert {message.encoding for message in seen} == {"bgr8"}
    shown = [np.frombuffer(bytes(message.data), np.uint8).reshape(192, 256, 3) for message in seen]
    assert min(psnr(one, other) for one, other in zip(colours, shown, strict=True)) > 28


@pytest.mark.parametrize("typed", [b" \x1b[A\x1b[D\x1b[C+", b"q"])
def test_keys_in_the_terminal_steer_it(session: Path, typed: bytes) -> None:
    """Space goes on and up leads to the end; or q ends it at once."""
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "rig_capture.cli", "play", str(session), "--pause", "--delay", "0", "--no-clock", "--topic", "imu/*"]
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner) as player:
        try:
            said = b""
            while b"space: pause" not in said:
                said += os.read(outer, 4096)
            os.write(outer, typed)
            assert player.wait(20) == 0
        finally:
            player.kill()
    os.close(outer)
    os.close(inner)


def test_what_is_no_session_is_told(tmp_path: Path, session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", str(tmp_path)]) == 1
    assert "manifest.json" in capsys.readouterr().err
    assert main(["play", str(session), "--topic", "nothing"]) == 1
    assert "nothing that is meant" in capsys.readouterr().err
