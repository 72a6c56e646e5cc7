"""A V4L2 device at its lowest edge: the kernel's calls, with buffers in memory, as the real ones behave."""

import ctypes
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rig_capture.sensing.camera import v4l2_abi as abi


@dataclass
class FakeDevice:
    """One camera. Tests put frames in with `fill`."""

    card: str = "Fake Camera"
    capabilities: int = abi.CAP_VIDEO_CAPTURE | abi.CAP_STREAMING
    formats: tuple[str, ...] = ("YUYV", "MJPG")
    size: tuple[int, int] = (320, 240)
    sizes: tuple[tuple[int, int], ...] = ()
    """Sizes it can deliver; empty: any."""
    bytes_per_line: int = 0
    failures: dict[int, int] = field(default_factory=dict)
    """Error number by request."""
    pixel_format: str = "YUYV"
    streaming: bool = False
    controls: dict[int, int] = field(default_factory=dict)
    gone: bool = False
    interval: tuple[int, int] = (0, 0)
    buffers: list[bytearray] = field(default_factory=list)
    queued: deque[int] = field(default_factory=deque)
    done: deque[abi.Buffer] = field(default_factory=deque)
    sequence: int = 0
    dropped: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def fill(self, data: bytes, monotonic_ns: int | None = None, flags: int = 0) -> bool:
        """The camera captured a frame; False where no buffer was free, and the frame is lost."""
        with self.changed:
            sequence, self.sequence = self.sequence, self.sequence + 1
            if not self.queued:
                self.dropped += 1
                return False
            index = self.queued.popleft()
            self.buffers[index][: len(data)] = data
            taken = time.monotonic_ns() if monotonic_ns is None else monotonic_ns
            buffer = abi.Buffer(index=index, bytesused=len(data), sequence=sequence, flags=flags | abi.BUF_FLAG_TIMESTAMP_MONOTONIC)
            buffer.timestamp.seconds, buffer.timestamp.microseconds = taken // 10**9, taken // 1000 % 10**6
            self.done.append(buffer)
            self.changed.notify_all()
            return True

    def unplug(self) -> None:
        """All further calls fail."""
        with self.changed:
            self.gone = True
            self.changed.notify_all()


class FakeKernel:
    """Devices by path."""

    def __init__(self, devices: dict[str, FakeDevice]) -> None:
        self.devices = devices
        self._open: dict[int, FakeDevice] = {}
        self._next = 100

    @property
    def open_count(self) -> int:
        return len(self._open)

    def open(self, path: str) -> int:
        if path not in self.devices or self.devices[path].gone:
            raise _error(errno.ENOENT)
        if 0 in self.devices[path].failures:
            raise _error(self.devices[path].failures[0])
        self._next += 1
        self._open[self._next] = self.devices[path]
        return self._next

    def close(self, device: int) -> None:
        del self._open[device]

    def ioctl(self, device: int, request: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        fake = self._open[device]
        if fake.gone:
            raise _error(errno.ENODEV)
        if request in fake.failures:
            raise _error(fake.failures[request])
        handlers: dict[int, Callable[[FakeDevice, Any], None]] = {
            abi.QUERYCAP: _query, abi.ENUM_FMT: _enumerate, abi.G_FMT: _get_format, abi.S_FMT: _set_format, abi.S_PARM: _set_rate,
            abi.S_CTRL: _control,
            abi.REQBUFS: _request, abi.QUERYBUF: _query_buffer, abi.QBUF: _queue, abi.DQBUF: _dequeue,
            abi.STREAMON: _on, abi.STREAMOFF: _off,
        }  # fmt: skip
        handlers[request](fake, argument)

    def map(self, device: int, length: int, offset: int) -> memoryview:
        return memoryview(self._open[device].buffers[offset // 4096])[:length]

    def unmap(self, buffer: memoryview) -> None:
        buffer.release()

    def wait(self, device: int, timeout_s: float) -> bool:
        fake = self._open[device]
        with fake.changed:
            return fake.changed.wait_for(lambda: fake.gone or bool(fake.done), timeout_s)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _query(fake: FakeDevice, argument: abi.Capability) -> None:
    argument.card = fake.card.encode()
    argument.capabilities = fake.capabilities | abi.CAP_DEVICE_CAPS
    argument.device_caps = fake.capabilities


def _enumerate(fake: FakeDevice, argument: abi.FormatDescription) -> None:
    if argument.index >= len(fake.formats):
        raise _error(errno.EINVAL)
    argument.pixelformat = abi.fourcc(fake.formats[argument.index])


def _get_format(fake: FakeDevice, argument: abi.Format) -> None:
    pix = argument.fmt.pix
    pix.width, pix.height, pix.pixelformat = *fake.size, abi.fourcc(fake.pixel_format)
    pix.bytesperline = fake.bytes_per_line


def _set_format(fake: FakeDevice, argument: abi.Format) -> None:
    pix = argument.fmt.pix
    if fake.sizes and (pix.width, pix.height) not in fake.sizes:
        pix.width, pix.height = fake.sizes[0]
    fake.size, fake.pixel_format = (pix.width, pix.height), abi.fourcc_name(pix.pixelformat)
    pix.bytesperline = fake.bytes_per_line


def _set_rate(fake: FakeDevice, argument: abi.StreamParameters) -> None:
    fake.interval = argument.numerator, argument.denominator


def _control(fake: FakeDevice, argument: abi.Control) -> None:
    fake.controls[argument.id] = argument.value


def _request(fake: FakeDevice, argument: abi.RequestBuffers) -> None:
    argument.count = min(argument.count, 4)
    fake.buffers = [bytearray(max(fake.size[0], fake.bytes_per_line) * fake.size[1] * 2) for _ in range(argument.count)]


def _query_buffer(fake: FakeDevice, argument: abi.Buffer) -> None:
    argument.length, argument.m.offset = len(fake.buffers[argument.index]), argument.index * 4096


def _queue(fake: FakeDevice, argument: abi.Buffer) -> None:
    with fake.changed:
        assert argument.index not in fake.queued, "a buffer was queued twice"
        fake.queued.append(argument.index)


def _dequeue(fake: FakeDevice, argument: abi.Buffer) -> None:
    with fake.changed:
        if not fake.done:
            raise _error(errno.EAGAIN)
        ctypes.pointer(argument)[0] = fake.done.popleft()


def _on(fake: FakeDevice, argument: ctypes.c_int) -> None:
    fake.streaming = True


def _off(fake: FakeDevice, argument: ctypes.c_int) -> None:
    fake.streaming = False
    fake.queued.clear()
