"""Recorders of several hosts that record under one id, started and stopped by one call to the one that leads."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rig_capture_msgs.msg import HealthEvent, RecorderStatus
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording, TriggerRecording
from sensor_msgs.msg import Imu

from rig_capture.nodes.common.qos import state_qos
from rig_capture.session.layout import sessions_in
from rig_capture.session.manifest import Manifest, read_manifest
from test.integration.nodes import Ear, NodeProcess, running
from test.integration.recorders import Call

pytestmark = pytest.mark.integration

IMU = "topic {} sensor_msgs/msg/Imu required"


class Hosts:
    """A leader in the rig's namespace, and followers in namespaces of their own, all on this machine."""

    def __init__(self, ear: Ear, namespace: str, tmp_path: Path, stack: ExitStack) -> None:
        self.ear, self.namespace, self._tmp_path, self._stack = ear, namespace, tmp_path, stack

    def recorder(self, host: str, **parameters: Any) -> NodeProcess:
        """Starts the recorder of a host; `lead` is the one that leads."""
        is_lead = host == "lead"
        followers = [f"{name} {self.namespace}/{name}/recorder required" for name in ("left", "right")]
        own: dict[str, Any] = {"followers": json.dumps(followers)} if is_lead else {"leader": f"{self.namespace}/recorder"}
        values = {
            "storage_path": str(self.root(host)),
            "streams": json.dumps([IMU.format(f"{self.namespace}/imu/data_raw")]),
            "answer_timeout_s": 10.0,
            "host_lost_s": 2.5,
        }
        context = running("recorder", self.namespace if is_lead else f"{self.namespace}/{host}", self._tmp_path, values | own | parameters)
        return self._stack.enter_context(context)

    def root(self, host: str) -> Path:
        return self._tmp_path / host

    def sessions(self) -> dict[str, list[Manifest]]:
        """Of each host, once all are complete."""
        paths = [path for host in ("lead", "left", "right") for path in sessions_in(self.root(host))]
        self.ear.until(lambda: all((path / ".rig_complete").exists() for path in paths), "complete sessions")
        return {host: [read_manifest(path) for path in sessions_in(self.root(host))] for host in ("lead", "left", "right")}

    def recording(self, recording_id: str) -> list[Manifest]:
        """Of the hosts, the lead first, once all have finished that one."""
        paths = [self.root(host) / recording_id for host in ("lead", "left", "right")]
        self.ear.until(lambda: all((path / ".rig_complete").exists() for path in paths), f"{recording_id} on all hosts")
        return [read_manifest(path) for path in paths]

    def status(self, host: str) -> Callable[[], RecorderStatus]:
        """Gives what a host's recorder said last."""
        namespace = self.namespace if host == "lead" else f"{self.namespace}/{host}"
        heard = self.ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())
        self.ear.until(lambda: bool(heard) and heard[-1].state != "boot", f"the recorder of {host}")
        return lambda: heard[-1]


@pytest.fixture
def hosts(ear: Ear, namespace: str, tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        heard = ear.hear(Imu, f"{namespace}/imu/data_raw")
        stack.enter_context(running("imu", namespace, tmp_path))
        ear.until(lambda: bool(heard), "the IMU")
        yield Hosts(ear, namespace, tmp_path, stack)


def test_one_call_starts_stops_and_cancels_all_under_one_id(hosts: Hosts, call: Call) -> None:
    for host in ("left", "right", "lead"):
        hosts.recorder(host)
    lead = hosts.status("lead")
    started = call(StartRecording, "start_recording", label="walk", participant="p1")
    assert started.success, started.message
    again = call(StartRecording, "start_recording")
    assert (again.success, "is being recorded" in again.message) == (False, True)
    hosts.ear.until(lambda: len(lead().streams) == 3, "the streams of all hosts in one status")
    stopped = call(StopRecording, "stop_recording")
    assert stopped.success
    assert stopped.message in ("complete", "complete, being finished in the background")

    manifests = [manifest for (manifest,) in hosts.sessions().values()]
    assert {(m.recording_id, m.state, m.end_reason, m.label) for m in manifests} == {(started.recording_id, "complete", "stopped", "walk")}
    assert len({manifest.recording_hash for manifest in manifests}) == 1
    assert all(stream.messages and not stream.loss.total for manifest in manifests for stream in manifest.streams.values())

    timed = call(StartRecording, "start_recording", duration_s=0.5)
    hosts.ear.until(lambda: lead().state == "idle" and timed.recording_id in lead().detail, "its end by itself")
    assert "(duration)" in lead().detail
    ends = [manifest.end_reason for manifest in hosts.recording(timed.recording_id)]
    assert ends[0] == "duration"
    assert set(ends) <= {"duration", "stopped"}  # by itself, or by the order of the one that leads

    event = call(TriggerRecording, "trigger_recording", label="fall", lookahead_s=0.5)
    hosts.ear.until(lambda: lead().state == "idle" and event.recording_id in lead().detail, "the end of the event")
    assert [manifest.trigger[0].label for manifest in hosts.recording(event.recording_id)] == ["fall", "fall", "fall"]

    cancelled = call(StartRecording, "start_recording")
    assert cancelled.success, cancelled.message
    assert call(CancelRecording, "cancel_recording").message == "cancelled, data removed"
    assert [len(listed) for listed in hosts.sessions().values()] == [3, 3, 3]


def test_a_start_that_one_host_can_not_meet_fails_as_a_whole_and_names_it(hosts: Hosts, call: Call) -> None:
    hosts.recorder("lead", ready_timeout_s=5.0, answer_timeout_s=3.0)
    hosts.recorder("left")
    hosts.status("left")
    missing = call(StartRecording, "start_recording")
    assert not missing.success
    assert missing.message.startswith(f"right: nobody offers {hosts.namespace}/right/start_recording"), missing.message

    hosts.recorder("right", streams=json.dumps([IMU.format("nothing")]), ready_timeout_s=1.0)
    hosts.status("right")
    silent = call(StartRecording, "start_recording")
    assert not silent.success
    assert silent.message.startswith(f"right: {hosts.namespace}/right/nothing: nobody publishes it"), silent.message
    left = hosts.status("left")
    hosts.ear.until(lambda: left().state == "idle", "the end of the part that had begun")
    assert hosts.sessions() == {"lead": [], "left": [], "right": []}


def test_a_follower_goes_on_without_its_leader_and_ends_when_it_is_back(hosts: Hosts, call: Call) -> None:
    hosts.recorder("left")
    hosts.recorder("right")
    lead = hosts.recorder("lead")
    started = call(StartRecording, "start_recording")
    assert started.success, started.message
    lead.kill()
    left = hosts.status("left")
    events = hosts.ear.hear(HealthEvent, f"{hosts.namespace}/left/health", state_qos(50))
    hosts.ear.until(lambda: any(event.code == "host_lost" for event in events), "the loss of the leader")
    assert left().recording_id == started.recording_id
    hosts.recorder("lead")
    hosts.ear.until(lambda: left().state == "idle" and not left().recording_id, "its end")
    hosts.ear.until(lambda: all(path.joinpath(".rig_complete").exists() for path in sessions_in(hosts.root("left"))), "its session")
    (session,) = sessions_in(hosts.root("left"))
    assert (read_manifest(session).state, read_manifest(session).recording_id) == ("complete", started.recording_id)
    notes = [json.loads(line) for line in (session / "health.jsonl").read_text().splitlines()]
    assert [note["code"] for note in notes if note["code"] == "ended_late"] == ["ended_late"]
