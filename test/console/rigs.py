"""A rig of synthetic sensors with its console, started as operators start it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

_SMALL = ("width=320", "height=240", "fps=10", "preview_fps=10")
"""The machine has better things to do than encoding."""


class SimRig:
    """The profile `sim`, in folders and a ROS domain of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runtime = Path(tempfile.mkdtemp(prefix="rig-"))  # a socket's path must be short
        self.environment = os.environ | {
            "HOME": str(home),
            "RIG_CAPTURE_RUNTIME_DIR": str(self.runtime),
            "RIG_CAPTURE_DATA_DIR": str(home / "data"),
            "RIG_CAPTURE_CONFIG_DIR": str(home / "config"),
        }

    def run(self, *arguments: str) -> str:
        """One call of the command; what it printed."""
        command = [sys.executable, "-m", "rig_capture.cli", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self, *settings: str) -> None:
        """Returns once every node reports itself."""
        cameras = [f"cameras.{camera}.{setting}" for camera in ("camera_front", "camera_side") for setting in _SMALL]
        chosen = [part for setting in (*cameras, *settings) for part in ("--set", setting)]
        self.run("up", "--profile", "sim", "--background", *chosen)

    @property
    def status(self) -> dict[str, Any]:
        """What `rig status` tells."""
        told: dict[str, Any] = json.loads(self.run("status", "--json"))
        return told

    def node(self, name: str) -> psutil.Process:
        """The process of a node."""
        processes = psutil.process_iter(["cmdline"])
        return next(one for one in processes if self._is_ours(one) and f"__node:={name}" in (one.info["cmdline"] or []))

    def kill_all(self) -> None:
        """Whatever it left behind."""
        left = [process for process in psutil.process_iter(["cmdline"]) if self._is_ours(process)]
        for process in left:
            process.kill()
        psutil.wait_procs(left, 10)
        shutil.rmtree(self.runtime, ignore_errors=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        return any(str(self.runtime) in part for part in process.info["cmdline"] or [])


@contextmanager
def sim_rig(home: Path, *settings: str) -> Iterator[SimRig]:
    """A rig that is up while the block runs."""
    rig = SimRig(home)
    try:
        rig.up(*settings)
        yield rig
        rig.run("down")
    finally:
        rig.kill_all()
