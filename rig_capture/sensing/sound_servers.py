"""Whether sound servers answer. Looking never starts one, as their own programs may."""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SERVERS = {"pulseaudio": ("pactl", "info"), "pipewire": ("pw-cli", "info", "0")}
"""Names, and what asks each."""


class ServerSilent(Exception):
    """A sound server that does not answer; the message says why."""


@dataclass(frozen=True)
class SoundServer:
    """A sound server of this user."""

    name: str
    """One of SERVERS."""
    socket: Path

    def ask(self, timeout_s: float) -> None:
        """Returns where it answers; where its program is not installed, taking a connection is enough. Raises ServerSilent."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout_s)
                connection.connect(str(self.socket))
        except OSError as error:
            raise ServerSilent(f"{self.socket}: {error.strerror or error}") from error
        words = SERVERS[self.name]
        if shutil.which(words[0]) is None:
            return
        try:
            answer = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False, env=os.environ | self._address)
        except subprocess.TimeoutExpired as error:
            raise ServerSilent(f"it takes connections, and does not answer within {timeout_s:g} s") from error
        if answer.returncode:
            raise ServerSilent(answer.stderr.strip() or f"{words[0]} ended with {answer.returncode}")

    @property
    def _address(self) -> Mapping[str, str]:
        return {"PULSE_SERVER": f"unix:{self.socket}"} if self.name == "pulseaudio" else {}


def server(name: str, environment: Mapping[str, str] | None = None) -> SoundServer | None:
    """A sound server by name, at its usual place or the one that its variables name; None where that is another machine."""
    variables = os.environ if environment is None else environment
    runtime = Path(variables.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    if name == "pipewire":
        remote = variables.get("PIPEWIRE_REMOTE") or "pipewire-0"
        return SoundServer(name, Path(variables.get("PIPEWIRE_RUNTIME_DIR") or runtime) / remote)
    address = variables.get("PULSE_SERVER", "").removeprefix("unix:")
    if address and not address.startswith("/"):
        return None
    return SoundServer(name, Path(address) if address else Path(variables.get("PULSE_RUNTIME_PATH") or runtime / "pulse") / "native")
