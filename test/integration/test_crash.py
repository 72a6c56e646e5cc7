"""The recorder, or the whole rig, is killed at random moments of real recordings; the next recorder repairs the session.

RIG_CRASH_TRIALS sets the number of kills; RIG_CRASH_REPORT names a file that gets a line of JSON for each.
"""

import json
import os
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from mcap.reader import make_reader
from rig_capture_msgs.msg import AudioChunk, RecorderStatus, SessionComplete, VideoPacket
from rig_capture_msgs.srv import StartRecording
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import Imu

from rig_capture.nodes.common.base import state_qos
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import Manifest, read_manifest
from test.integration.nodes import Ear, NodeProcess, running, stamp_ns

TRIALS = int(os.environ.get("RIG_CRASH_TRIALS", "4"))
STREAMS = [
    "video camera/video rig_capture_msgs/msg/VideoPacket required",
    "audio audio/audio rig_capture_msgs/msg/AudioChunk required",
    "topic imu/data_raw sensor_msgs/msg/Imu required",
]
TYPES = {"camera": VideoPacket, "audio": AudioChunk, "imu/data_raw": Imu}
MOST_LOST_S = 1.0


@dataclass
class Rig:
    """Sensors in processes of their own, and a recorder that comes and goes."""

    ear: Ear
    namespace: str
    tmp_path: Path
    sensors: list[NodeProcess]

    def recorder(self) -> Any:
        """A recorder while the block runs."""
        values = {"storage_path": str(self.tmp_path / "sessions"), "streams": json.dumps(STREAMS), "chunk_s": 2.0}
        return running("recorder", self.namespace, self.tmp_path, values)

    def start_recording(self) -> Path:
        """Starts a recording; the session's folder."""
        began = time.time_ns()
        statuses = self.ear.hear(RecorderStatus, f"{self.namespace}/recorder/status", state_qos())
        client = self.ear.node.create_client(StartRecording, f"{self.namespace}/start_recording")
        self.ear.until(lambda: bool(statuses) and stamp_ns(statuses[-1]) > began, "the recorder", 90)
        # DDS takes the killed recorder for alive for a while, so a request may go to it and be lost.
        asked = 0.0

        def recording() -> bool:
            nonlocal asked
            if client.service_is_ready() and time.monotonic() > asked + 3:
                client.call_async(StartRecording.Request())
                asked = time.monotonic()
            return stamp_ns(statuses[-1]) > began and statuses[-1].state == "recording"

        self.ear.until(recording, "the start", 60)
        self.ear.node.destroy_client(client)
        return Path(statuses[-1].path)


@pytest.fixture
def rig(ear: Ear, namespace: str, tmp_path: Path) -> Iterator[Rig]:
    """A synthetic camera, sound and IMU."""
    camera = {"width": 320, "height": 240, "fps": 30.0}
    with (
        running("camera", namespace, tmp_path, camera) as first,
        running("audio", namespace, tmp_path) as second,
        running("imu", namespace, tmp_path) as third,
    ):
        yield Rig(ear, namespace, tmp_path, [first, second, third])


def test_a_killed_recorder_costs_at_most_a_second_and_the_next_one_repairs(rig: Rig) -> None:
    heard = hear_all(rig)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    losses: dict[str, list[float]] = {"camera": [], "audio": [], "imu/data_raw": []}
    for trial in range(TRIALS):
        where = f"trial {trial}, seed {seed}"
        with rig.recorder() as recorder:
            session = rig.start_recording()
            started_ns = time.time_ns()
            recorder_runs_until = time.monotonic() + chance.uniform(0.0, 4.0)
            rig.ear.until(lambda: time.monotonic() >= recorder_runs_until, "the moment of the kill")  # noqa: B023
            recorder.process.kill()
            life = Life(started_ns, time.time_ns(), {name: stamp_ns(messages[-1]) for name, messages in heard.items()})
            recorder.process.wait()
        manifest = repaired(rig, session, where)
        for name, lost_s in check(session, manifest, life, where).items():
            losses[name].append(lost_s)
        report(trial, session, manifest, {name: values[-1] for name, values in losses.items()})
    for name, values in losses.items():
        report(name, None, None, {"max": max(values), "median": statistics.median(values)})


def repaired(rig: Rig, session: Path, where: str) -> Manifest:
    """Starts a recorder, waits until it has told of the repair, and ends it."""
    events = rig.ear.hear(SessionComplete, f"{rig.namespace}/session_complete", state_qos(50))
    with rig.recorder() as recorder:
        rig.ear.until(lambda: session.name in [event.recording_id for event in events], f"the repair; {where}")
        code, _ = recorder.end()
        assert code == 0, recorder.said
        assert "Traceback" not in recorder.said
    (event,) = (event for event in events if event.recording_id == session.name)
    assert (event.state, event.end_reason, event.path) == ("recovered", "crash", str(session)), where
    return read_manifest(session)


