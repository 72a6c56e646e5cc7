"""The made-up camera: what is burnt in can be read, and frames come on their beat."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rig_capture.sensing.camera.frame import plane_view
from rig_capture.sensing.camera.synthetic import Scene, SyntheticCamera, read_frame_number
from test.sensing.camera.helpers import read, settings


@hypothesis_settings(deadline=None, max_examples=40)
@given(number=st.integers(0, 2**32 - 1), width=st.integers(16, 1000), height=st.integers(8, 600))
def test_any_number_is_read_back_from_any_size(number: int, width: int, height: int) -> None:
    assert read_frame_number(plane_view(Scene(width, height).draw(number, 10**18), 0)) == number


@pytest.mark.parametrize("size", [(160, 120), (1920, 1080)])
def test_the_number_survives_scaling(size: tuple[int, int]) -> None:
    frame = Scene(640, 480).draw(123456, 10**18)
    assert read_frame_number(plane_view(frame.reformat(*size), 0)) == 123456


def test_a_picture_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no row of cells"):
        read_frame_number(np.full((480, 640), 100, np.uint8))


def test_a_damaged_number_is_refused() -> None:
    luma = plane_view(Scene(640, 480).draw(5, 10**18), 0).copy()
    luma[:20, 300:320] = 235
    with pytest.raises(ValueError, match="its check is"):
        read_frame_number(luma)


def test_the_scene_moves_and_its_clock_runs() -> None:
    scene = Scene(320, 240)
    first, later = (plane_view(scene.draw(number, 10**18 + number * 10**9), 0).copy() for number in (0, 1))
    assert (first[100:] != later[100:]).mean() > 0.5
    clock = slice(16, 32)
    assert (first[clock, :100] != later[clock, :100]).any()


def test_frames_are_numbered_and_evenly_stamped() -> None:
    camera = SyntheticCamera(settings(fps=100.0), first_number=7)
    seen: list[int] = []

    def look(capture: object) -> None:
        picture = capture.picture()  # type: ignore[attr-defined]
        seen.append(read_frame_number(plane_view(picture, 0)))

    camera.open()
    captures = read(camera, 20, look)
    camera.close()
    assert {later.stamp_ns - earlier.stamp_ns for earlier, later in itertools.pairwise(captures)} == {10_000_000}
    assert seen == list(range(7, 27))


def test_an_interrupt_ends_the_wait_for_a_slow_frame() -> None:
    camera = SyntheticCamera(settings(fps=0.01))
    camera.open()
    read(camera, 1)
    camera.interrupt()
    assert camera.read() is None
