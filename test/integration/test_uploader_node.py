"""The uploader node in a process of its own, over DDS."""

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from rig_capture_msgs.msg import NetworkStatus, RecorderStatus, SessionComplete, UploaderStatus
from std_srvs.srv import SetBool, Trigger

from rig_capture.delivery.catalog import Catalog
from rig_capture.nodes.common.base import state_qos
from test.delivery.sessions import make_session
from test.integration.nodes import Ear, running

IDS = [f"rec_20260507_14302{n}_a1b2" for n in range(4)]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    """Parameters of the node; it looks at the disk by itself only once a minute."""
    places = {"storage_path": tmp_path / "sessions", "store": tmp_path / "store", "catalog": tmp_path / "catalog.db"}
    return {key: str(path) for key, path in places.items()} | {"scan_interval_s": 60.0}


def call(ear: Ear, service: Any, name: str, **fields: Any) -> Any:
    """Calls a service and returns the answer."""
    client = ear.node.create_client(service, name)
    ear.until(client.service_is_ready, f"service {name}")
    answer = client.call_async(service.Request(**fields))
    ear.until(answer.done, f"the answer of {name}")
    return answer.result()


def test_sessions_on_disk_and_those_that_an_event_tells_of_go_in(
    ear: Ear, namespace: str, tmp_path: Path, settings: dict[str, object]
) -> None:
    make_session(tmp_path / "sessions" / IDS[0], recording_id=IDS[0], participant="Ada")
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    events = ear.node.create_publisher(SessionComplete, f"{namespace}/session_complete", state_qos(50))
    with running("uploader", namespace, tmp_path, settings) as node:
        ear.until(lambda: bool(heard) and IDS[0] in heard[-1].ingested and heard[-1].state == UploaderStatus.IDLE, "the first session in")
        session = make_session(tmp_path / "sessions" / IDS[1], recording_id=IDS[1])
        events.publish(SessionComplete(state="complete", recording_id=IDS[1], path=str(session)))
        ear.until(lambda: list(heard[-1].ingested) == IDS[:2] and heard[-1].state == UploaderStatus.IDLE, "the second session in")
        code, seconds = node.end(signal.SIGTERM)
    assert (code, "Traceback" in node.said) == (0, False)
    assert seconds < 3
    assert (heard[-1].sessions_done, heard[-1].queued, heard[-1].last_error) == (2, 0, "")
    assert heard[-1].catalog == str(tmp_path / "catalog.db")
    with Catalog(str(tmp_path / "catalog.db")) as catalog:
        assert [row.participants for row in catalog.recordings()] == [("Ada",), ()]


