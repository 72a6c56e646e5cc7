"""Sound servers: one that answers, one that is gone, one that hangs."""

import os
import signal
from pathlib import Path

import pytest

from rig_capture.sensing.sound_servers import ServerSilent, server
from test.parts import PulseNullSink


def test_pulseaudio_answers_hangs_goes_and_comes(pulse_null_sink: PulseNullSink) -> None:
    pulse = server("pulseaudio", pulse_null_sink.environment)
    assert pulse is not None
    pulse.ask(5.0)
    assert pulse_null_sink._server is not None
    pid = pulse_null_sink._server.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ServerSilent, match="does not answer within"):
        pulse.ask(0.3)
    os.kill(pid, signal.SIGCONT)
    pulse.ask(5.0)
    pulse_null_sink.kill()
    with pytest.raises(ServerSilent, match="native"):
        pulse.ask(5.0)
    pulse_null_sink.start()
    pulse.ask(5.0)


def test_places_of_servers_follow_their_variables(tmp_path: Path) -> None:
    runtime = {"XDG_RUNTIME_DIR": "/run/me"}
    places = {
        ("pulseaudio", ""): "/run/me/pulse/native",
        ("pulseaudio", "PULSE_SERVER=unix:/tmp/p"): "/tmp/p",
        ("pulseaudio", "PULSE_RUNTIME_PATH=/run/p"): "/run/p/native",
        ("pipewire", ""): "/run/me/pipewire-0",
        ("pipewire", "PIPEWIRE_REMOTE=other"): "/run/me/other",
        ("pipewire", "PIPEWIRE_RUNTIME_DIR=/run/w"): "/run/w/pipewire-0",
    }
    for (name, variable), place in places.items():
        found = server(name, runtime | dict([variable.split("=")] if variable else []))
        assert found is not None
        assert str(found.socket) == place
    assert server("pulseaudio", {"PULSE_SERVER": "tcp:studio"}) is None, "another machine's is not ours to watch"
