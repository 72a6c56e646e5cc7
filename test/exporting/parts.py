"""Sessions of known messages, to be exported."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rig_capture.cli.export import export
from rig_capture.recorder.streams import StreamSpec
from rig_capture.recorder.tracks.samples import AUDIO_CHUNK
from test.playback.sessions import record_session
from test.recorder.messages import DEFINITIONS, START_NS, header, make

Record = Callable[..., Path]

JOINTS = StreamSpec("topic", "joints", "sensor_msgs/msg/JointState")
WIDTHS = {"S16LE": 2, "S24LE": 3, "S32LE": 4, "F32LE": 4}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Records messages as a session."""
    return partial(record_session, tmp_path / "sessions")


def call(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """The command with --json: its exit code, what it printed, and its errors."""
    import typer

    app = typer.Typer()
    app.command()(export)
    result = CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else {}, result.stderr


def block(index: int, samples: np.ndarray, form: str, *, first_sample: int, stamp_ns: int, segment: int = 0, rate: int = 48000) -> bytes:
    """An AudioChunk of samples (frames, channels), int32 with full scale 2^31."""
    data = (samples / 2.0**31).astype("<f4") if form == "F32LE" else samples.astype("<i4")
    raw = np.ascontiguousarray(data).view(np.uint8).reshape(-1, 4)[:, 4 - WIDTHS[form] :]
    fields = {"sample_rate": rate, "channels": samples.shape[1], "format": form, "frames": len(samples), "drift_ppm": 0.0}
    return make(
        AUDIO_CHUNK,
        header=header(stamp_ns),
        seq=index,
        first_sample=first_sample,
        segment=segment,
        data=np.ascontiguousarray(raw).ravel(),
        **fields,
    )


def joints(stamp_ns: int, positions: list[float]) -> bytes:
    """A JointState with so many positions."""
    DEFINITIONS.need(JOINTS.type)
    empty = np.zeros(0)
    return make(JOINTS.type, header=header(stamp_ns), name=["a"], position=np.array(positions, float), velocity=empty, effort=empty)


def at(milliseconds: float) -> int:
    """A stamp, ns."""
    return START_NS + round(milliseconds * 1e6)
