"""The audio node over DDS: with a synthetic source, with a real PulseAudio, and with a command of its own."""

import itertools
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rig_capture_msgs.msg import AudioChunk

from test.integration.nodes import Ear, running, stamp_ns
from test.parts import PulseNullSink, alive

pytestmark = pytest.mark.integration


def assert_whole(chunks: list[Any]) -> None:
    """No block is missing, and stamps advance by exactly the samples."""
    first = chunks[0].seq
    assert [chunk.seq for chunk in chunks] == list(range(first, first + len(chunks)))
    anchors: dict[int, int] = {}
    for chunk in chunks:
        anchor = anchors.setdefault(chunk.segment, stamp_ns(chunk) - chunk.first_sample * 1_000_000_000 // chunk.sample_rate)
        assert stamp_ns(chunk) == anchor + chunk.first_sample * 1_000_000_000 // chunk.sample_rate
        assert len(chunk.data) == chunk.frames * chunk.channels * 2
    for before, after in itertools.pairwise(chunks):
        continues = after.segment == before.segment
        assert after.first_sample == (before.first_sample + before.frames if continues else 0)


def loudest_hz(chunks: list[Any], channel: int = 0) -> float:
    """Frequency with the most power in a stream of S16LE blocks."""
    samples = np.frombuffer(b"".join(chunk.data.tobytes() for chunk in chunks), "<i2").reshape(-1, chunks[0].channels)[:, channel]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum[1:]) + 1) * chunks[0].sample_rate / len(samples)


def test_synthetic_sound_arrives_whole_and_the_node_ends_quietly(ear: Ear, namespace: str, tmp_path: Path) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/mic/audio")
    diagnosis = ear.diagnosis(namespace, "mic")
    with running("audio", namespace, tmp_path, {"tone_hz": 500.0}, name="mic") as node:
        ear.until(lambda: len(chunks) >= 30 and diagnosis() is not None, "thirty blocks")
        code, seconds = node.end(signal.SIGTERM)
    assert (code, node.said) == (0, "")
    assert seconds < 2
    assert_whole(chunks)
    assert loudest_hz(chunks, 0) == pytest.approx(500, abs=2)
    assert loudest_hz(chunks, 1) == pytest.approx(1000, abs=2)
    assert chunks[0].header.frame_id == "mic"
    status = diagnosis()
    assert status is not None
    assert {"drift_ppm", "offset_ms", "overruns", "segment"} <= {value.key for value in status.values}


def test_a_tone_played_into_pulseaudio_is_in_the_published_samples(
    ear: Ear, namespace: str, tmp_path: Path, pulse_null_sink: PulseNullSink
) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/audio/audio")
    parameters = {"driver": "pulse", "device": pulse_null_sink.source, "channels": 1}
    with running("audio", namespace, tmp_path, parameters, environment=pulse_null_sink.environment) as node:
        ear.until(lambda: len(chunks) > 0, "sound")
        pulse_null_sink.play_tone(1234.0, 10)
        ear.until(lambda: len(chunks) >= 10 and loudest_hz(chunks[-10:]) == pytest.approx(1234, abs=3), "the tone")
        assert node.end()[0] == 0
    assert_whole(chunks)


def test_pulseaudio_killed_and_back_begins_a_new_segment(ear: Ear, namespace: str, tmp_path: Path, pulse_null_sink: PulseNullSink) -> None:
    chunks = ear.hear(AudioChunk, f"{namespace}/audio/audio")
    diagnosis = ear.diagnosis(namespace, "audio")
    parameters = {"driver": "pulse", "device": pulse_null_sink.source, "retry_min_s": 0.1, "retry_max_s": 0.2}

    def diagnosed(text: str) -> bool:
        status = diagnosis()
        return status is not None and text in status.message

    with running("audio", namespace, tmp_path, parameters, environment=pulse_null_sink.environment) as node:
        ear.until(lambda: len(chunks) >= 5, "sound")
        pulse_null_sink.kill()
        ear.until(lambda: diagnosed("the sound source was lost"), "the loss in the diagnostics")
        assert diagnosed("Connection")
        pulse_null_sink.start()
        ear.until(lambda: chunks[-1].segment == 1 and len(chunks) >= 10, "a second segment")
        assert node.end()[0] == 0
    assert_whole(chunks)
    second = next(chunk for chunk in chunks if chunk.segment == 1)
    last = next(chunk for chunk in reversed(chunks) if chunk.segment == 0)
    assert stamp_ns(second) > stamp_ns(last) + last.frames * 1_000_000_000 // last.sample_rate


def test_the_recording_program_does_not_outlive_a_killed_node(ear: Ear, namespace: str, tmp_path: Path) -> None:
    program = tmp_path / "source.sh"
    program.write_text(f"echo $$ > {tmp_path}/pid; exec cat /dev/zero\n")
    chunks = ear.hear(AudioChunk, f"{namespace}/audio/audio")
    with running("audio", namespace, tmp_path, {"driver": "command", "command": f"'sh {program}'"}) as node:
        ear.until(lambda: len(chunks) >= 1, "sound")
        pid = int((tmp_path / "pid").read_text())
        node.kill()
        ear.until(lambda: not alive(pid), "the end of the recording program")


def test_wrong_settings_end_the_node_with_code_2_and_one_line(namespace: str, tmp_path: Path) -> None:
    with running("audio", namespace, tmp_path, {"driver": "command"}) as node:
        assert node.process.wait(20) == 2
    assert "parameter command" in node.said
    assert "Traceback" not in node.said
