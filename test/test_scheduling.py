"""Encoders leave the machine's scheduling as it was."""

import os
from pathlib import Path

from rig_capture.profiles.settings import CameraSettings
from rig_capture.sensing.camera.encoder import Encoder


def test_no_thread_of_an_encoder_is_a_real_time_one() -> None:
    encoder = Encoder(CameraSettings(codec="av1", width=320, height=240), (320, 240))
    assert encoder.name
    policies = {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()}
    assert policies <= {os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_IDLE}
