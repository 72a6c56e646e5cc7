"""A process that estimates streams, one after the other, as its owner sees it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from rig_capture.estimation.sessions.queue import StreamTask
from rig_capture.profiles.settings.estimation import EstimatorParameters

_END_S = 10.0
"""A process that is not needed any more is given so long to end."""


class EstimateProcess:
    """Owns the process, from its making to `end`."""

    def __init__(self, settings: EstimatorParameters) -> None:
        """Starts it; it loads the model first. Raises OSError."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "rig_capture.estimation.sessions.child",
            f"--batch={settings.batch}",
            f"--nice={settings.nice}",
        ]
        command += [] if settings.parquet else ["--no-parquet"]
        command += [f"--set={text}" for text in settings.model_settings]
        # In a session of its own: Ctrl-C at a terminal is for its owner, who ends it.
        self._process = subprocess.Popen(
            [*command, "--", settings.model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._rest = b""
        self._is_paused = False
        self.heard_at = self.began_at = time.monotonic()
        self.model = ""
        """What the model calls itself; empty until it is loaded."""
        self.task: StreamTask | None = None
        """What it is at."""
        self.frames = self.total = 0
        self.answer: dict[str, Any] | None = None
        """What came of its task, or of loading, as `child` tells; None until it has told."""
        self.has_ended = False

    @property
    def is_idle(self) -> bool:
        """Whether it may be given a task."""
        return bool(self.model) and self.task is None and not self.has_ended

    def fileno(self) -> int:
        """Readable when it has told something, or ended; for selectors."""
        return self._out.fileno()

    def give(self, task: StreamTask) -> None:
        """Gives it something to do."""
        self.task, self.answer, self.frames, self.total = task, None, 0, 0
        self.began_at = self.heard_at = time.monotonic()
        self._write(json.dumps([str(task.session), task.stream]).encode())

    def hear(self) -> None:
        """Takes what it told."""
        data = self._out.read()
        if data == b"":
            self.has_ended = True
        if data:
            self.heard_at = time.monotonic()
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def set_paused(self, paused: bool) -> None:
        """Lets it pause after its batch of frames, or go on."""
        if paused != self._is_paused:
            self._is_paused = paused
            self.heard_at = time.monotonic()
            self._write(b"p" if paused else b"g")

    def silent_s(self) -> float:
        """For how long it told of no progress, though it has something to do and is not paused."""
        return 0.0 if self._is_paused or self.is_idle else time.monotonic() - self.heard_at

    def end(self, *, now: bool) -> str:
        """Ends it, at once or as it ends by itself, and says how it ended."""
        assert self._process.stdin is not None
        if now:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._out.close()
        if code >= 0:
            return f"exit code {code}"
        return f"signal {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"signal {-code}"

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended; that it has is heard
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()

    def _take(self, told: dict[str, Any]) -> None:
        if "frames" in told:
            self.frames, self.total = told["frames"], told["total"] or 0
        elif "model" in told:
            self.model = told["model"]
        else:
            self.answer = told
