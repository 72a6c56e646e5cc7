"""Cameras through FFmpeg: video files at real pace, RTSP, and lavfi graphs."""

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import av
import psutil
from av.container import InputContainer
from av.video.stream import VideoStream

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera.decoding import LazyDecoder, PresentationOrder
from rig_capture.sensing.camera.frame import Capture, SourcePacket
from rig_capture.sensing.camera.pace import LiveClock, Pacer
from rig_capture.sensing.camera.passing import PacketPasser, VideoPacket
from rig_capture.sensing.device import DeviceEnded, DeviceError

Guard = Callable[[], contextlib.AbstractContextManager[None]]
"""Entered around each call that may wait for the source."""

_BACKLOG_S = 1.0
"""Longest time in which frames that came before the first read are taken as a backlog."""
_RTSP_PORTS = {"rtsp": 554, "rtsps": 322}


class OpenStream:
    """The video stream of one open container: times of its frames in order, each with its picture on demand."""

    def __init__(self, name: str, container: InputContainer, guard: Guard, *, copy: bool) -> None:
        """Owns the container; raises DeviceError where it holds no video that can be used. Reads within `guard`."""
        self._name = name
        self._guard = guard
        self._container = container
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise DeviceError(f"{name}: holds no video stream; give a source that does")
        stream.codec_context.thread_count = 1
        self._decoder = LazyDecoder(stream.codec_context, self._read_packet)
        self._passer = PacketPasser(name, stream) if copy else None
        self._passed: dict[int, SourcePacket] = {}
        self._order = PresentationOrder(packet for packet in container.demux(stream) if packet.size)
        base, rate = stream.time_base, stream.average_rate or stream.guessed_rate
        assert base is not None
        self._base = base.numerator, base.denominator
        self.frame_ns = round(1e9 / rate) if rate else 40_000_000
        """Length of one frame, for the seam between the end of a file and its beginning."""

    def next(self) -> int | None:
        """Time of the next frame in the stream's own units; None at the end. Raises DeviceError."""
        while True:
            pts = self._order.next()
            if pts is not None:
                return pts
            if not self._read_packet():
                # The end makes the last frames certain.
                return self._order.next()

    def nanoseconds(self, pts: int) -> int:
        """A time of this stream in ns."""
        return pts * self._base[0] * 10**9 // self._base[1]

    def capture(self, pts: int, stamp_ns: int, missed: int = 0) -> Capture:
        """The frame of that time; those before are done with."""
        self._decoder.forget_before(pts)
        return Capture(stamp_ns, lambda: self._decoder.picture(pts), missed, self._passed.pop(pts, None))

    def close(self) -> None:
        """Closes the container."""
        self._container.close()

    def _read_packet(self) -> bool:
        if self._order.ended:
            return False
        try:
            with self._guard():
                packet = self._order.read()
        except (av.FFmpegError, OSError) as error:
            raise DeviceError(f"{self._name}: lost while reading: {_reason(error)}") from error
        if packet is None:
            return False
        if self._passer is not None:
            self._pass_on(packet, self._passer)
        self._decoder.push(packet)
        return True

    def _pass_on(self, packet: VideoPacket, passer: PacketPasser) -> None:
        passed = passer(packet)
        if passed is not None and packet.pts is not None:
            self._passed[packet.pts] = passed


class PacedCamera:
    """Driver of sources that deliver as fast as they are read: files and lavfi graphs. Frames are released at their times."""

    def __init__(self, settings: CameraSettings) -> None:
        """Uses `driver`, `source`, `loop` and `codec` (``copy`` passes packets on)."""
        self._settings = settings
        self._pacer = Pacer()
        self._stream: OpenStream | None = None
        self._first_pts_ns: int | None = None
        self._base_ns = 0
        self._end_ns = 0
        self._last_ns: int | None = None
        self._due: tuple[int, int] | None = None

    def open(self) -> None:
        self._stream = self._open_stream()
        self._due = self._next()
        self._pacer.start()

    def read(self) -> Capture | None:
        if self._due is None:
            self._due = self._next()
        pts, offset_ns = self._due
        if not self._pacer.wait(offset_ns):
            return None
        self._due = None
        assert self._stream is not None
        return self._stream.capture(pts, self._pacer.stamp(offset_ns))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def interrupt(self) -> None:
        self._pacer.interrupt()

    def _next(self) -> tuple[int, int]:
        """Time of the next frame, in the stream's units and in ns since the first frame of the first round."""
        assert self._stream is not None
        pts = self._stream.next()
        if pts is None:
            pts = self._start_again()
        pts_ns = self._stream.nanoseconds(pts)
        if self._first_pts_ns is None:
            self._first_pts_ns = pts_ns
        offset_ns = self._base_ns + pts_ns - self._first_pts_ns
        # The seam of a loop is as long as the last step before it; files with a wrong rate in their header are common.
        step_ns = offset_ns - self._last_ns if self._last_ns is not None else self._stream.frame_ns
        self._last_ns, self._end_ns = offset_ns, offset_ns + step_ns
        return pts, offset_ns

    def _start_again(self) -> int:
        source = self._settings.source
        if self._first_pts_ns is None:
            raise DeviceError(f"{source}: holds no video frames; give a file that does")
        if not self._settings.loop:
            raise DeviceEnded(f"{source}: ended")
        # Opened afresh, since not every format can be sought in.
        self.close()
        self._stream = self._open_stream()
        self._first_pts_ns, self._base_ns = None, self._end_ns
        pts = self._stream.next()
        if pts is None:
            raise DeviceError(f"{source}: holds no video frames any more; was it changed?")
        return pts

    def _open_stream(self) -> OpenStream:
        source = self._settings.source
        if self._settings.driver == "lavfi":
            return _opened(source, source, "lavfi", {}, self._settings, "check the graph, such as testsrc2=size=640x480:rate=30")
        if not source:
            raise DeviceError("no video file is set; set source to a file's path")
        if "://" not in source:
            source = str(Path(source).expanduser())
            if not Path(source).is_file():
                raise DeviceError(f"{source}: no such file; set source to a video file")
        return _opened(redacted(source), source, None, {}, self._settings, "is it a video file?")


