"""Where an inventory looks: the system's folders and calls, and the programs it asks."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from rig_capture.sensing.camera.v4l2_abi import Kernel, LinuxKernel
from rig_capture.sensing.i2c import OpenBus, open_smbus

PROGRAM_TIMEOUT_S = 3.0
"""Sound servers answer within milliseconds; one that hangs is given up."""


class Absent(Exception):
    """The machine has nothing of this kind, or nothing that tells of it; the message says why and what would change it."""


class Unreadable(Exception):
    """There is something, and it can't be read; the message says why and what to do."""


@dataclass(frozen=True)
class Places:
    """The system's edges."""

    sysfs: Path = Path("/sys")
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    kernel: Kernel = field(default_factory=LinuxKernel)
    """Calls to cameras and GPIO chips."""
    open_bus: OpenBus = open_smbus
    """Opens an I2C bus."""


def ask(program: str, *arguments: str, package: str) -> str:
    """What a program writes to its standard output.

    Raises:
        Absent: the program is not installed, or its server does not run (it exits with an error).
        Unreadable: it hangs.
    """
    if shutil.which(program) is None:
        raise Absent(f"{program} not found; where this machine should have it: sudo apt-get install {package}")
    # In English, with points in numbers; and no JACK server is started by being asked for.
    environment = os.environ | {"LC_ALL": "C", "JACK_NO_START_SERVER": "1"}
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, errors="replace", timeout=PROGRAM_TIMEOUT_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unreadable(f"{program} gives no answer within {PROGRAM_TIMEOUT_S:g} s; restart the sound server it asks") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise Absent(f"{program}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def text_of(file: Path) -> str:
    """A file's text without blanks around it; empty where it is not there or can't be read now, as in /sys."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
