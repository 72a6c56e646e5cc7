"""What the audio node says of its sound: levels, problems with their recoveries, and the last seconds to listen to."""

import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rig_capture_msgs.msg import AudioChunk, AudioLevel, HealthEvent
from rig_capture_msgs.srv import Listen

from rig_capture.nodes.common.base import state_qos
from rig_capture.sensing.audio.synthetic import pack
from test.integration.nodes import Ear, running, stamp_ns
from test.integration.recorders import Call

pytestmark = pytest.mark.integration


def endless(folder: Path, wave: "np.ndarray[Any, Any]") -> str:
    """A command that plays a second of sound, shape (frames, channels), again and again."""
    (folder / "second").write_bytes(pack(wave, "S16LE"))
    (folder / "play.sh").write_text(f"while cat {folder}/second; do sleep 1; done\n")
    return f"'sh {folder}/play.sh'"


def test_levels_come_ten_times_a_second_with_the_time_of_their_samples(ear: Ear, namespace: str, tmp_path: Path) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/mic/audio")
    levels: list[AudioLevel] = ear.hear(AudioLevel, f"{namespace}/mic/level")
    # Two channels, of which the source's second is published twice.
    with running("audio", namespace, tmp_path, {"channel_map": "'1,1'"}, name="mic"):
        ear.until(lambda: len(levels) >= 12, "levels")
    assert {stamp_ns(level) for level in levels[1:]} <= {stamp_ns(chunk) for chunk in chunks}
    quiet = [level for level in levels if level.peak_dbfs[0] < -6]
    assert quiet, "blocks without the click"
    assert all(level.duration_s == pytest.approx(0.1) for level in levels)
    assert quiet[0].rms_dbfs[1] == pytest.approx(20 * np.log10(0.25) - 3.01, abs=0.1)
    assert quiet[0].correlated == ["0-1"]
    assert chunks[0].channels == 2


def test_problems_of_the_sound_are_told_once_and_so_are_their_recoveries(ear: Ear, namespace: str, tmp_path: Path, call: Call) -> None:
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))

    def told() -> list[HealthEvent]:
        return [event for event in events if event.family == "audio"]

    time = np.arange(48000) / 48000
    loud, quiet = np.clip(3 * np.sin(2 * np.pi * 440 * time), -1, 1), 0.0005 * np.sin(2 * np.pi * 300 * time)
    sound = np.stack([loud, np.zeros(48000), quiet, 0.5 * loud], axis=1)
    parameters = {"driver": "command", "command": endless(tmp_path, sound), "channels": 4}
    parameters |= {"flatline_s": 0.2, "low_signal_s": 0.2, "correlation_s": 0.2, "recovery_s": 0.1}
    with running("audio", namespace, tmp_path, parameters):
        expected = {("audio_clipping", "0"), ("audio_flatline", "1"), ("audio_low_signal", "2"), ("audio_correlated", "0-3")}
        ear.until(lambda: len(told()) >= 4, "four problems")
        begun = {(event.code, json.loads(event.evidence)["subject"]) for event in told()}
        assert begun == expected
        assert not any(event.recovered for event in told())
        lax = {"clip_dbfs": 0.0, "flatline_dbfs": -200.0, "low_signal_dbfs": -90.0, "correlation_limit": 1.0}
        # Clipped samples of 16 bit reach -0.0003 dBFS at most; only what is really silent stays flat.
        values = {name: ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value) for name, value in lax.items()}
        answer = call(
            SetParameters, "audio/set_parameters", parameters=[Parameter(name=name, value=value) for name, value in values.items()]
        )
        assert all(result.successful for result in answer.results)
        ear.until(lambda: len(told()) >= 7, "the recoveries")
    over = {(event.code, json.loads(event.evidence)["subject"]) for event in told()[4:] if event.recovered}
    assert over >= expected - {("audio_flatline", "1")}
    assert all(event.recovered for event in told()[4:]), "nothing is told twice"


def test_overruns_are_in_levels_and_told(ear: Ear, namespace: str, tmp_path: Path) -> None:
    events: list[HealthEvent] = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    levels: list[AudioLevel] = ear.hear(AudioLevel, f"{namespace}/audio/level")
    (tmp_path / "source.sh").write_text("echo 'overrun!!!' >&2; echo 'overrun!!!' >&2; sleep 0.2; exec cat /dev/urandom\n")
    with running("audio", namespace, tmp_path, {"driver": "command", "command": f"'sh {tmp_path}/source.sh'"}):
        ear.until(lambda: any(event.code == "audio_overrun" for event in events), "the overruns")
        ear.until(lambda: bool(levels) and levels[-1].overruns == 2, "the overruns in the levels")
    (told,) = [event for event in events if event.code == "audio_overrun"]
    assert json.loads(told.evidence)["overruns"] == 2


@pytest.mark.parametrize("kind", ["wav", "opus"])
def test_the_last_seconds_can_be_listened_to(ear: Ear, namespace: str, tmp_path: Path, call: Call, kind: str) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/audio/audio")
    with running("audio", namespace, tmp_path, {"format": "F32LE"}):
        ear.until(lambda: len(chunks) > 25, "a second of sound")
        answer = call(Listen, "audio/listen", seconds=1.0, format=kind)
        assert answer.success, answer.message
        refused = call(Listen, "audio/listen", seconds=1.0, format="mp2")
    assert not refused.success
    assert "wav or opus" in refused.message
    assert stamp_ns_of(answer.stamp) in {stamp_ns(chunk) for chunk in chunks}
    assert answer.duration_s == pytest.approx(1.0, abs=0.06)
    with av.open(io.BytesIO(answer.data.tobytes()), "r") as file:
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])
        codec = file.streams.audio[0].codec_context.name
    assert codec == {"wav": "pcm_f32le", "opus": "opus"}[kind]
    assert len(samples) / 2 / 48000 == pytest.approx(answer.duration_s, abs=0.02)
    assert 0.1 < float(np.sqrt(np.mean(samples**2))) < 0.3


def stamp_ns_of(stamp: Any) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)
