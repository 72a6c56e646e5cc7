"""Rigs of three hosts, each a network namespace on one switch, started by `rig up` on each.

RIG_NETWORK_TESTS=1 runs all; without it the essential one runs.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from rig_capture.delivery.ingest import DataInterface
from rig_capture.profiles.dds import dds_variables
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.layout import sessions_in
from rig_capture.session.manifest import Manifest, StreamEntry, read_manifest
from test.network import Network
from test.parts import need_programs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
more = pytest.mark.skipif("RIG_NETWORK_TESTS" not in os.environ, reason="takes long; set RIG_NETWORK_TESTS=1")

HOSTS = ("left", "middle", "right")
CUT_S = 5.0
MESSAGES = 100
RIG = """
rig: stage
namespace: stage
domain_id: {domain}
{discovery}
record: {record}
cameras: {{{cameras}}}
microphones: {{audio_main: {{driver: synthetic, sample_rate: 48000, channels: 2}}}}
imus: {{imu: {{driver: synthetic, rate_hz: 200}}}}
batteries: {{}}
uploader: null
console: null
network: null
status: null
clock: {{interval_s: 1}}
recorder: {{host_lost_s: 3, depth: 2000, topics: [{topics}]}}
share_process: [imu, clock]
hosts:
  left: {{nodes: [camera_left_1, camera_left_2], address: "{left}"}}
  middle: {{nodes: [camera_middle_1, camera_middle_2, audio_main], address: "{middle}"}}
  right: {{nodes: [camera_right_1, camera_right_2, imu], address: "{right}"}}
"""
CAMERA = "camera_{name}: {{driver: file, source: {film}, codec: copy, preview_fps: 0}}"
EXTRA = ("camera_middle_1/video", "camera_right_1/video", "audio_main/audio", "imu/data_raw")
"""Where each host records its own, the lead records these of the others besides, over the network."""
MULTICAST, ADDRESSES, SERVER = "discovery: SUBNET", "discovery: LOCALHOST", "discovery_server: 10.77.0.1:11811"


OPERATOR = """
import json, sys
from rig_capture.nodes.clients.rig import RigClient
with RigClient("stage") as client:
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "status":
            answer = {stream.topic: [stream.messages, stream.lost] for stream in client.recorder_status().streams}
        else:
            answer = [(client.start_recording(label="walk", participant="p1") if word == "start" else client.stop_recording()).message]
        print(json.dumps(answer), flush=True)
"""


class Operator:
    """A client of the rig in a process of its own, inside a host."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def ask(self, word: str) -> Any:
        """Starts or stops, or tells messages and losses of all streams by topic."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the operator's process ended at {word!r}"
        return json.loads(line)

    def wait_for_messages(self, topic: str) -> dict[str, list[int]]:
        """Waits until more messages of a stream are recorded; all streams' messages and losses then."""
        deadline = time.monotonic() + 60
        first = self.ask("status").get(topic, [0])[0]
        while True:
            streams: dict[str, list[int]] = self.ask("status")
            if streams.get(topic, [0])[0] > first + MESSAGES:
                return streams
            assert time.monotonic() < deadline, f"{topic}: nothing more was recorded"


