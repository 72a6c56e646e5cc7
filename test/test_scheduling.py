"""Encoders leave the machine's scheduling as it was."""

import os
from pathlib import Path

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera.encoder import Encoder


def real_time_threads() -> set[int]:
    """Threads of this process that the ordinary scheduler does not hold."""
    threads = (int(thread.name) for thread in Path("/proc/self/task").iterdir())
    return {thread for thread in threads if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR)}


def test_opening_an_encoder_makes_no_thread_a_real_time_one() -> None:
    before = real_time_threads()
    encoder = Encoder(CameraSettings(codec="av1", width=320, height=240), (320, 240))
    assert encoder.name
    assert real_time_threads() <= before
