"""V4L2 cameras: kernel stamps, formats, pass-through, losses, and errors that say what to do."""

import ctypes
import errno
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from av import VideoFrame

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera import v4l2_abi as abi
from rig_capture.sensing.camera.encoder import Encoder
from rig_capture.sensing.camera.frame import Capture, plane_view
from rig_capture.sensing.camera.synthetic import Scene
from rig_capture.sensing.camera.v4l2 import V4l2Camera, cameras
from rig_capture.sensing.device import DeviceError, DeviceLoop, DeviceState
from test.parts import wait_until
from test.sensing.camera.fake_v4l2 import FakeDevice, FakeKernel
from test.sensing.camera.helpers import access_units, numbers, settings

PATH = "/dev/video7"


def camera(device: FakeDevice, **values: object) -> V4l2Camera:
    """An opened driver of a device."""
    driver = V4l2Camera(settings(driver="v4l2", source=PATH, **values), FakeKernel({PATH: device}))
    driver.open()
    return driver


def jpeg(number: int) -> bytes:
    encoder = Encoder(settings(codec="mjpeg", quality=3), (320, 240))
    return encoder.encode(Scene(320, 240).draw(number, 10**18), keyframe=True)[0].data


def packed(number: int, form: str, stride: int = 0) -> bytes:
    """A numbered picture as raw samples, with lines of `stride` bytes."""
    frame = Scene(320, 240).draw(number, 10**18).reformat(format=form)
    lines = []
    for plane in frame.planes:
        row_bytes = 640 if form == "yuyv422" else 320
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)[:, :row_bytes]
        lines += [row.tobytes().ljust(max(stride, row_bytes), b"\xee") for row in rows]
    return b"".join(lines)


def next_capture(driver: V4l2Camera) -> Capture:
    capture = driver.read()
    assert capture is not None
    return capture


def number_in(capture: Capture) -> int:
    picture: VideoFrame | None = capture.picture()
    assert picture is not None
    return numbers([picture.reformat(format="yuv420p")])[0]


def test_structures_and_requests_are_those_of_the_kernel_s_header(tmp_path: Path) -> None:
    if shutil.which("cc") is None or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip("needs a C compiler and the kernel's headers: sudo apt-get install build-essential")
    structures = {
        "v4l2_capability": abi.Capability,
        "v4l2_fmtdesc": abi.FormatDescription,
        "v4l2_format": abi.Format,
        "v4l2_streamparm": abi.StreamParameters,
        "v4l2_requestbuffers": abi.RequestBuffers,
        "v4l2_buffer": abi.Buffer,
        "v4l2_control": abi.Control,
        "v4l2_frmsizeenum": abi.FrameSizeEntry,
        "v4l2_frmivalenum": abi.FrameIntervalEntry,
    }
    fields = [
        ("v4l2_format", "fmt.pix.pixelformat", abi.Format.fmt.offset + abi.PixelFormat.pixelformat.offset),
        ("v4l2_format", "fmt.pix.bytesperline", abi.Format.fmt.offset + abi.PixelFormat.bytesperline.offset),
        ("v4l2_capability", "device_caps", abi.Capability.device_caps.offset),
        ("v4l2_fmtdesc", "pixelformat", abi.FormatDescription.pixelformat.offset),
        ("v4l2_frmsizeenum", "stepwise.min_height", abi.FrameSizeEntry.size.offset + 12),
        ("v4l2_frmivalenum", "discrete.denominator", abi.FrameIntervalEntry.interval.offset + 4),
        ("v4l2_streamparm", "parm.capture.timeperframe", abi.StreamParameters.numerator.offset),
        *[("v4l2_buffer", name, getattr(abi.Buffer, name).offset) for name in ("flags", "timestamp", "sequence", "m", "length")],
    ]
    requests = [
        "QUERYCAP",
        "ENUM_FMT",
        "G_FMT",
        "S_FMT",
        "ENUM_FRAMESIZES",
        "ENUM_FRAMEINTERVALS",
        "S_PARM",
        "S_CTRL",
        "REQBUFS",
        "QUERYBUF",
        "QBUF",
        "DQBUF",
        "STREAMON",
        "STREAMOFF",
    ]
    prints = [f'printf("%zu\\n", sizeof(struct {name}));' for name in structures]
    prints += [f'printf("%zu\\n", offsetof(struct {name}, {part}));' for name, part, _ in fields]
    prints += [f'printf("%zu\\n", (size_t)VIDIOC_{name});' for name in requests]
    prints += [f'printf("%zu\\n", (size_t)V4L2_{name});' for name in ("CID_EXPOSURE_AUTO", "CID_EXPOSURE_ABSOLUTE", "EXPOSURE_MANUAL")]
    source = tmp_path / "layout.c"
    source.write_text(f"#include <linux/videodev2.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {{{''.join(prints)}}}\n")
    subprocess.run(["cc", str(source), "-o", str(tmp_path / "layout")], check=True)
    said = list(map(int, subprocess.run([str(tmp_path / "layout")], capture_output=True, text=True, check=True).stdout.split()))
    ours = [ctypes.sizeof(structure) for structure in structures.values()]
    ours += [offset for *_, offset in fields] + [getattr(abi, name) for name in requests]
    ours += [abi.CONTROL_EXPOSURE_AUTO, abi.CONTROL_EXPOSURE_ABSOLUTE, abi.EXPOSURE_MANUAL]
    assert said == ours