@dataclass(frozen=True)
class Life:
    """Of a recorder, in ns."""

    started: int
    """When it was heard to be recording."""
    killed: int
    published: dict[str, int]
    """Per stream the last stamp that another listener had heard when it was killed."""


def hear_all(rig: Rig) -> dict[str, list[Any]]:
    """What the sensors publish, per stream, as a listener beside the recorder hears it."""
    topics = {text.split()[1]: text for text in STREAMS}
    heard = {
        name: next(rig.ear.hear(kind, f"{rig.namespace}/{topic}") for topic in topics if topic.startswith(name))
        for name, kind in TYPES.items()
    }
    rig.ear.until(lambda: all(heard.values()), "all sensors", 60)
    return heard


def check(session: Path, manifest: Manifest, life: Life, where: str) -> dict[str, float]:
    """Everything can be read, little is missing, and the manifest says how much.

    Args:
        session: its folder.
        manifest: after its repair.
        life: of the recorder.
        where: for messages.

    Returns:
        Seconds per stream from the last sample to the kill.
    """
    verdict = verify_session(session)
    assert verdict.whole, (where, verdict.damages)
    read_independently(session, manifest)
    lost: dict[str, float] = {}
    for name, stream in manifest.streams.items():
        # Killed at once, a stream may have nothing yet.
        last_ns = stream.last_stamp_ns or life.started
        lost[name] = (life.killed - last_ns) / 1e9
        # On a machine so busy that samples come late, what had not come to anybody is not lost by the kill.
        assert (life.published[name] - last_ns) / 1e9 <= MOST_LOST_S, (where, name, lost[name])
        if stream.messages:
            told = sum(gap.to_ns - gap.from_ns for gap in stream.gaps if gap.reason == "crash") / 1e9
            assert told == pytest.approx(lost[name], abs=0.6), (where, name)
    return lost


def read_independently(session: Path, manifest: Manifest) -> None:
    """With rosbags, mcap and PyAV."""
    expected = manifest.streams["imu/data_raw"].messages
    with AnyReader([session / "bag"]) as reader:
        assert sum(1 for _ in reader.messages()) == expected
    counted = 0
    for path in (session / "bag").glob("*.mcap"):
        with path.open("rb") as file:
            counted += sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages())
    assert counted == expected
    for name in ("camera", "audio"):
        decoded = 0
        for path in sorted((session / name).glob("*.mkv")):
            with av.open(str(path)) as container:
                assert container.duration is not None
                decoded += sum(1 for _ in container.decode(container.streams[0]))
        assert decoded == manifest.streams[name].messages


def report(what: object, session: Path | None, manifest: Manifest | None, figures: dict[str, float]) -> None:
    """A line for who asked for it."""
    if file := os.environ.get("RIG_CRASH_REPORT"):
        counts = {name: (stream.messages, stream.rate_hz) for name, stream in manifest.streams.items()} if manifest else {}
        line = {"what": what, "session": session.name if session else "", "messages": counts, "lost_s": figures}
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")


def test_a_rig_killed_as_a_whole_leaves_a_session_that_the_next_recorder_repairs(rig: Rig) -> None:
    heard = hear_all(rig)
    with rig.recorder() as recorder:
        session = rig.start_recording()
        started_ns = time.time_ns()
        statuses = rig.ear.hear(RecorderStatus, f"{rig.namespace}/recorder/status", state_qos())
        rig.ear.until(lambda: bool(statuses) and statuses[-1].elapsed_s > 1, "a second of recording")
        for node in (recorder, *rig.sensors):
            node.process.kill()
        life = Life(started_ns, time.time_ns(), {name: stamp_ns(messages[-1]) for name, messages in heard.items()})
    manifest = repaired(rig, session, "all killed")
    check(session, manifest, life, "all killed")


def test_a_recording_can_be_started_while_others_are_being_repaired(rig: Rig) -> None:
    sessions, aside = [], rig.tmp_path / "aside"
    aside.mkdir()
    for _ in range(3):
        with rig.recorder() as recorder:
            sessions.append(rig.start_recording())
            recorder.kill()
        # Out of sight of the next recorder, which would repair it.
        sessions[-1].rename(aside / sessions[-1].name)
    for path in sessions:
        (aside / path.name).rename(path)
    events = rig.ear.hear(SessionComplete, f"{rig.namespace}/session_complete", state_qos(50))
    with rig.recorder() as recorder:
        session = rig.start_recording()
        rig.ear.until(lambda: {path.name for path in sessions} <= {event.recording_id for event in events}, "all repairs")
        code, _ = recorder.end()
        assert code == 0, recorder.said
    for path in (*sessions, session):
        verdict = verify_session(path)
        assert verdict.whole, verdict.damages
        assert SessionLayout(path).complete_mark.exists()
    assert read_manifest(session).state == "complete"
