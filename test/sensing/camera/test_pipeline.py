"""The pipeline: only what is wanted is made, keyframes for who joins, losses counted, encoders that fail."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from av import CodecContext, Packet, VideoFrame
from av.video.codeccontext import VideoCodecContext

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera.frame import Capture, EncodedFrame, SourcePacket
from rig_capture.sensing.camera.pipeline import CameraPipeline, Wanted
from rig_capture.sensing.camera.synthetic import Scene, SyntheticCamera, read_frame_number
from test.parts import wait_until
from test.sensing.camera.helpers import Kept, decode, numbers, run_pipeline, settings


class Reel:
    """Captures made by hand, without waiting for their time; counts the pictures drawn."""

    def __init__(self, size: tuple[int, int] = (320, 240)) -> None:
        self.drawn = 0
        self._scene = Scene(*size)
        self._start_ns = time.time_ns() + 60 * 10**9  # never late by itself, however slow the machine

    def capture(self, number: int, missed: int = 0, late_ns: int = 0) -> Capture:
        return Capture(self._start_ns + number * 33_333_333 - late_ns, lambda: self._draw(number), missed)

    def _draw(self, number: int) -> VideoFrame:
        self.drawn += 1
        return self._scene.draw(number, 10**18)


class Bench:
    """A pipeline, its outlet, and captures one after the other."""

    def __init__(self, camera: CameraSettings) -> None:
        self.kept, self.reel = Kept(), Reel()
        self.pipeline = CameraPipeline("test", camera, self.kept)
        self._number = itertools.count()

    def feed(self, count: int, wanted: Wanted, *, missed: int = 0, late_ns: int = 0) -> None:
        """Leads captures through, each only once the one before is encoded."""
        for _ in range(count):
            report = self.pipeline.report()
            done = report.encoded + report.dropped
            for _ in range(missed):
                next(self._number)
            self.pipeline.process(self.reel.capture(next(self._number), missed, late_ns), wanted)
            if wanted.video and not late_ns:
                wait_until(lambda done=done: self.pipeline.report().encoded + self.pipeline.report().dropped > done, "a packet")  # type: ignore[misc]

    @property
    def keyframes(self) -> list[int]:
        return [frame.seq for frame in self.kept.frames if frame.keyframe]


VIDEO = Wanted(video=True)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(settings(keyframe_interval_s=1.0))
    made.pipeline.start()
    yield made
    made.pipeline.stop()


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mjpeg", "ffv1"])
def test_every_frame_of_the_synthetic_camera_arrives_in_any_codec(codec: str) -> None:
    camera = settings(codec=codec, fps=50.0, quality=10 if codec == "mjpeg" else 30)
    kept, report = run_pipeline(camera, SyntheticCamera(camera), 25)
    assert numbers(decode(kept.frames)) == list(range(25)) == [frame.seq for frame in kept.frames]
    assert (report.captured, report.encoded, report.dropped, report.missed) == (25, 25, 0, 0)
    assert kept.frames[0].pts_ns == 0
    assert all(frame.pts_ns == frame.stamp_ns - kept.frames[0].stamp_ns for frame in kept.frames)


def test_nothing_is_drawn_or_encoded_while_nobody_listens(bench: Bench) -> None:
    bench.feed(50, Wanted())
    assert bench.reel.drawn == 0
    assert bench.pipeline.next_seq == 50


def test_keyframes_come_at_the_start_at_the_interval_and_for_each_who_joins(bench: Bench) -> None:
    bench.feed(5, Wanted())
    bench.feed(40, Wanted(video=True))
    bench.feed(1, Wanted(video=True, join=True))
    bench.feed(4, VIDEO)
    assert bench.keyframes == [5, 35, 45]


def test_who_listens_after_a_pause_begins_with_a_keyframe(bench: Bench) -> None:
    bench.feed(3, VIDEO)
    bench.feed(3, Wanted())
    wait_until(lambda: bench.pipeline.report().encoder == "", "the encoder's end")
    bench.feed(3, VIDEO)
    assert bench.keyframes == [0, 6]
    assert numbers(decode(bench.kept.frames[3:])) == [6, 7, 8]


def test_lost_frames_leave_gaps_in_seq(bench: Bench) -> None:
    bench.feed(2, VIDEO)
    bench.feed(1, VIDEO, missed=3)
    assert [frame.seq for frame in bench.kept.frames] == [0, 1, 5]
    assert bench.pipeline.report().missed == 3


def test_frames_that_are_too_late_are_dropped_before_the_encoder_and_counted(bench: Bench) -> None:
    bench.feed(2, VIDEO)
    bench.feed(3, VIDEO, late_ns=120 * 10**9)
    bench.feed(1, VIDEO)
    assert [frame.seq for frame in bench.kept.frames] == [0, 1, 5]
    assert bench.pipeline.report().dropped == 3
    assert bench.reel.drawn == 3


def test_an_encoder_that_is_too_slow_never_holds_up_the_device() -> None:
    # 60 large pictures at once: more than any encoder manages in the time in which they are offered.
    kept, reel = Kept(), Reel((1920, 1080))
    pipeline = CameraPipeline("test", settings(width=1920, height=1080, codec="hevc", preset="slow"), kept)
    pipeline.start()
    frames = [reel.capture(number) for number in range(60)]
    begin = time.monotonic()
    for capture in frames:
        pipeline.process(capture, VIDEO)
    assert time.monotonic() - begin < 1
    wait_until(lambda: pipeline.report().encoded + pipeline.report().dropped == 60, "the queue's end")
    report = pipeline.report()
    pipeline.stop()
    assert report.dropped > 0
    assert len(kept.frames) == report.encoded == 60 - report.dropped
    assert [frame.seq for frame in kept.frames] == sorted({frame.seq for frame in kept.frames})
    assert numbers(decode(kept.frames)) == [frame.seq for frame in kept.frames]


def test_previews_keep_their_rate_size_and_quality_and_follow_settings(bench: Bench) -> None:
    bench.pipeline.update(settings(preview_fps=2.0))
    bench.feed(60, Wanted(preview=True))
    assert len(bench.kept.previews) == pytest.approx(4, abs=1)
    assert bench.reel.drawn == len(bench.kept.previews)
    small = bench.kept.previews[-1]
    bench.pipeline.update(settings(preview_fps=15.0, preview_width=320, preview_quality=95))
    bench.kept.previews.clear()
    bench.feed(60, Wanted(preview=True))
    assert len(bench.kept.previews) == pytest.approx(30, abs=2)
    assert _jpeg(small[1]).shape == (120, 160)
    assert _jpeg(bench.kept.previews[-1][1]).shape == (240, 320)
    assert len(bench.kept.previews[-1][1]) > 3 * len(small[1])
    read_frame_number(_jpeg(bench.kept.previews[-1][1]))


def test_no_previews_where_the_rate_is_zero(bench: Bench) -> None:
    bench.pipeline.update(settings(preview_fps=0.0))
    bench.feed(30, Wanted(preview=True))
    assert bench.kept.previews == []


def test_raw_pictures_are_rgb8_rows_without_padding(bench: Bench) -> None:
    bench.feed(1, Wanted(raw=True))
    _, picture, (width, height) = bench.kept.pictures[0]
    array = np.frombuffer(picture, np.uint8).reshape(height, width, 3)
    assert (width, height) == (320, 240)
    assert (array[0, 2] > 240).all()
    assert (array[0, 12] < 15).all()


def test_a_new_quality_takes_effect_at_once_with_a_keyframe(bench: Bench) -> None:
    bench.feed(3, VIDEO)
    bench.pipeline.update(settings(quality=45, keyframe_interval_s=1.0))
    bench.feed(3, VIDEO)
    assert bench.keyframes == [0, 3]
    assert len(bench.kept.frames[3].data) < len(bench.kept.frames[0].data) / 2


def test_an_encoder_that_can_not_be_opened_is_reported_and_ends_nothing() -> None:
    bench = Bench(settings(preset="no_such_preset"))
    bench.pipeline.start()
    bench.feed(3, Wanted(video=True, preview=True))
    report = bench.pipeline.report()
    bench.pipeline.stop()
    assert report.error.startswith("no encoder for h264 works here (libx264: ")
    assert (report.dropped, report.encoded) == (3, 0)
    assert len(bench.kept.previews) == 1


def test_what_the_encoders_thread_dies_of_is_reported_and_raised_to_the_owner() -> None:
    class Broken(Kept):
        def video(self, frame: EncodedFrame) -> None:
            raise RuntimeError("nobody takes it")

    pipeline = CameraPipeline("test", settings(), Broken())
    pipeline.start()
    pipeline.check()
    pipeline.process(Reel().capture(0), VIDEO)
    wait_until(lambda: bool(pipeline.report().error), "the report")
    assert pipeline.report().error == "encoder failed: RuntimeError: nobody takes it"
    for raises in (pipeline.check, pipeline.stop):
        with pytest.raises(RuntimeError, match="nobody takes it"):
            raises()


def test_pts_grow_also_where_the_system_clock_is_set_back(bench: Bench) -> None:
    bench.feed(2, VIDEO)
    bench.reel._start_ns -= 5 * 10**9
    bench.feed(2, VIDEO)
    pts = [frame.pts_ns for frame in bench.kept.frames]
    assert len(pts) == 4
    assert pts == sorted(set(pts))


def test_frames_that_a_live_source_sends_again_are_not_taken_twice(bench: Bench) -> None:
    bench.feed(10, VIDEO)
    for number in range(5, 10):
        bench.pipeline.process(bench.reel.capture(number), VIDEO)
    bench.feed(1, VIDEO)
    assert [frame.seq for frame in bench.kept.frames] == list(range(11))


def test_packets_of_a_source_that_was_lost_and_is_back_begin_with_a_keyframe() -> None:
    kept, reel = Kept(), Reel()
    pipeline = CameraPipeline("test", settings(codec="copy"), kept)
    keys = {0, 7}
    for number in range(10):
        if number == 4:
            pipeline.source_lost()
        capture = reel.capture(number)
        packet = SourcePacket("h264", bytes([number]), number in keys, 320, 240)
        pipeline.process(replace(capture, packet=packet), VIDEO)
    assert [frame.seq for frame in kept.frames] == [0, 1, 2, 3, 7, 8, 9]


def _jpeg(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The gray picture in a JPEG."""
    context = CodecContext.create("mjpeg", "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    frames = context.decode(Packet(data)) + context.decode(None)
    return frames[0].to_ndarray(format="gray")  # type: ignore[return-value]
