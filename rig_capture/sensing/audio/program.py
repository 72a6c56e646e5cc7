"""Sound from a recording program: its standard output is read in blocks, its end is the loss of the source."""

import contextlib
import fcntl
import os
import re
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from typing import IO

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import AudioBlock, SampleClock, block_frames, frame_bytes
from rig_capture.sensing.audio.tools import command_line
from rig_capture.sensing.device import DeviceError

_OVERRUN = re.compile(rb"over-?run|xrun|overflow", re.IGNORECASE)
_PIPE_BYTES = 1 << 20
_END_S = 0.5
"""A recording program has so long to end by itself when asked."""


class RecordingProgram:
    """A child process in a group of its own, with what it writes to standard output and the last lines of its errors."""

    def __init__(self, command: list[str]) -> None:
        """Starts it.

        Raises:
            DeviceError: it can't be started.
        """
        # The kernel ends the program where this process is killed and can't do so itself.
        guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        try:
            self._process = subprocess.Popen(
                [*guard, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, process_group=0
            )
        except OSError as error:
            raise DeviceError(f"{command[0]} can't be started: {error}") from error
        self._name = command[0]
        self._lock = threading.Lock()
        self._reaped = False
        self._errors: deque[bytes] = deque(maxlen=5)
        self._unfinished = b""
        self.overruns = 0
        self._selector = selectors.DefaultSelector()
        self._stdout, self._stderr = _pipe(self._process.stdout), _pipe(self._process.stderr)
        with contextlib.suppress(OSError):  # a larger pipe is only a longer breath; the user's quota may forbid it
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        for pipe in (self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)

    def receive(self, timeout_s: float) -> bytes | None:
        """Bytes of its standard output, up to 64 KiB; None where none came in time, empty at its end."""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._stdout:
                return os.read(self._stdout.fileno(), 65536)
            self._take_errors()
        return None

    def signal(self, number: signal.Signals) -> None:
        """Signals the whole group, if it is still there; safe from any thread."""
        with self._lock:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)

    def end(self) -> str:
        """Ends it, by force where it does not end when asked.

        Returns:
            What it said and how it ended, for messages.
        """
        self.signal(signal.SIGTERM)
        exited = _wait_for_exit(self._process.pid, _END_S)
        self._take_errors()
        # Also after a clean exit: a wrapper's children may be left, and the group is ours as long as it isn't reaped.
        self.signal(signal.SIGKILL)
        with self._lock:
            status = self._process.wait()
            self._reaped = True
        self._selector.close()
        self._stdout.close()
        self._stderr.close()
        said = " | ".join(line.decode(errors="replace") for line in [*self._errors, self._unfinished] if line.strip())
        how = f"ended with code {status}" if exited and status >= 0 else f"ended by signal {-status}"
        return f"{self._name} {how}" + (f": {said}" if said else "")

    def _take_errors(self) -> None:
        try:
            chunk = os.read(self._stderr.fileno(), 65536)
        except BlockingIOError:
            return
        if not chunk and self._stderr in [key.fileobj for key in self._selector.get_map().values()]:
            self._selector.unregister(self._stderr)
        self.overruns += len(_OVERRUN.findall(chunk))
        *lines, self._unfinished = re.split(rb"[\r\n]+", self._unfinished + chunk)
        self._errors.extend(line for line in lines if line.strip())


class ProgramAudio:
    """The driver around a recording program. One life of the program is one segment."""

    def __init__(self, settings: AudioSettings) -> None:
        self._settings = settings
        self._frame_bytes = frame_bytes(settings)
        self._block_bytes = block_frames(settings) * self._frame_bytes
        self._clock = SampleClock(settings.sample_rate)
        self._buffer = bytearray()
        self._received = 0
        self._delivered = 0
        self._ended = False
        self._stopping = threading.Event()
        self._program: RecordingProgram | None = None

    def open(self) -> None:
        self._program = RecordingProgram(command_line(self._settings))

    def read(self) -> AudioBlock | None:
        while not (self._clock.anchored and len(self._buffer) >= self._block_bytes):
            if self._ended:
                return self._rest()
            if self._stopping.is_set() or not self._receive():
                return None
        return self._block(self._block_bytes)

    def close(self) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.end()

    def interrupt(self) -> None:
        self._stopping.set()
        program = self._program
        if program is not None:
            program.signal(signal.SIGTERM)

    def _receive(self) -> bool:
        """Takes what has come; False where nothing came within half a second."""
        assert self._program is not None
        chunk = self._program.receive(0.5)
        arrival_ns = time.time_ns()
        if chunk:
            self._buffer += chunk
            self._received += len(chunk)
            self._clock.heard(self._received // self._frame_bytes, arrival_ns)
        self._ended = chunk == b""
        return chunk is not None

    def _rest(self) -> AudioBlock | None:
        """What came before the program ended, shorter than a block; afterwards the loss."""
        if self._stopping.is_set():
            return None
        whole = min(len(self._buffer) // self._frame_bytes * self._frame_bytes, self._block_bytes)
        if whole:
            self._clock.settle()
            return self._block(whole)
        assert self._program is not None
        program, self._program = self._program, None
        after = f"after {self._delivered / self._settings.sample_rate:.1f} s of sound"
        remedy = "check that the sound system runs, and the setting `device`"
        raise DeviceError(f"the sound source was lost {after} ({program.end()}); {remedy}")

    def _block(self, size: int) -> AudioBlock:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        first, frames = self._delivered, size // self._frame_bytes
        self._delivered += frames
        overruns = self._program.overruns if self._program is not None else 0
        return AudioBlock(self._clock.stamp(first), first, frames, data, self._clock.drift_ppm, self._clock.offset_ns, overruns)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _wait_for_exit(pid: int, timeout_s: float) -> bool:
    """Waits for a child to exit without reaping it, so that its group stays ours to signal."""
    with os.fdopen(os.pidfd_open(pid), "rb", buffering=0) as pidfd, selectors.DefaultSelector() as selector:
        selector.register(pidfd, selectors.EVENT_READ)
        return bool(selector.select(timeout_s))