def test_stamps_are_the_kernel_s_own_as_time_since_the_epoch() -> None:
    device = FakeDevice()
    driver = camera(device)
    taken_ns = time.monotonic_ns() - 123_000_000
    device.fill(packed(1, "yuyv422"), taken_ns)
    stamp_ns = next_capture(driver).stamp_ns
    assert stamp_ns == pytest.approx(taken_ns + time.time_ns() - time.monotonic_ns(), abs=2_000_000)
    driver.close()


@pytest.mark.parametrize(
    ("code", "form", "stride"), [("YUYV", "yuyv422", 0), ("YUYV", "yuyv422", 704), ("NV12", "nv12", 0), ("NV12", "nv12", 384)]
)
def test_raw_formats_are_unpacked_also_with_padded_lines(code: str, form: str, stride: int) -> None:
    device = FakeDevice(formats=(code,), pixel_format=code, bytes_per_line=stride)
    driver = camera(device)
    for number in range(10):
        assert device.fill(packed(number, form, stride))
        capture = next_capture(driver)
        assert number_in(capture) == number
        assert capture.packet is None
    driver.close()


def test_mjpeg_is_decoded_or_passed_on_byte_by_byte_where_the_codec_is_mjpeg() -> None:
    device = FakeDevice()
    decoding = camera(device, pixel_format="mjpeg")
    device.fill(jpeg(5))
    capture = next_capture(decoding)
    assert (number_in(capture), capture.packet) == (5, None)
    decoding.close()
    for codec in ("mjpeg", "copy"):
        driver = camera(device, codec=codec)
        device.fill(jpeg(6))
        capture = next_capture(driver)
        assert capture.packet is not None
        assert (capture.packet.data, capture.packet.codec, capture.packet.keyframe) == (jpeg(6), "mjpeg", True)
        assert number_in(capture) == 6
        driver.close()


def test_h264_from_a_camera_is_passed_on_and_decoded_only_for_previews() -> None:
    device = FakeDevice(formats=("H264", "MJPG"))
    driver = camera(device, codec="copy")
    keyframes = []
    for number, unit in enumerate(access_units(20, keyframe_every=8)):
        device.fill(unit)
        capture = next_capture(driver)
        assert capture.packet is not None
        assert capture.packet.data == unit
        keyframes += [number] * capture.packet.keyframe
        if number in (5, 6, 13):
            assert number_in(capture) == number
    assert keyframes == [0, 8, 16]
    driver.close()


def test_a_damaged_jpeg_gives_no_picture_and_the_next_is_good() -> None:
    device = FakeDevice()
    driver = camera(device, pixel_format="mjpeg")
    device.fill(b"\xff\xd8 not a picture")
    assert next_capture(driver).picture() is None
    device.fill(jpeg(2))
    assert number_in(next_capture(driver)) == 2
    driver.close()


def test_frames_that_the_kernel_dropped_or_flagged_are_counted_as_missed() -> None:
    device = FakeDevice()
    driver = camera(device)
    picture = packed(1, "yuyv422")
    device.fill(picture)
    assert next_capture(driver).missed == 0
    filled = [device.fill(picture) for _ in range(6)]  # more than it has buffers
    assert 0 < device.dropped == filled.count(False)
    captures = [next_capture(driver) for _ in range(filled.count(True))]
    assert {capture.missed for capture in captures} == {0}
    device.fill(picture, flags=abi.BUF_FLAG_ERROR)
    assert driver.read() is None
    device.fill(picture)
    assert next_capture(driver).missed == device.dropped + 1
    driver.close()


def test_size_and_rate_are_asked_of_the_camera() -> None:
    device = FakeDevice()
    driver = camera(device, width=640, height=480, fps=29.97)
    assert device.size == (640, 480)
    assert device.interval[1] / device.interval[0] == pytest.approx(29.97, abs=1e-3)
    assert device.streaming
    driver.close()
    assert not device.streaming


def test_a_camera_that_does_not_let_its_rate_be_set_still_runs() -> None:
    device = FakeDevice(failures={abi.S_PARM: errno.ENOTTY})
    driver = camera(device)
    device.fill(packed(3, "yuyv422"))
    assert number_in(next_capture(driver)) == 3
    driver.close()


def test_the_exposure_is_set_where_asked_for_and_else_left_alone() -> None:
    device = FakeDevice()
    camera(device, exposure_us=5000).close()
    assert device.controls == {abi.CONTROL_EXPOSURE_AUTO: abi.EXPOSURE_MANUAL, abi.CONTROL_EXPOSURE_ABSOLUTE: 50}
    device = FakeDevice(failures={abi.S_CTRL: errno.EINVAL})
    camera(device).close()
    assert device.controls == {}
    camera(device, exposure_us=5000).close()


