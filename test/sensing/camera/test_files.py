"""Video files and lavfi graphs as cameras: real pace, even stamps, no frame missing, whatever ffmpeg made of them."""

import itertools
import shutil
import threading
import time
from pathlib import Path

import pytest

from rig_capture.sensing.camera.av_source import PacedCamera
from rig_capture.sensing.camera.frame import Capture
from rig_capture.sensing.camera.pipeline import Wanted
from rig_capture.sensing.device import DeviceEnded, DeviceError, DeviceLoop, DeviceState
from test.parts import need_programs, wait_until
from test.sensing.camera.helpers import decode, make_clip, numbers, read, run_pipeline, settings

FRAMES = 20


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Clips of 20 numbered frames: with B-frames and rare keyframes (what x264 does by default), plain, and others."""
    need_programs("ffmpeg", "ffmpeg")
    folder = tmp_path_factory.mktemp("clips")
    return {
        "b_frames.mp4": make_clip(folder / "b_frames.mp4", FRAMES, "-c:v", "libx264", "-bf", "3"),
        "b_frames.mkv": make_clip(folder / "b_frames.mkv", FRAMES, "-c:v", "libx264", "-bf", "3", "-g", "7"),
        "plain.mp4": make_clip(folder / "plain.mp4", FRAMES, "-c:v", "libx264", "-bf", "0", "-g", "5"),
        "plain.h264": make_clip(folder / "plain.h264", FRAMES, "-c:v", "libx264", "-bf", "0"),
        "plain.hevc.mkv": make_clip(folder / "plain.hevc.mkv", FRAMES, "-c:v", "libx265", "-x265-params", "bframes=0:log-level=none"),
        "still.mjpeg.avi": make_clip(folder / "still.mjpeg.avi", FRAMES, "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"),
        "lossless.mkv": make_clip(folder / "lossless.mkv", FRAMES, "-c:v", "ffv1", "-level", "3"),
    }


def seen(source: Path | str, count: int, **values: object) -> tuple[list[Capture], list[int]]:
    """Captures of a fresh camera, and the numbers in their pictures."""
    camera = PacedCamera(settings(driver="file", source=str(source), **values))
    found: list[int] = []

    def look(capture: Capture) -> None:
        picture = capture.picture()
        assert picture is not None
        found.extend(numbers([picture.reformat(format="yuv420p")]))

    camera.open()
    try:
        return read(camera, count, look), found
    finally:
        camera.close()


@pytest.mark.parametrize(
    "clip", ["b_frames.mp4", "b_frames.mkv", "plain.mp4", "plain.h264", "plain.hevc.mkv", "still.mjpeg.avi", "lossless.mkv"]
)
def test_a_looped_file_gives_every_frame_in_order_evenly_stamped_also_across_the_seam(clips: dict[str, Path], clip: str) -> None:
    captures, found = seen(clips[clip], 2 * FRAMES + 5)
    assert found == [*range(FRAMES), *range(FRAMES), *range(5)]
    steps = [later.stamp_ns - earlier.stamp_ns for earlier, later in itertools.pairwise(captures)]
    tolerance = 1_100_000 if clip.endswith(".mkv") else 50_000  # Matroska counts milliseconds
    assert all(abs(step - 1e9 / 30) < tolerance for step in steps), steps


def test_frames_are_released_at_real_pace_on_the_system_clock(clips: dict[str, Path]) -> None:
    begin = time.time_ns()
    lags: list[int] = []
    camera = PacedCamera(settings(driver="file", source=str(clips["plain.mp4"])))
    camera.open()
    captures = read(camera, 16, lambda capture: lags.append(time.time_ns() - capture.stamp_ns))
    camera.close()
    assert begin <= captures[0].stamp_ns
    assert captures[-1].stamp_ns - captures[0].stamp_ns == pytest.approx(0.5e9, abs=1e6)
    assert min(lags) >= 0
    assert sorted(lags)[len(lags) // 2] < 100_000_000


def test_a_picture_asked_for_late_is_the_right_one_though_none_was_decoded_before(clips: dict[str, Path]) -> None:
    camera = PacedCamera(settings(driver="file", source=str(clips["b_frames.mp4"])))
    found = []

    def look(capture: Capture) -> None:
        picture = capture.picture()
        assert picture is not None
        found.extend(numbers([picture]))

    camera.open()
    read(camera, 11)
    read(camera, 2, look)
    read(camera, 20)
    read(camera, 3, look)
    camera.close()
    assert found == [11, 12, 13, 14, 15]


def test_a_file_played_once_says_that_it_ended_and_is_not_played_again(clips: dict[str, Path]) -> None:
    camera = PacedCamera(settings(driver="file", source=str(clips["b_frames.mp4"]), loop=False))
    camera.open()
    read(camera, FRAMES)
    with pytest.raises(DeviceEnded, match=r"b_frames\.mp4: ended"):
        read(camera, 1)
    camera.close()


def test_the_device_loop_rests_once_a_source_ended(clips: dict[str, Path]) -> None:
    camera = settings(driver="file", source=str(clips["plain.mp4"]), loop=False, retry_min_s=0.01)
    came: list[Capture] = []
    loop: DeviceLoop[Capture] = DeviceLoop("camera", lambda: PacedCamera(camera), came.append, camera)
    loop.start()
    wait_until(lambda: loop.report().state == DeviceState.ENDED, "the end")
    report = loop.report()
    loop.stop()
    assert (report.samples, report.losses) == (FRAMES, 0)
    assert report.error.endswith("ended")


def test_a_file_that_disappears_is_lost_and_comes_back(clips: dict[str, Path], tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(clips["plain.mp4"], clip)
    camera = settings(driver="file", source=str(clip), retry_min_s=0.05, retry_max_s=0.05)
    came: list[Capture] = []
    loop: DeviceLoop[Capture] = DeviceLoop("camera", lambda: PacedCamera(camera), came.append, camera)
    loop.start()
    try:
        wait_until(lambda: len(came) > 3, "frames")
        clip.unlink()
        wait_until(lambda: loop.report().state == DeviceState.LOST, "the loss")
        assert "no such file; set source to a video file" in loop.report().error
        before = len(came)
        shutil.copy(clips["plain.mp4"], clip)
        wait_until(lambda: loop.report().state == DeviceState.RUNNING and len(came) > before + 3, "its return")
    finally:
        loop.stop()
    stamps = [capture.stamp_ns for capture in came]
    assert stamps == sorted(set(stamps))
    assert loop.report().losses == 1


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file"), (b"no video at all" * 100, "can't be opened: Invalid data found.*is it a video file")]
)
def test_what_can_not_be_played_is_an_error_that_names_the_file(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "clip.mp4"
    if content is not None:
        file.write_bytes(content)
    camera = PacedCamera(settings(driver="file", source=str(file)))
    with pytest.raises(DeviceError, match=f"clip.mp4: {reason}"):
        camera.open()
    camera.close()


def test_a_file_with_sound_only_is_refused(tmp_path: Path) -> None:
    sound = make_clip(tmp_path / "sound.wav", 1, "-f", "lavfi", "-i", "sine=duration=0.2", "-map", "1:a", "-vn")
    with pytest.raises(DeviceError, match="holds no video stream"):
        PacedCamera(settings(driver="file", source=str(sound))).open()


@pytest.mark.parametrize(
    ("clip", "codec"), [("plain.mp4", "h264"), ("plain.h264", "h264"), ("plain.hevc.mkv", "hevc"), ("still.mjpeg.avi", "mjpeg")]
)
def test_copy_passes_the_source_s_own_packets_from_a_keyframe_on(clips: dict[str, Path], clip: str, codec: str) -> None:
    camera = settings(driver="file", source=str(clips[clip]), codec="copy")
    # Joined late: nothing goes out before the next keyframe.
    kept, report = run_pipeline(camera, PacedCamera(camera), 2 * FRAMES + 3, lambda index: Wanted(video=index >= 3))
    assert report.encoder == "copy"
    assert kept.frames[0].keyframe
    assert {frame.codec for frame in kept.frames} == {codec}
    if codec != "mjpeg":
        assert all(frame.data.startswith((b"\x00\x00\x00\x01", b"\x00\x00\x01")) for frame in kept.frames)
    pictures = [picture.reformat(format="yuv420p") for picture in decode(kept.frames)]
    assert numbers(pictures) == [frame.seq % FRAMES for frame in kept.frames]


@pytest.mark.parametrize(("clip", "reason"), [("b_frames.mp4", "has B-frames"), ("lossless.mkv", "header apart from the packets")])
def test_copy_refuses_what_a_live_stream_can_not_carry(clips: dict[str, Path], clip: str, reason: str) -> None:
    camera = PacedCamera(settings(driver="file", source=str(clips[clip]), codec="copy"))
    with pytest.raises(DeviceError, match=reason):
        camera.open()


@pytest.mark.parametrize("clip", ["b_frames.mp4", "still.mjpeg.avi", "lossless.mkv"])
def test_video_previews_and_raw_pictures_of_a_file_go_together(clips: dict[str, Path], clip: str) -> None:
    camera = settings(driver="file", source=str(clips[clip]), preview_fps=10.0)
    kept, report = run_pipeline(camera, PacedCamera(camera), 30, lambda index: Wanted(video=True, preview=True, raw=index % 2 == 0))
    assert report.error == ""
    assert (len(kept.frames), len(kept.previews), len(kept.pictures)) == (30, 10, 15)
    assert numbers(decode(kept.frames)) == [frame.seq % FRAMES for frame in kept.frames]


def test_a_lavfi_graph_is_a_camera_at_its_own_rate() -> None:
    camera = settings(driver="lavfi", source="testsrc2=size=160x120:rate=50", width=0, height=0)
    kept, _ = run_pipeline(camera, PacedCamera(camera), 20)
    assert {(frame.width, frame.height) for frame in kept.frames} == {(160, 120)}
    assert {later.stamp_ns - earlier.stamp_ns for earlier, later in itertools.pairwise(kept.frames)} == {20_000_000}
    assert len(decode(kept.frames)) == 20


def test_a_wrong_lavfi_graph_is_an_error() -> None:
    with pytest.raises(DeviceError, match="check the graph, such as testsrc2"):
        PacedCamera(settings(driver="lavfi", source="nosuchfilter=1")).open()


def test_an_interrupt_ends_the_wait_for_a_frame() -> None:
    camera = PacedCamera(settings(driver="lavfi", source="testsrc2=size=160x120:rate=1/100"))
    camera.open()
    read(camera, 1)
    stopper = threading.Timer(0.05, camera.interrupt)
    begin = time.monotonic()
    stopper.start()
    assert camera.read() is None
    assert time.monotonic() - begin < 0.4
    stopper.join()
    camera.close()
