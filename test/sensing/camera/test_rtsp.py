"""RTSP cameras over a real connection: whole streams, loss and return, and an end that no silent peer can hold up."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from rig_capture.sensing.camera.av_source import RtspCamera, redacted
from rig_capture.sensing.camera.frame import Capture
from rig_capture.sensing.camera.pipeline import CameraPipeline, Wanted
from rig_capture.sensing.device import DeviceError, DeviceLoop, DeviceState
from test.parts import wait_until
from test.sensing.camera.helpers import Kept, access_units, decode, numbers, read, run_pipeline, settings
from test.sensing.camera.rtsp_server import RtspServer

UNITS = 60


@pytest.fixture(scope="module")
def units() -> list[bytes]:
    return access_units(UNITS)


@pytest.fixture
def server(units: list[bytes]) -> Iterator[RtspServer]:
    with RtspServer(units) as running:
        yield running


def assert_follows(found: list[int]) -> None:
    """Each number is the one after the one before, in the server's loop."""
    assert all(later == (earlier + 1) % UNITS for earlier, later in itertools.pairwise(found)), found


def test_every_frame_of_a_camera_is_decoded_encoded_and_evenly_stamped(server: RtspServer) -> None:
    camera = settings(driver="rtsp", source=server.url)
    before = time.time_ns()
    kept, report = run_pipeline(camera, RtspCamera(camera), 60)
    assert report.undecoded == 0
    assert_follows(numbers(decode(kept.frames)))
    assert before < kept.frames[0].stamp_ns < kept.frames[-1].stamp_ns <= time.time_ns()
    settled = [later.stamp_ns - earlier.stamp_ns for earlier, later in itertools.pairwise(kept.frames[30:])]
    assert sorted(settled)[len(settled) // 2] == pytest.approx(1e9 / 30, rel=0.02)


def test_copy_passes_packets_on_with_parameter_sets_that_only_the_description_told(server: RtspServer) -> None:
    camera = settings(driver="rtsp", source=server.url, codec="copy")
    kept, report = run_pipeline(camera, RtspCamera(camera), 45)
    assert report.encoder == "copy"
    assert kept.frames[0].keyframe
    assert {(frame.codec, frame.width, frame.height) for frame in kept.frames} == {("h264", 320, 240)}
    for frame in kept.frames:
        kinds = {part[0] & 0x1F for part in frame.data.split(b"\x00\x00\x01")[1:]}
        assert frame.keyframe == ({7, 8, 5} <= kinds)
    assert_follows(numbers(decode(kept.frames)))


def test_a_camera_that_loses_power_is_reported_and_comes_back_with_seq_and_stamps_going_on(units: list[bytes]) -> None:
    kept = Kept()
    with RtspServer(units) as first:
        camera = settings(driver="rtsp", source=first.url, retry_min_s=0.05, retry_max_s=0.1, timeout_s=2.0)
        pipeline = CameraPipeline("test", camera, kept)
        loop: DeviceLoop[Capture] = DeviceLoop(
            "camera", lambda: RtspCamera(camera), lambda capture: pipeline.process(capture, Wanted(video=True)), camera
        )
        pipeline.start()
        loop.start()
        wait_until(lambda: len(kept.frames) > 5, "frames")
    try:
        wait_until(lambda: loop.report().state == DeviceState.LOST, "the loss")
        wait_until(lambda: "Connection refused" in loop.report().error, "the reason")
        before = len(kept.frames)
        with RtspServer(units, port=first.port):
            wait_until(lambda: len(kept.frames) > before + 10, "its return")
            assert loop.report().state == DeviceState.RUNNING
            loop.stop()
    finally:
        loop.stop()
        pipeline.stop()
    assert loop.report().losses == 1
    # A frame that came while the connection was made may be too late by then; such a loss is counted.
    report = pipeline.report()
    gaps = sum(later.seq - earlier.seq - 1 for earlier, later in itertools.pairwise(kept.frames))
    assert gaps == report.dropped + report.undecoded
    for earlier, later in itertools.pairwise(kept.frames):
        assert later.stamp_ns > earlier.stamp_ns
        assert later.pts_ns > earlier.pts_ns


def test_a_camera_that_falls_silent_counts_as_lost(server: RtspServer) -> None:
    camera = settings(driver="rtsp", source=server.url, timeout_s=0.5)
    driver = RtspCamera(camera)
    driver.open()
    server.silent.set()
    with pytest.raises(DeviceError, match="lost while reading: no answer in time"):
        read(driver, 200)
    driver.close()


@pytest.mark.parametrize("opened", [False, True])
def test_an_interrupt_frees_a_driver_that_a_silent_camera_holds(server: RtspServer, opened: bool) -> None:
    driver = RtspCamera(settings(driver="rtsp", source=server.url, timeout_s=60.0))
    if opened:
        driver.open()
    server.silent.set()
    errors: list[DeviceError] = []

    def block() -> None:
        try:
            if not opened:
                driver.open()
            while True:
                driver.read()
        except DeviceError as error:
            errors.append(error)

    blocked = threading.Thread(target=block)
    blocked.start()
    assert server.connected.wait(5)
    begin = time.monotonic()
    driver.interrupt()
    blocked.join(5)
    assert time.monotonic() - begin < 1
    assert len(errors) == 1
    driver.close()


def test_an_interrupt_frees_a_driver_whose_connection_is_not_even_taken() -> None:
    # A full queue of connections: the kernel answers no further ones, as a host behind a firewall.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(2)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        driver = RtspCamera(settings(driver="rtsp", source=f"rtsp://127.0.0.1:{port}/", timeout_s=60.0))
        entered, failed = threading.Event(), threading.Event()

        def block() -> None:
            entered.set()
            try:
                driver.open()
            except DeviceError:
                failed.set()

        blocked = threading.Thread(target=block)
        blocked.start()
        entered.wait(5)
        begin = time.monotonic()
        driver.interrupt()
        blocked.join(5)
        for filler in fillers:
            filler.close()
    assert failed.is_set()
    assert time.monotonic() - begin < 1


def test_an_address_that_nobody_answers_is_an_error_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    driver = RtspCamera(settings(driver="rtsp", source=f"rtsp://admin:secret@127.0.0.1:{port}/stream"))
    with pytest.raises(DeviceError, match="is the camera on, and the address right") as caught:
        driver.open()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("source", ["", "camera.local/stream", "rtsp://"])
def test_what_is_no_address_is_an_error(source: str) -> None:
    with pytest.raises(DeviceError, match="is no address; set source to one such as rtsp://"):
        RtspCamera(settings(driver="rtsp", source=source)).open()


def test_addresses_are_shown_without_credentials() -> None:
    assert redacted("rtsp://user:pw@host:8554/a?b=c") == "rtsp://host:8554/a?b=c"
    assert redacted("/a/file.mp4") == "/a/file.mp4"
