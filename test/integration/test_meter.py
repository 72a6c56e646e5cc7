"""`rig meter` and `rig listen` at real nodes, at a profile's device, and on files."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from rig_capture_msgs.msg import AudioChunk, AudioLevel

from rig_capture.cli import main
from rig_capture.sensing.audio.files import SoundFormat, SoundWriter
from rig_capture.sensing.audio.synthetic import pack
from test.integration.nodes import Ear, running
from test.parts import PulseNullSink, need_programs, wait_until
from test.sensing.test_audio_levels import RATE, SOUNDS, astats

pytestmark = pytest.mark.integration


def rig(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rig_capture.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | (environment or {}))


def decoded(file: Path) -> tuple[str, float]:
    """Codec, and seconds of sound."""
    with av.open(str(file)) as container:
        stream = container.streams.audio[0]
        return stream.codec_context.name, sum(frame.samples / frame.sample_rate for frame in container.decode(stream))


@pytest.mark.parametrize("kind", ["wav", "flac", "opus", "mp3"])
@pytest.mark.parametrize("sample_format", ["S16LE", "S24LE", "S32LE", "F32LE"])
def test_every_kind_of_file_takes_every_format(tmp_path: Path, kind: str, sample_format: str) -> None:
    tone = np.repeat(SOUNDS["sine"][:24000].reshape(-1, 1), 2, axis=1)
    file = tmp_path / f"sound.{kind}"
    writer = SoundWriter(file, kind, SoundFormat(sample_format, RATE, 2))
    for part in np.split(tone, 10):
        writer.write(pack(part, sample_format))
    writer.close()
    codec, seconds = decoded(file)
    assert codec.startswith({"wav": "pcm_", "mp3": "mp3"}.get(kind, kind))
    assert seconds == pytest.approx(0.5, abs=0.05)


def test_one_look_at_a_running_source(ear: Ear, namespace: str, tmp_path: Path) -> None:
    levels_heard = ear.hear(AudioLevel, f"{namespace}/mic/level")
    with running("audio", namespace, tmp_path, name="mic"):
        ear.until(lambda: len(levels_heard) > 0, "levels")
        shown = rig("meter", "--json", "--namespace", namespace)
        page = rig("meter", "mic", "--namespace", namespace)
        unknown = rig("meter", "nobody", "--namespace", namespace)
    assert shown.returncode == 0, shown.stderr
    levels = json.loads(shown.stdout)["sources"]["mic"]
    assert len(levels["rms_dbfs"]) == 2
    assert levels["duration_s"] == pytest.approx(0.1)
    assert -20 < levels["peak_dbfs"][0] <= 0
    assert page.returncode == 0
    assert "mic" in page.stdout
    assert unknown.returncode == 2
    assert "there are: mic" in unknown.stderr


def test_a_live_meter_gives_a_line_per_measurement_until_it_is_stopped(ear: Ear, namespace: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rig_capture.cli", "meter", "--live", "--json", "--namespace", namespace]
    levels_heard = ear.hear(AudioLevel, f"{namespace}/mic/level")
    with running("audio", namespace, tmp_path, name="mic"):
        ear.until(lambda: len(levels_heard) > 0, "levels")
        meter = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert meter.stdout is not None
        stamps = [json.loads(meter.stdout.readline())["mic"]["stamp_ns"] for _ in range(10)]
        meter.send_signal(signal.SIGINT)
        assert meter.wait(20) == 0
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] > 500_000_000


def test_without_a_rig_the_devices_of_the_profile_are_measured(namespace: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(
        f"namespace: {namespace}\nmicrophones:\n  good: {{}}\n  bad: {{driver: command, command: 'no_such_program'}}\n"
        "recorder: null\nuploader: null\n"
    )
    done = rig("meter", "--device", "--json", "--profile", str(profile))
    assert done.returncode == 1
    sources = json.loads(done.stdout)["sources"]
    assert sources["good"]["peak_dbfs"][0] > -20
    assert "no_such_program was not found" in sources["bad"]["error"]


@pytest.mark.parametrize("sample_format", ["S16LE", "S24LE", "S32LE", "F32LE"])
def test_a_file_measures_as_ffmpeg_says(tmp_path: Path, capsys: pytest.CaptureFixture[str], sample_format: str) -> None:
    need_programs("ffmpeg", "ffmpeg")
    raw, file = tmp_path / "raw", tmp_path / "sound.wav"
    raw.write_bytes(pack(np.clip(np.stack(list(SOUNDS.values()), axis=1), -1, 1), sample_format))
    form = sample_format.lower()
    source = ["-f", form, "-ar", str(RATE), "-ac", str(len(SOUNDS)), "-i", str(raw)]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-c:a", f"pcm_{form}", str(file)], check=True)
    assert main(["meter", "--file", str(file), "--json"]) == 0
    measured: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert measured["duration_s"] == 1
    for name, ours, theirs in zip(SOUNDS, measured["channels"], astats(raw, sample_format, len(SOUNDS)), strict=True):
        if name == "silence":
            assert ours["rms_dbfs"] is None
            continue
        assert ours["peak_dbfs"] == pytest.approx(theirs["Peak level dB"], abs=0.1), name
        assert ours["rms_dbfs"] == pytest.approx(theirs["RMS level dB"], abs=0.1), name
        assert ours["dc_offset"] == pytest.approx(theirs["DC offset"], abs=1e-4), name
    assert [channel["clipped_blocks"] for channel in measured["channels"]] == [0, 0, 10, 0, 0, 0]


def test_what_is_no_sound_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    assert main(["meter", "--file", str(tmp_path / "text.wav")]) == 1
    assert "can't be read as sound" in capsys.readouterr().err


def test_listening_to_the_last_second_and_live(ear: Ear, namespace: str, tmp_path: Path) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/mic/audio")
    with running("audio", namespace, tmp_path, name="mic"):
        ear.until(lambda: len(chunks) > 22, "a second of sound")
        done = rig("listen", "mic", "--seconds", "1", "--out", str(tmp_path / "last.ogg"), "--namespace", namespace)
        assert done.returncode == 0, done.stderr
        live = tmp_path / "live.wav"
        command = [sys.executable, "-m", "rig_capture.cli", "listen", "mic", "--out", str(live), "--namespace", namespace]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
            wait_until(lambda: live.exists() and live.stat().st_size > 50_000, "live sound in the file")
            listener.send_signal(signal.SIGINT)
            assert listener.wait(20) == 0
        nobody = rig("listen", "nobody", "--seconds", "1", "--namespace", namespace)
    codec, seconds = decoded(tmp_path / "last.ogg")
    assert codec == "opus"
    assert seconds == pytest.approx(1.0, abs=0.06)
    codec, seconds = decoded(live)
    assert codec == "pcm_s16le"
    assert seconds > 0.3
    assert nobody.returncode == 1
    assert "sources of sound in this rig: mic" in nobody.stderr


def test_listening_by_the_loudspeaker(ear: Ear, namespace: str, tmp_path: Path, pulse_null_sink: PulseNullSink) -> None:
    """What one microphone hears is played into a sound server, and another one hears it there."""
    heard = ear.hear(AudioChunk, f"{namespace}/echo/audio")
    environment = pulse_null_sink.environment
    echo = {"driver": "pulse", "device": pulse_null_sink.source, "channels": 1}

    def loud() -> bool:
        return any(np.frombuffer(chunk.data.tobytes(), "<i2").max() > 3000 for chunk in heard[-20:])

    with (
        running("audio", namespace, tmp_path, name="mic"),
        running("audio", namespace, tmp_path, echo, name="echo", environment=environment),
    ):
        ear.until(lambda: len(heard) > 5, "sound from the server")
        assert not loud()
        command = [sys.executable, "-m", "rig_capture.cli", "listen", "mic", "--play", "--namespace", namespace]
        with subprocess.Popen(command, env=os.environ | environment) as listener:
            ear.until(loud, "the sound of the microphone")
            listener.send_signal(signal.SIGINT)
            assert listener.wait(20) == 0
        ear.until(lambda: not loud(), "silence again")
        done = rig("listen", "mic", "--seconds", "2", "--play", "--namespace", namespace, environment=environment)
        assert done.returncode == 0, done.stderr
        ear.until(loud, "its last seconds")
