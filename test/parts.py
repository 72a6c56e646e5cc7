"""Real parts that tests start: sound, and conditions to wait for."""

import contextlib
import math
import os
import shutil
import socket
import struct
import subprocess
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Returns once the condition holds; fails the test where it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.01)


def fill_to_the_brim(folder: Path) -> None:
    """Writes a file until not another byte goes in."""
    with (folder / "somebody_elses").open("ab", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def need_programs(package: str, *programs: str) -> None:
    """Skips the test where a Debian package's programs are missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not found; run: sudo apt-get install {package}")


class PulseNullSink:
    """A PulseAudio server of its own with one null sink: what is played into it can be recorded from its monitor."""

    sink = "rig"
    source = "rig.monitor"
    rate = 48000

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.chmod(0o700)
        self._server: subprocess.Popen[bytes] | None = None
        self._players: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make PulseAudio's programs use this server."""
        return {"XDG_RUNTIME_DIR": str(self.folder), "HOME": str(self.folder), "PULSE_SERVER": f"unix:{self._socket}"}

    @property
    def _socket(self) -> Path:
        return self.folder / "pulse" / "native"

    def start(self) -> None:
        """Starts the server and waits until it can be connected to."""
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
        command += ["-L", f"module-null-sink sink_name={self.sink} rate={self.rate}", "-L", "module-native-protocol-unix"]
        environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"} | self.environment
        del environment["PULSE_SERVER"]
        with (self.folder / "pulseaudio.log").open("ab") as log:
            self._server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        wait_until(self._answers, "PulseAudio's start")

    def kill(self) -> None:
        """Kills the server as a crash would."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def play_tone(self, hertz: float, seconds: float) -> None:
        """Plays a tone into the sink; returns at once."""
        file = self.folder / f"tone_{hertz:g}.wav"
        samples = (int(12000 * math.sin(2 * math.pi * hertz * n / self.rate)) for n in range(int(seconds * self.rate)))
        with wave.open(str(file), "wb") as tone:
            tone.setparams((1, 2, self.rate, 0, "NONE", ""))
            tone.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
        self._players.append(subprocess.Popen(["paplay", f"--device={self.sink}", str(file)], env=os.environ | self.environment))

    def stop(self) -> None:
        """Ends players and server."""
        for player in self._players:
            player.kill()
            player.wait()
        self.kill()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self._socket)) == 0
