"""Topics of other people's nodes, recorded by the recorder node: by name, by pattern, by type, late, and of other QoS."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rig_capture_msgs.msg import HealthEvent, RecorderStatus
from rig_capture_msgs.srv import StartRecording, StopRecording
from std_msgs.msg import String

from rig_capture.nodes.common.base import state_qos
from rig_capture.nodes.recording.topics import TopicSelection, TopicWatch
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.session.manifest import Manifest, StreamEntry, read_manifest
from test.integration.nodes import Ear, running

Publish = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def publish(namespace: str) -> Iterator[Publish]:
    """Starts a publisher of a kind on a topic, in a process of its own."""
    with contextlib.ExitStack() as held:

        def start(kind: str, topic: str, *rest: str) -> "subprocess.Popen[bytes]":
            command = [sys.executable, "-m", "test.integration.publisher", kind, f"{namespace}/{topic}", *rest]
            # Ends when its standard input is closed, which is what leaving this does.
            return held.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE))

        yield start


class Recorder:
    """A recorder node, and what it says of its streams."""

    def __init__(self, ear: Ear, namespace: str) -> None:
        self._ear, self._namespace = ear, namespace
        self._statuses: list[RecorderStatus] = ear.hear(RecorderStatus, f"{namespace}/recorder/status", state_qos())

    def _call(self, service: Any, name: str, **fields: Any) -> Any:
        client = self._ear.node.create_client(service, f"{self._namespace}/{name}")
        self._ear.until(client.service_is_ready, f"service {name}")
        answer = client.call_async(service.Request(**fields))
        self._ear.until(answer.done, f"the answer of {name}", 60)
        assert answer.result().success, answer.result().message
        return answer.result()

    def begin(self, *topics: str) -> None:
        """Starts a recording."""
        self._call(StartRecording, "start_recording", topics=list(topics))

    def until(self, topic: str, messages: int) -> None:
        """Waits until so many messages of a topic are written."""

        def written() -> int:
            streams = self._statuses[-1].streams if self._statuses else []
            return sum(stream.messages for stream in streams if stream.topic == f"{self._namespace}/{topic}")

        self._ear.until(lambda: written() >= messages, f"{messages} messages of {topic}", 60)

    def end(self) -> tuple[Path, Manifest]:
        """Ends it, sees that the session is whole, and returns its folder and manifest."""
        path = Path(self._call(StopRecording, "stop_recording").path)
        verdict = verify_session(path)
        assert verdict.whole, verdict.damages
        return path, read_manifest(path)


@pytest.fixture
def recorder(ear: Ear, namespace: str, tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    """Starts a recorder with settings."""
    with contextlib.ExitStack() as held:

        def start(environment: dict[str, str] | None = None, **settings: Any) -> Recorder:
            values = {"storage_path": str(tmp_path / "sessions")} | {
                key: json.dumps(value) if isinstance(value, list) else value for key, value in settings.items()
            }
            held.enter_context(running("recorder", namespace, tmp_path, values, environment=environment))
            return Recorder(ear, namespace)

        yield start


def wait_for_topic(ear: Ear, topic: str) -> None:
    """Waits until somebody publishes it."""
    ear.until(lambda: ear.node.count_publishers(topic) > 0, topic)


def stream_of(manifest: Manifest, topic: str) -> StreamEntry:
    """The entry of a topic."""
    (entry,) = [stream for stream in manifest.streams.values() if stream.topic == topic]
    return entry


def test_pictures_become_video_where_the_profile_says_so(
    recorder: Callable[..., Recorder], publish: Publish, ear: Ear, namespace: str
) -> None:
    for kind in ("image", "depth", "jpeg"):
        publish(kind, f"cam/{kind}")
        wait_for_topic(ear, f"{namespace}/cam/{kind}")
    node = recorder(images="video", topics=["cam/*"])
    diagnosis = ear.diagnosis(namespace, "recorder")
    node.begin()
    for kind in ("image", "depth", "jpeg"):
        node.until(f"cam/{kind}", 45)

    def encoders() -> str:
        status = diagnosis()
        return "" if status is None else {pair.key: pair.value for pair in status.values}.get("encoders", "")

    ear.until(lambda: "libx264" in encoders() and "ffv1" in encoders(), "the encoders in the diagnostics")
    path, manifest = node.end()
    codecs = {kind: stream_of(manifest, f"{namespace}/cam/{kind}").codec for kind in ("image", "depth", "jpeg")}
    assert codecs == {"image": "h264", "depth": "ffv1", "jpeg": "mjpeg"}
    assert "libx264" in manifest.software["encoder"]
    for stream in manifest.streams.values():
        assert stream.loss.total == 0
        assert (path / stream.topic.strip("/").replace("/", ".") / "frames.csv").is_file()


def test_by_default_pictures_stay_what_they_are(recorder: Callable[..., Recorder], publish: Publish, ear: Ear, namespace: str) -> None:
    publish("image", "cam/image")
    wait_for_topic(ear, f"{namespace}/cam/image")
    node = recorder()
    node.begin("type:sensor_msgs/msg/Image")
    node.until("cam/image", 10)
    _, manifest = node.end()
    assert stream_of(manifest, f"{namespace}/cam/image").kind == "topic"


def test_topics_that_appear_later_are_recorded(recorder: Callable[..., Recorder], publish: Publish, ear: Ear, namespace: str) -> None:
    node = recorder(topics=["robot/**"], exclude=["robot/*/debug"])
    node.begin("re:.*/spoken")
    publish("string", "robot/left/state")
    publish("string", "robot/left/debug")
    publish("string", "spoken")
    publish("string", "elsewhere")
    node.until("robot/left/state", 30)
    node.until("spoken", 30)
    for topic in ("robot/left/debug", "elsewhere"):
        wait_for_topic(ear, f"{namespace}/{topic}")
    _, manifest = node.end()
    assert {stream.topic for stream in manifest.streams.values()} == {f"{namespace}/robot/left/state", f"{namespace}/spoken"}


def test_a_publisher_of_other_qos_that_comes_later_is_heard(
    recorder: Callable[..., Recorder], publish: Publish, ear: Ear, namespace: str
) -> None:
    first = publish("string", "said")
    wait_for_topic(ear, f"{namespace}/said")
    node = recorder()
    node.begin(f"{namespace}/said")
    node.until("said", 10)
    first.kill()
    first.wait()
    publish("string", "said", "best_effort")
    ear.until(lambda: any(_best_effort(ear.node, f"{namespace}/said")), "the second publisher")
    node.until("said", 100)
    node.end()


def test_a_state_replaced_while_the_recorder_joins_is_no_loss(recorder: Callable[..., Recorder], ear: Ear, namespace: str) -> None:
    joined: list[int] = []

    def replace(event: Any) -> None:
        if event.current_count_change > 0:
            publisher.publish(String(data="new"))
            joined.append(event.current_count)

    callbacks = PublisherEventCallbacks(matched=replace)
    publisher = ear.node.create_publisher(String, f"{namespace}/state", state_qos(), event_callbacks=callbacks)
    publisher.publish(String(data="old"))
    node = recorder()
    for _ in range(3):
        node.begin(f"{namespace}/state")
        node.until("state", 1)
        _, manifest = node.end()
        entry = stream_of(manifest, f"{namespace}/state")
        assert (entry.loss.total, bool(entry.messages)) == (0, True)
    assert len(joined) >= 3
    ear.node.destroy_publisher(publisher)


def _best_effort(node: Node, topic: str) -> list[bool]:
    return [info.qos_profile.reliability.name == "BEST_EFFORT" for info in node.get_publishers_info_by_topic(topic)]


def test_a_topic_of_a_type_that_is_not_installed_is_on_record(
    recorder: Callable[..., Recorder], publish: Publish, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    # The recorder lacks a package that the publisher has: an empty one comes before it on the recorder's path.
    hidden = tmp_path / "hidden" / "shape_msgs"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").touch()
    for kind in ("plane", "string"):
        publish(kind, kind)
        wait_for_topic(ear, f"{namespace}/{kind}")
    node = recorder(environment={"PYTHONPATH": f"{tmp_path / 'hidden'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"})
    node.begin(f"{namespace}/plane", f"{namespace}/string")
    node.until("string", 10)
    _, manifest = node.end()
    left_out = stream_of(manifest, f"{namespace}/plane")
    assert (left_out.type, left_out.messages) == ("shape_msgs/msg/Plane", 0)
    assert "shape_msgs/msg/Plane is not installed" in left_out.note
    assert stream_of(manifest, f"{namespace}/string").messages >= 10


def test_a_later_topic_that_can_not_be_recorded_is_told_and_keeps_no_other_from_being_recorded(
    recorder: Callable[..., Recorder], publish: Publish, ear: Ear, namespace: str, tmp_path: Path
) -> None:
    # The recorder has a package that is broken in a way of its own.
    broken = tmp_path / "broken" / "shape_msgs"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('half installed')\n")
    health: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    node = recorder(environment={"PYTHONPATH": f"{tmp_path / 'broken'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}, topics=["late/**"])
    node.begin()
    publish("plane", "late/plane")
    ear.until(lambda: any("half installed" in event.message for event in health), "the event")
    publish("string", "late/string")
    node.until("late/string", 10)
    _, manifest = node.end()
    (event,) = [event for event in health if event.code == "recording_failed"]
    assert event.message.startswith(f"{namespace}/late/plane is not recorded: half installed; ")
    left_out = stream_of(manifest, f"{namespace}/late/plane")
    assert (left_out.messages, left_out.note) == (0, "half installed")
    assert stream_of(manifest, f"{namespace}/late/string").messages >= 10


def test_a_look_for_topics_that_fails_is_told_once_and_followed_by_the_next(publish: Publish, ear: Ear, namespace: str) -> None:
    found: list[str] = []
    failed: list[str] = []

    def find(topic: str, type_name: str) -> None:
        found.append(topic)
        if len(found) < 3:
            raise RuntimeError("can't be taken")

    selection = TopicSelection.parse([f"{namespace}/*"], [], str)
    watch = TopicWatch(ear.node, selection, set(), find, lambda error: failed.append(str(error)))
    watch.start()
    for name in ("a", "b", "c"):
        publish("string", name)
    ear.until(lambda: len(found) == 3, "all topics")
    watch.stop()
    assert set(found) == {f"{namespace}/{name}" for name in ("a", "b", "c")}
    assert failed == ["can't be taken"]
