"""A device that is lost while it is recorded, and comes back: one session, the gap on record, one problem and one recovery."""

import contextlib
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rig_capture_msgs.msg import AudioChunk, HealthEvent, VideoPacket
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.nodes.common.base import state_qos
from rig_capture.recorder.repair.reconstruct import Origin, reconstruct_session
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import Gap, read_manifest
from test.integration.nodes import Ear, running, stamp_ns
from test.integration.recorders import AUDIO, VIDEO, Call, Start
from test.parts import PulseNullSink, need_programs
from test.sensing.camera.helpers import access_units, make_clip
from test.sensing.camera.rtsp_server import RtspServer

pytestmark = pytest.mark.integration

LEVEL = "topic audio/level rig_capture_msgs/msg/AudioLevel optional"
RETRY = {"retry_min_s": 0.1, "retry_max_s": 0.2}


def told(events: list[HealthEvent]) -> list[tuple[str, bool]]:
    """Of the device: code, and whether it is the recovery."""
    return [(event.code, event.recovered) for event in events if event.family == "device"]


def test_pulseaudio_killed_and_back_is_one_session_with_two_segments(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path, pulse_null_sink: PulseNullSink
) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/audio/audio")
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    recorder(AUDIO, LEVEL)
    parameters = {"driver": "pulse", "device": pulse_null_sink.source, **RETRY}
    with running("audio", namespace, tmp_path, parameters, environment=pulse_null_sink.environment):
        ear.until(lambda: len(chunks) > 0, "sound")
        pulse_null_sink.play_tone(440.0, 10)
        started = call(StartRecording, "start_recording")
        assert started.success, started.message
        count = len(chunks)
        ear.until(lambda: len(chunks) > count + 20, "a second of sound")
        pulse_null_sink.kill()
        ear.until(lambda: told(events) == [("device_lost", False)], "the problem")
        pulse_null_sink.start()
        ear.until(lambda: told(events) == [("device_lost", False), ("device_lost", True)], "the recovery")
        ear.until(lambda: len([chunk for chunk in chunks if chunk.segment == 1]) > 10, "sound of the second segment")
        stopped = call(StopRecording, "stop_recording")
    assert told(events) == [("device_lost", False), ("device_lost", True)]
    session = Path(stopped.path)
    verdict = verify_session(session)
    assert verdict.whole, verdict.damages
    stream = read_manifest(session).streams["audio"]
    last = max((chunk for chunk in chunks if chunk.segment == 0), key=stamp_ns)
    first = min((chunk for chunk in chunks if chunk.segment == 1), key=stamp_ns)
    assert stream.gaps == (Gap(from_ns=stamp_ns(last), to_ns=stamp_ns(first), reason="source lost"),)
    assert stream.loss.total == 0
    assert len(list((session / "audio").glob("*.mkv"))) == 2
    assert [(level.measured_s > 1, level.clipped_blocks) for level in stream.levels] == [(True, 0)] * 2
    assert all(level.peak_dbfs is not None and -20 < level.peak_dbfs < 0 for level in stream.levels)

    copy = tmp_path / session.name
    shutil.copytree(session, copy)
    for name in ("manifest.json", ".rig_complete"):
        (copy / name).unlink()
    again = reconstruct_session(copy, Origin(rig="rig", node="here")).streams["audio"]
    assert again.levels == stream.levels
    assert again.gaps[0] == stream.gaps[0]


def record_a_camera_that_goes_and_comes(
    recorder: Start, call: Call, ear: Ear, namespace: str, go: Callable[[], object], come: Callable[[], object]
) -> None:
    """Records a camera that is up; it goes for more than a second, and comes back."""
    packets = ear.hear(VideoPacket, f"{namespace}/camera/video")
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    recorder(VIDEO + " 1.5", health_check_s=0.2)
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    ear.until(lambda: len(packets) > 20, "pictures")
    go()
    ear.until(lambda: told(events) == [("device_lost", False)], "the problem")
    ear.until(lambda: any(event.code == "stream_silent" for event in events), "more than a second and a half of silence")
    come()
    ear.until(lambda: told(events) == [("device_lost", False), ("device_lost", True)], "the recovery")
    count = len(packets)
    ear.until(lambda: len(packets) > count + 20, "pictures again")
    stopped = call(StopRecording, "stop_recording")
    assert told(events) == [("device_lost", False), ("device_lost", True)]
    verdict = verify_session(Path(stopped.path))
    assert verdict.whole, verdict.damages
    stream = read_manifest(Path(stopped.path)).streams["camera"]
    (gap,) = stream.gaps
    stamps = [stamp_ns(packet) for packet in packets]
    longest = max(itertools.pairwise(stamps), key=lambda pair: pair[1] - pair[0])
    assert (gap.from_ns, gap.to_ns, gap.reason) == (*longest, "no data")


def test_an_rtsp_camera_that_loses_power_goes_on_in_the_same_session(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    units = access_units(60)
    with contextlib.ExitStack() as power:
        first = power.enter_context(RtspServer(units))
        parameters = {"driver": "rtsp", "source": first.url, "codec": "copy", "timeout_s": 1.0, **RETRY}
        with running("camera", namespace, tmp_path, parameters), contextlib.ExitStack() as again:
            record_a_camera_that_goes_and_comes(
                recorder, call, ear, namespace, power.close, lambda: again.enter_context(RtspServer(units, port=first.port))
            )


def test_a_camera_file_that_goes_away_and_comes_back_goes_on_in_the_same_session(
    recorder: Start, call: Call, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    need_programs("ffmpeg", "ffmpeg")
    clip = make_clip(tmp_path / "clip.mp4", 15, "-c:v", "libx264")
    away = tmp_path / "away.mp4"
    parameters = {"driver": "file", "source": str(clip), "width": 320, "height": 240, **RETRY}
    with running("camera", namespace, tmp_path, parameters):
        record_a_camera_that_goes_and_comes(recorder, call, ear, namespace, lambda: clip.rename(away), lambda: away.rename(clip))