class Stage:
    """The rig, and an operator at each of its hosts."""

    def __init__(self, network: Network, folder: Path, runtime: Path, record: str, topics: tuple[str, ...], discovery: str) -> None:
        self.network, self._folder, self._runtime = network, folder, runtime
        film = folder / "film.mkv"
        source = ["-f", "lavfi", "-i", "testsrc2=size=640x480:rate=30", "-t", "20"]
        encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-bf", "0"]
        subprocess.run(["ffmpeg", "-loglevel", "error", *source, *encoder, str(film)], check=True)
        cameras = ", ".join(CAMERA.format(name=f"{host}_{number}", film=film) for host in HOSTS for number in (1, 2))
        self.profile = folder / "stage.yaml"
        places = {host: network.address(host) if discovery == ADDRESSES else "" for host in HOSTS}
        domain = os.environ["ROS_DOMAIN_ID"]
        text = RIG.format(record=record, cameras=cameras, topics=", ".join(topics), domain=domain, discovery=discovery, **places)
        self.profile.write_text(text)

    def start(self, host: str, *arguments: str) -> subprocess.Popen[str]:
        """A command at a host."""
        environment = os.environ | {
            "RIG_CAPTURE_RUNTIME_DIR": str(self._runtime / host),
            "RIG_CAPTURE_DATA_DIR": str(self._folder / host),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])),
        }
        command = self.network.hosts[host].inside(sys.executable, "-m", "rig_capture.cli", *arguments)
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def at_all(self, *arguments: str) -> None:
        """The same command at all hosts at once."""
        commands = [self.start(host, *arguments) for host in HOSTS]
        said = [command.communicate(timeout=90)[0] for command in commands]
        assert [command.returncode for command in commands] == [0, 0, 0], said

    def cut(self, host: str) -> None:
        """Pulls a host's cable for a while."""
        self.network.cable(host, plugged=False)
        time.sleep(CUT_S)
        self.network.cable(host, plugged=True)

    def operator(self) -> "Operator":
        """Somebody at the host that leads."""
        command = self.network.hosts["left"].inside(sys.executable, "-c", OPERATOR)
        process = subprocess.Popen(
            command,
            env=os.environ | dds_variables(load_profile(str(self.profile)).profile),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return Operator(process)

    def session(self, host: str) -> Path:
        """The one session of a host, once it is complete."""
        (session,) = sessions_in(self._folder / host / "sessions")
        deadline = time.monotonic() + 60
        while not (session / ".rig_complete").exists():
            assert time.monotonic() < deadline, f"{session}: not complete"
            time.sleep(0.05)
        return session


@contextlib.contextmanager
def discovery_server(network: Network) -> Iterator[None]:
    """Fast DDS's, at the first host."""
    need_programs("ros-$ROS_DISTRO-fastrtps", "fast-discovery-server")
    command = ["fast-discovery-server", "-i", "0", "-l", network.address("left"), "-p", "11811"]
    server = subprocess.Popen(network.hosts["left"].inside(*command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.communicate()


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    need_programs("ffmpeg", "ffmpeg")
    record, topics, discovery = request.param
    with (
        Network(HOSTS, multicast=discovery == MULTICAST) as network,
        tempfile.TemporaryDirectory(prefix="rig-") as runtime,
        discovery_server(network) if discovery == SERVER else contextlib.nullcontext(),
    ):
        stage = Stage(network, tmp_path, Path(runtime), record, topics, discovery)
        try:
            stage.at_all("up", "--profile", str(stage.profile), "--background")
            yield stage
        finally:
            for command in [stage.start(host, "down") for host in HOSTS]:
                command.communicate(timeout=60)


@pytest.mark.parametrize("stage", [("each", EXTRA, MULTICAST)], indirect=True, ids=["each"])
def test_every_host_records_under_one_id_and_a_cut_cable_costs_nothing_but_what_crossed_it(stage: Stage, tmp_path: Path) -> None:
    with stage.operator() as operator:
        operator.ask("start")
        before = operator.wait_for_messages("imu/data_raw")
        assert {topic: lost for topic, (_, lost) in before.items() if lost and "clock" not in topic} == {}
        assert len([topic for topic in before if topic.endswith("/video")]) == 6 + 2
        stage.cut("right")
        operator.wait_for_messages("imu/data_raw")
        operator.wait_for_messages("right/imu/data_raw")  # which the status of its own recorder tells
        assert operator.ask("stop")[0] in ("complete", "complete, being finished in the background")

    sessions = {host: stage.session(host) for host in HOSTS}
    manifests = {host: read_manifest(session) for host, session in sessions.items()}
    assert {(m.recording_id, m.recording_hash, m.state, m.label) for m in manifests.values()} == {
        (manifests["left"].recording_id, manifests["left"].recording_hash, "complete", "walk")
    }
    assert {"imu/data_raw"} <= lossy(manifests["left"]) <= {"imu/data_raw", "camera_right_1/video"}
    assert (lossy(manifests["middle"]), lossy(manifests["right"])) == (set(), set())
    for session in sessions.values():
        assert verify_session(session, decode=False).whole
    assert_cut_is_on_record(manifests["left"].streams["imu/data_raw"])
    told = [json.loads(line) for line in (sessions["left"] / "health.jsonl").read_text().splitlines()]
    lost = [event for event in told if event["code"] == "host_lost" and event["node"] == "/stage/recorder"]
    assert {(event["recovered"], event["subject"]) for event in lost} == {(False, "right"), (True, "right")}
    assert_clock_is_measured(manifests["right"])

    settings = DeliverySettings(store=str(tmp_path / "store"), catalog=str(tmp_path / "catalog.db"))
    with DataInterface.open(settings) as data:
        for session in sessions.values():
            data.ingest(manifest_path=session / "manifest.json", source_dir=session, participant="p1")
        (recording,) = data.catalog.recordings()
    assert (recording.recording_id, recording.participants) == (manifests["left"].recording_id, ("p1",))
    assert {node.hostname for node in recording.nodes} == set(HOSTS)


@more
@pytest.mark.parametrize("stage", [("central", (), MULTICAST)], indirect=True, ids=["central"])
def test_one_recorder_records_the_sensors_of_all_hosts(stage: Stage) -> None:
    with stage.operator() as operator:
        operator.ask("start")
        before = operator.wait_for_messages("imu/data_raw")
        assert {topic: lost for topic, (_, lost) in before.items() if lost and "clock" not in topic} == {}
        assert len([topic for topic in before if topic.endswith("/video")]) == 6
        stage.cut("right")
        operator.wait_for_messages("imu/data_raw")
        assert operator.ask("stop")[0] in ("complete", "complete, being finished in the background")

    manifest = read_manifest(stage.session("left"))
    assert "imu/data_raw" in lossy(manifest)
    assert [name for name in lossy(manifest) if not name.startswith(("camera_right", "imu"))] == []
    assert_cut_is_on_record(manifest.streams["imu/data_raw"])
    assert manifest.streams["right/clock_status"].messages


@more
@pytest.mark.parametrize("stage", [("each", (), ADDRESSES), ("each", (), SERVER)], indirect=True, ids=["addresses", "server"])
def test_hosts_find_each_other_without_multicast(stage: Stage) -> None:
    with stage.operator() as operator:
        operator.ask("start")
        operator.wait_for_messages("imu/data_raw")
        assert operator.ask("stop")[0] in ("complete", "complete, being finished in the background")
    assert [lossy(read_manifest(stage.session(host))) for host in HOSTS] == [set(), set(), set()]


def lossy(manifest: Manifest) -> set[str]:
    """Streams that lost something; a clock's status is a state, of which the last counts."""
    return {name for name, entry in manifest.streams.items() if entry.loss.total and "clock" not in name}


def assert_cut_is_on_record(entry: StreamEntry) -> None:
    """A stream of 200 Hz that was cut off: its node kept the newest samples, which came later; the others count as lost."""
    assert entry.loss.total > 0
    assert entry.first_stamp_ns is not None
    assert entry.last_stamp_ns is not None
    published = (entry.last_stamp_ns - entry.first_stamp_ns) / 1e9 * 200 + 1
    assert entry.messages + entry.loss.total == pytest.approx(published, abs=20)


def assert_clock_is_measured(manifest: Manifest) -> None:
    """Within what the round trip leaves open; here all hosts have one clock."""
    entry = manifest.clock["right"]
    assert entry.reference == "/stage/clock"
    assert entry.end is not None
    assert abs(entry.end.offset_ns) <= entry.end.round_trip_ns / 2