def test_it_can_be_paused_and_waits_for_the_recorder(ear: Ear, namespace: str, tmp_path: Path, settings: dict[str, object]) -> None:
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    recorder = ear.node.create_publisher(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    recorder.publish(RecorderStatus(state=RecorderStatus.IDLE))
    with running("uploader", namespace, tmp_path, settings) as node:
        assert call(ear, SetBool, f"{namespace}/uploader/pause", data=True).success
        ear.until(lambda: bool(heard) and heard[-1].state == UploaderStatus.PAUSED, "paused")
        make_session(tmp_path / "sessions" / IDS[0], recording_id=IDS[0])
        assert call(ear, Trigger, f"{namespace}/uploader/retry").success
        ear.until(lambda: heard[-1].queued == 1, "the queue")
        recorder.publish(RecorderStatus(state=RecorderStatus.RECORDING))
        call(ear, SetBool, f"{namespace}/uploader/pause", data=False)
        ear.until(lambda: heard[-1].state == UploaderStatus.WAITING and "recording" in heard[-1].detail, "waiting for the recorder")
        recorder.publish(RecorderStatus(state=RecorderStatus.IDLE))
        ear.until(lambda: list(heard[-1].ingested) == [IDS[0]], "the session in")
        assert node.end(signal.SIGINT)[0] == 0


def test_a_recorder_that_vanishes_while_recording_holds_nothing_up(
    ear: Ear, namespace: str, tmp_path: Path, settings: dict[str, object]
) -> None:
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    recorder = ear.node.create_publisher(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    recorder.publish(RecorderStatus(state=RecorderStatus.RECORDING))
    make_session(tmp_path / "sessions" / IDS[0], recording_id=IDS[0])
    with running("uploader", namespace, tmp_path, settings | {"bandwidth_limit": 100}):
        ear.until(lambda: bool(heard) and heard[-1].state == UploaderStatus.WAITING, "waiting for the recorder")
        ear.node.destroy_publisher(recorder)
        ear.until(lambda: heard[-1].state == UploaderStatus.UPLOADING, "uploading")


def test_a_stop_in_the_middle_of_an_upload_is_quick_and_a_kill_loses_nothing(
    ear: Ear, namespace: str, tmp_path: Path, settings: dict[str, object]
) -> None:
    make_session(tmp_path / "sessions" / IDS[0], {"f": os.urandom(10 * 2**20), "g": b"g"}, recording_id=IDS[0])
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    for number in (signal.SIGTERM, signal.SIGKILL):
        del heard[:]
        with running("uploader", namespace, tmp_path, settings | {"bandwidth_limit": 2_000_000}) as node:
            ear.until(lambda: bool(heard) and heard[-1].current_bytes > 0 and heard[-1].rate_bytes_s > 0, "uploading")
            code, seconds = node.end(number)
        assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        assert seconds < 3
        assert not list((tmp_path / "store").rglob("manifest.json"))
    del heard[:]
    with running("uploader", namespace, tmp_path, settings):
        ear.until(lambda: bool(heard) and list(heard[-1].ingested) == [IDS[0]], "in after all")
    stored = tmp_path / "store" / "recordings" / "rig1" / IDS[0] / "host-a" / "f"
    assert stored.read_bytes() == (tmp_path / "sessions" / IDS[0] / "f").read_bytes()
    assert not list((tmp_path / "store" / ".incoming").iterdir())


def test_failures_show_in_status_and_diagnostics(ear: Ear, namespace: str, tmp_path: Path, settings: dict[str, object]) -> None:
    session = make_session(tmp_path / "sessions" / IDS[0], recording_id=IDS[0])
    (session / "bag/bag_0.mcap").unlink()
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    diagnosis = ear.diagnosis(namespace, "uploader")
    with running("uploader", namespace, tmp_path, settings):
        ear.until(lambda: bool(heard) and heard[-1].sessions_failed == 1, "the failure")
        assert "bag_0.mcap" in heard[-1].last_error
        ear.until(lambda: (status := diagnosis()) is not None and status.level == b"\x01", "a warning")


def test_a_network_that_comes_back_ends_the_wait(ear: Ear, namespace: str, tmp_path: Path, settings: dict[str, object]) -> None:
    session = make_session(tmp_path / "sessions" / IDS[0], recording_id=IDS[0])
    missing = session / "bag/bag_0.mcap"
    content = missing.read_bytes()
    missing.unlink()
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    network = ear.node.create_publisher(NetworkStatus, f"{namespace}/network", state_qos())
    with running("uploader", namespace, tmp_path, settings | {"retry_min_s": 600.0}):
        ear.until(lambda: bool(heard) and heard[-1].state == UploaderStatus.WAITING and heard[-1].sessions_failed == 1, "the failure")
        missing.write_bytes(content)
        states = itertools.cycle((NetworkStatus.OFFLINE, NetworkStatus.ONLINE))

        def back_and_gone() -> bool:
            network.publish(NetworkStatus(state=next(states)))
            return list(heard[-1].ingested) == [IDS[0]]

        ear.until(back_and_gone, "the session in")


def test_offline_nothing_is_sent(ear: Ear, namespace: str, tmp_path: Path, settings: dict[str, object]) -> None:
    make_session(tmp_path / "sessions" / IDS[0], recording_id=IDS[0])
    heard = ear.hear(UploaderStatus, f"{namespace}/uploader/status", state_qos())
    with running("uploader", namespace, tmp_path, settings | {"offline": True}):
        ear.until(lambda: bool(heard) and heard[-1].state == UploaderStatus.OFFLINE, "offline")
    assert not (tmp_path / "store").exists()
