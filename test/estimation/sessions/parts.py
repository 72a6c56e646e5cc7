"""Recorded sessions, and models that misbehave: an installed package of their own, found by its entry points like any other."""

import itertools
import os
from pathlib import Path

import pytest

from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.recorder.recording import Recording, RecordingContext, RecordingRequest
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import VIDEO_PACKET
from test.recorder.messages import START_NS, video

_numbers = itertools.count()

_MODELS = """
import os, pathlib, time
import numpy as np
from rig_capture.estimation.models.kind import ModelKind
from rig_capture.estimation.models.model import Detections
from rig_capture.estimation.predictions import ModelIdentity

class Plain:
    skeleton = input_size = None
    name = "plain"

    @property
    def identity(self):
        return ModelIdentity(name=self.name, version="1")

    def begin(self, rate_hz):
        pass

    def predict(self, batch):
        nothing = np.zeros(0, np.int32)
        return Detections(nothing, np.zeros((0, 5), np.float32), motion=np.zeros(len(batch), np.float32))

class Slow(Plain):
    name = "slow"

    def predict(self, batch):
        time.sleep(0.05)
        return super().predict(batch)

class Crashing(Plain):
    name = "crashing"

    def predict(self, batch):
        os.kill(os.getpid(), 11)

class Hanging(Plain):
    name = "hanging"

    def predict(self, batch):
        time.sleep(600)

class OnceBroken(Plain):
    "Fails while a file is there."

    name = "broken"

    def predict(self, batch):
        if pathlib.Path(os.environ["RIG_TEST_BROKEN"]).exists():
            raise ValueError("out of order")
        return super().predict(batch)

plain, slow, crashing, hanging, broken = (
    ModelKind("for tests", lambda file, settings, model=model: model()) for model in (Plain, Slow, Crashing, Hanging, OnceBroken)
)
"""

_ENTRY_POINTS = """[rig_capture.models]
plain = rig_test_models:plain
slow = rig_test_models:slow
crashing = rig_test_models:crashing
hanging = rig_test_models:hanging
broken = rig_test_models:broken
"""


def install_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the models findable for this test and the processes it starts."""
    distribution = folder / "rig_test_models-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: rig-test-models\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(_ENTRY_POINTS)
    (folder / "rig_test_models.py").write_text(_MODELS)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("RIG_TEST_BROKEN", str(folder / "broken"))


def record(root: Path, *streams: str, frames: int = 12) -> Path:
    """A finished session with streams of video; its folder."""
    start_ns = START_NS + next(_numbers) * 10**9
    context = RecordingContext(RecorderParameters(), root, {"ros_distro": "jazzy"}, {}, lambda: start_ns)
    failures: list[BaseException] = []
    recording = Recording(context, RecordingRequest(), lambda name, failure: failures.append(failure))
    packets = list(video("h264", frames, size=(64, 48)))
    for stream in streams:
        sink = recording.add_stream(StreamSpec("video", f"{stream}/video", VIDEO_PACKET), f"/{stream}/video", [])
        for packet in packets:
            sink.take(packet, start_ns)
    summary = recording.finish("complete", "stopped")
    assert failures == []
    return summary.path
