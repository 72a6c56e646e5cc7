"""The end of sessions in the recorder node: stops that answer at once, merged files, work taken up after a crash."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rig_capture_msgs.msg import RecorderStatus, SessionComplete
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.nodes.common.base import state_qos
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import read_manifest
from test.integration.nodes import Ear, running
from test.recorder.messages import START_NS, audio, header, make, video

CAMERA = StreamSpec("video", "camera/video", "rig_capture_msgs/msg/VideoPacket", required=True)
AUDIO = StreamSpec("audio", "audio/audio", "rig_capture_msgs/msg/AudioChunk", required=True)

LARGE_MB = int(os.environ.get("RIG_CAPTURE_LARGE_MB", "300"))
"""Size of the last chunk; read here, since tests see no variables of ours."""

Call = Callable[..., Any]


def test_a_session_is_merged_and_its_chunks_go(call: Call, ear: Ear, namespace: str, tmp_path: Path) -> None:
    streams = [f"{spec.kind} {spec.topic} {spec.type} required" for spec in (CAMERA, AUDIO)] + [
        "topic imu/data_raw sensor_msgs/msg/Imu required"
    ]
    settings = {"storage_path": str(tmp_path), "streams": json.dumps(streams), "merge": True, "keep_chunks": False, "chunk_s": 1.0}
    statuses = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    with (
        running("camera", namespace, tmp_path, {"width": 320, "height": 240}),
        running("audio", namespace, tmp_path),
        running("imu", namespace, tmp_path),
        running("recorder", namespace, tmp_path, settings),
    ):
        started = call(StartRecording, "start_recording")
        assert started.success, started.message
        ear.until(lambda: bool(statuses) and statuses[-1].elapsed_s > 3, "three seconds of recording")
        assert call(StopRecording, "stop_recording").success
        ear.until(lambda: bool(events), "the completion mark")
        ear.until(lambda: statuses[-1].state == "idle" and not statuses[-1].merging, "the end of the work in the background")
    session = Path(started.path)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    assert verdict.losses == []
    assert {entry.path for entry in read_manifest(session).files if entry.path.endswith(".mkv")} == {"recording.mkv"}
    assert list(session.glob("*/*.mkv")) == []


def test_what_a_killed_recorder_left_to_do_is_done_at_the_next_start(ear: Ear, namespace: str, tmp_path: Path) -> None:
    settings = RecorderParameters.model_validate({"merge": True, "chunk_s": 0.5})
    context = RecordingContext(settings, tmp_path / "sessions", {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    picture, sound = (recording.add_stream(spec, f"/{spec.topic}", []) for spec in (CAMERA, AUDIO))
    for packet in video("h264", 60):
        picture.take(packet, START_NS)
    for index in range(40):
        sound.take(audio(index), START_NS)
    stopped = recording.stop("complete", "stopped")
    # As a kill does: the lock goes, nothing else is done.
    stopped.release()
    layout = SessionLayout(stopped.session)
    assert layout.finishing.exists()
    assert not layout.complete_mark.exists()
    assert "stopped, but not finished" in "".join(verify_session(stopped.session).damages)
    events = ear.hear(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    with running("recorder", namespace, tmp_path, {"storage_path": str(tmp_path / "sessions")}):
        ear.until(lambda: bool(events), "the completion mark")
    assert (events[0].recording_id, events[0].state, events[0].end_reason) == (stopped.session.name, "complete", "stopped")
    verdict = verify_session(stopped.session)
    assert verdict.whole, verdict.damages
    assert layout.merged.exists()
    assert not layout.finishing.exists()
    assert len(list((stopped.session / "camera").glob("*.mkv"))) > 1


def test_a_stop_answers_at_once_also_with_a_large_last_chunk(tmp_path: Path) -> None:
    settings = RecorderParameters.model_validate({"chunk_s": 600, "queue_mb": LARGE_MB + 1, "compression": ""})
    context = RecordingContext(settings, tmp_path, {"ros_distro": "jazzy"}, {}, lambda: START_NS)
    recording = Recording(context, RecordingRequest(), lambda name, failure: None)
    sink = recording.add_stream(StreamSpec("topic", "image", "sensor_msgs/msg/CompressedImage"), "/image", [])
    picture = np.frombuffer(os.urandom(1_000_000), np.uint8)
    message = make("sensor_msgs/msg/CompressedImage", header=header(START_NS), format="jpeg", data=picture)
    written = threading.Event()
    for _ in range(LARGE_MB):
        sink.take(message, START_NS)
    while recording.bytes < LARGE_MB * 10**6:
        written.wait(0.05)
    begin = time.monotonic()
    stopped = recording.stop("complete", "stopped")
    seconds = time.monotonic() - begin
    assert stopped.summary is not None
    assert stopped.summary.bytes >= LARGE_MB * 10**6
    stopped.release()
    print(f"stopped {LARGE_MB} MB in {seconds:.2f} s")  # noqa: T201 - with pytest -s
    assert seconds < 2.0
