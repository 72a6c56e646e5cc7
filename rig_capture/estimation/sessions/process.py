"""A process that estimates one stream, as its owner sees it."""

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
"""A process that has told its results is given so long to end."""


class EstimateProcess:
    """Owns the process, from its making to `end`."""

    def __init__(self, task: StreamTask, settings: EstimatorParameters) -> None:
        """Starts it. Raises OSError."""
        command = [sys.executable, "-m", "rig_capture.estimation.sessions.child", str(task.session), task.stream, task.model]
        command += [f"--model-file={settings.model_file}", f"--batch={settings.batch}", f"--nice={settings.nice}"]
        command += [] if settings.parquet else ["--no-parquet"]
        # In a session of its own: Ctrl-C at a terminal is for its owner, who ends it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdout is not None
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._rest = b""
        self._is_paused = False
        self.task = task
        self.began_at = self.heard_at = time.monotonic()
        self.frames = self.total = 0
        self.answer: dict[str, Any] | None = None
        """What came of it, as `child` tells; None until it has told."""

    def fileno(self) -> int:
        """Readable when it has told something, or ended; for selectors."""
        return self._out.fileno()

    def hear(self) -> bool:
        """Takes what it told; False once it has ended or told what came of it."""
        data = self._out.read()
        if data:
            self.heard_at = time.monotonic()
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))
        return data != b"" and self.answer is None

    def set_paused(self, paused: bool) -> None:
        """Lets it pause after its batch of frames, or go on."""
        if paused == self._is_paused:
            return
        self._is_paused = paused
        self.heard_at = time.monotonic()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended; what it told says how
            self._process.stdin.write(b"p" if paused else b"g")
            self._process.stdin.flush()

    def silent_s(self) -> float:
        """For how long it told of no progress; 0 while it is paused."""
        return 0.0 if self._is_paused else time.monotonic() - self.heard_at

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

    def _take(self, told: dict[str, Any]) -> None:
        if "frames" in told:
            self.frames, self.total = told["frames"], told["total"] or 0
        else:
            self.answer = told