def test_another_size_than_asked_is_told_in_the_packets() -> None:
    device = FakeDevice(sizes=((320, 240),))
    driver = camera(device, width=1920, height=1080, codec="mjpeg")
    device.fill(jpeg(1))
    packet = next_capture(driver).packet
    assert packet is not None
    assert (packet.width, packet.height) == (320, 240)
    driver.close()


def test_a_missing_camera_is_an_error_that_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "video2").touch()
    (tmp_path / "video3").touch()
    there = {str(tmp_path / "video2"): FakeDevice("Good Camera"), str(tmp_path / "video3"): FakeDevice("Its metadata", capabilities=0)}
    kernel = FakeKernel(there)
    assert list(cameras(kernel, str(tmp_path))) == [(str(tmp_path / "video2"), "Good Camera")]
    driver = V4l2Camera(settings(source="/dev/video0"), kernel, str(tmp_path))
    expected = f"/dev/video0: no such camera; cameras here: {tmp_path}/video2 (Good Camera); set source to one of them"
    with pytest.raises(DeviceError, match=f"^{re.escape(expected)}$"):
        driver.open()
    driver.close()


def test_a_machine_without_cameras_says_so() -> None:
    with pytest.raises(DeviceError, match=r"/dev/no_such_video: no such camera; .*camera"):
        V4l2Camera(settings(source="/dev/no_such_video")).open()


def test_a_file_that_is_no_camera_is_refused_by_the_real_kernel() -> None:
    driver = V4l2Camera(settings(source="/dev/null"))
    with pytest.raises(DeviceError, match="/dev/null: is no camera"):
        driver.open()
    driver.close()


@pytest.mark.parametrize(
    ("device", "values", "reason"),
    [
        (FakeDevice(failures={0: errno.EACCES}), {}, r"not allowed; .*usermod -aG video"),
        (FakeDevice(failures={abi.REQBUFS: errno.EBUSY}), {}, "in use by another program"),
        (FakeDevice(failures={abi.S_FMT: errno.EINVAL}), {}, "the camera refuses this setting"),
        (FakeDevice(capabilities=abi.CAP_STREAMING), {}, "Fake Camera delivers no pictures here"),
        (FakeDevice(), {"pixel_format": "nv12"}, "offers YUYV, MJPG, not nv12; set pixel_format"),
        (FakeDevice(formats=("YUYV",)), {"codec": "copy"}, "offers YUYV, not h264 or mjpeg"),
        (FakeDevice(formats=("BA81",), pixel_format="BA81"), {}, "offers BA81, not h264 or mjpeg or nv12 or yuyv422"),
    ],
)
def test_what_does_not_work_is_an_error_that_says_what_to_do(device: FakeDevice, values: dict[str, object], reason: str) -> None:
    kernel = FakeKernel({PATH: device})
    driver = V4l2Camera(settings(source=PATH, **values), kernel)
    with pytest.raises(DeviceError, match=f"{PATH}: {reason}"):
        driver.open()
    driver.close()
    assert kernel.open_count == 0


def test_a_camera_that_is_unplugged_is_lost_and_comes_back() -> None:
    device = FakeDevice()
    kernel = FakeKernel({PATH: device})
    values: CameraSettings = settings(source=PATH, retry_min_s=0.02, retry_max_s=0.02)
    came: list[Capture] = []
    loop: DeviceLoop[Capture] = DeviceLoop("camera", lambda: V4l2Camera(values, kernel, "/nowhere"), came.append, values)
    loop.start()
    try:
        wait_until(lambda: device.streaming, "streaming")
        device.fill(packed(1, "yuyv422"))
        wait_until(lambda: len(came) == 1, "a frame")
        device.unplug()
        wait_until(lambda: loop.report().state == DeviceState.LOST, "the loss")
        assert loop.report().error.startswith(f"{PATH}: ")
        kernel.devices[PATH] = back = FakeDevice()
        wait_until(lambda: back.streaming, "streaming again")
        back.fill(packed(2, "yuyv422"))
        wait_until(lambda: len(came) == 2 and loop.report().state == DeviceState.RUNNING, "its return")
    finally:
        loop.stop()
    assert kernel.open_count == 0


def test_a_silent_camera_yields_nothing_and_an_interrupt_is_followed() -> None:
    driver = camera(FakeDevice())
    begin = time.monotonic()
    assert driver.read() is None
    assert time.monotonic() - begin < 0.6
    driver.interrupt()
    assert driver.read() is None
    driver.close()


def test_too_short_a_buffer_gives_no_picture() -> None:
    device = FakeDevice()
    driver = camera(device)
    device.fill(packed(1, "yuyv422")[:1000])
    assert next_capture(driver).picture() is None
    driver.close()


def test_the_luma_is_unchanged_by_unpacking() -> None:
    device = FakeDevice(formats=("NV12",), pixel_format="NV12")
    driver = camera(device)
    device.fill(packed(9, "nv12"))
    picture = next_capture(driver).picture()
    assert picture is not None
    assert (plane_view(picture, 0) == plane_view(Scene(320, 240).draw(9, 10**18), 0)).all()
    driver.close()