class RtspCamera:
    """Driver of RTSP cameras and other live addresses. Frames are dated by the camera's clock, laid onto ours."""

    def __init__(self, settings: CameraSettings) -> None:
        """Uses `source`, `timeout_s` and `codec` (``copy`` passes packets on)."""
        self._settings = settings
        self._name = redacted(settings.source)
        self._stream: OpenStream | None = None
        self._clock = LiveClock()
        self._interrupted = threading.Event()
        self._outside = threading.Event()
        """Set while no call into FFmpeg runs, which could block."""
        self._outside.set()
        self._remote: set[tuple[str, int]] = set()
        self._backlog: deque[tuple[int, int]] = deque()

    def open(self) -> None:
        parts = urlsplit(self._settings.source)
        if not parts.hostname:
            raise DeviceError(f"{self._name}: is no address; set source to one such as rtsp://camera.local:554/stream")
        self._remote = _addresses(parts.hostname, parts.port or _RTSP_PORTS.get(parts.scheme, 0))
        options = {"rtsp_flags": "prefer_tcp"} if parts.scheme in _RTSP_PORTS else {}
        advice = "is the camera on, and the address right?"
        with self._may_block():
            self._stream = _opened(self._name, self._settings.source, None, options, self._settings, advice, self._may_block)
        self._take_backlog()

    def read(self) -> Capture | None:
        assert self._stream is not None
        pts, arrival_ns = self._backlog.popleft() if self._backlog else self._next()
        return self._stream.capture(pts, self._clock.stamp(self._stream.nanoseconds(pts), arrival_ns))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def interrupt(self) -> None:
        # FFmpeg can't be asked to return, and waits for a silent peer until its time-out; cutting the connection ends the wait.
        self._interrupted.set()
        while not self._outside.wait(0.02):
            _cut_connections(self._remote)

    def _take_backlog(self) -> None:
        """Takes the frames that came while the stream was looked into: all at once, so that only the last tells the time."""
        assert self._stream is not None
        end = time.monotonic() + _BACKLOG_S
        while time.monotonic() < end:
            asked = time.monotonic()
            self._backlog.append(self._next())
            if time.monotonic() - asked > self._stream.frame_ns / 2e9:  # this one had to be waited for
                break
        last_pts, arrival_ns = self._backlog[-1]
        behind_ns = arrival_ns - self._stream.nanoseconds(last_pts)
        self._backlog = deque((pts, behind_ns + self._stream.nanoseconds(pts)) for pts, _ in self._backlog)

    def _next(self) -> tuple[int, int]:
        """Time of the next frame in the stream's units, and when it arrived on the system clock, ns."""
        assert self._stream is not None
        pts = self._stream.next()
        if pts is None:
            raise DeviceError(f"{self._name}: the camera ended the stream")
        return pts, time.time_ns()

    @contextlib.contextmanager
    def _may_block(self) -> Iterator[None]:
        self._outside.clear()
        try:
            if self._interrupted.is_set():
                raise DeviceError(f"{self._name}: interrupted")
            yield
        finally:
            self._outside.set()


def redacted(address: str) -> str:
    """An address without its password, for messages."""
    parts = urlsplit(address) if "://" in address else None
    if parts is None or not (parts.username or parts.password):
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _opened(
    name: str,
    url: str,
    form: str | None,
    options: dict[str, str],
    settings: CameraSettings,
    advice: str,
    guard: Guard = contextlib.nullcontext,
) -> OpenStream:
    container: InputContainer | None = None
    try:
        container = av.open(url, format=form, options=options, timeout=settings.timeout_s)
        return OpenStream(name, container, guard, copy=settings.codec == "copy")
    except (av.FFmpegError, OSError, ValueError) as error:
        if container is not None:
            container.close()
        raise DeviceError(f"{name}: can't be opened: {_reason(error)}; {advice}") from error
    except DeviceError:
        if container is not None:
            container.close()
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _addresses(host: str, port: int) -> set[tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeviceError(f"{host}: this host is not known ({error.strerror}); check the address and the network") from error
    return {(str(address[0]), port) for *_, address in found}


def _cut_connections(remote: set[tuple[str, int]]) -> None:
    for connection in psutil.Process().net_connections("tcp"):
        if connection.raddr and (connection.raddr[0], connection.raddr[1]) in remote:
            # Either may find that the connection has ended by itself meanwhile.
            with contextlib.suppress(OSError), socket.fromfd(connection.fd, connection.family, connection.type) as handle:
                handle.shutdown(socket.SHUT_RDWR)
