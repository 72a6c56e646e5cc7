"""USB and other cameras of Video4Linux2, with the kernel's own time stamps, and MJPEG or H.264 as the camera delivers it."""

import contextlib
import ctypes
import errno
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import Packet, VideoFrame
from av.video.codeccontext import VideoCodecContext

from rig_capture.profiles.settings.devices import CameraSettings
from rig_capture.sensing.camera import v4l2_abi as abi
from rig_capture.sensing.camera.decoding import LazyDecoder
from rig_capture.sensing.camera.frame import Capture, SourcePacket, plane_lines
from rig_capture.sensing.camera.passing import bare_packet
from rig_capture.sensing.device import DeviceError

log = logging.getLogger(__name__)

_BUFFERS = 6
_WAIT_S = 0.25
_REASONS = {
    errno.ENOENT: "no such camera",
    errno.ENXIO: "no such camera",
    errno.ENODEV: "the camera is gone; plug it in again",
    errno.EACCES: "not allowed; add your user to the group that owns it, such as: sudo usermod -aG video $USER, and log in again",
    errno.EBUSY: "in use by another program; end that, or set source to another camera",
    errno.ENOTTY: "is no camera",
    errno.EINVAL: "the camera refuses this setting; try pixel_format, width, height and fps that it offers (v4l2-ctl --list-formats-ext)",
}


@dataclass(frozen=True)
class Negotiated:
    """What the device agreed to deliver."""

    pixel_format: str
    """``mjpeg``, ``yuyv422``, ``nv12`` or ``h264``."""
    width: int
    height: int
    bytes_per_line: int


class V4l2Camera:
    """Driver of one V4L2 device with memory-mapped buffers. A buffer goes back to the device when the next one is read."""

    def __init__(self, settings: CameraSettings, kernel: abi.Kernel | None = None, dev_root: str = "/dev") -> None:
        """Nothing is opened yet.

        Args:
            settings: `source`, `width`, `height`, `fps`, `pixel_format`, `codec`.
            kernel: what the calls go to; None: Linux.
            dev_root: folder in which cameras are looked for where the one set is missing.
        """
        self._settings = settings
        self._path = settings.source or "/dev/video0"
        self._kernel = kernel or abi.LinuxKernel()
        self._dev_root = dev_root
        self._device: int | None = None
        self._maps: list[memoryview] = []
        self._held: abi.Buffer | None = None
        self._format = Negotiated("", 0, 0, 0)
        self._sequence: int | None = None
        self._bad = 0
        self._interrupted = threading.Event()
        self._frames = 0
        self._jpeg: VideoCodecContext | None = None
        self._h264: LazyDecoder | None = None

    def open(self) -> None:
        try:
            self._device = self._kernel.open(self._path)
            self._check_capabilities()
            self._format = self._negotiate()
            self._set_exposure()
            self._start_streaming()
        except OSError as error:
            raise DeviceError(self._explain(error)) from error
        if self._format.pixel_format == "mjpeg":
            self._jpeg = VideoCodecContext.create("mjpeg", "r")
            self._jpeg.thread_count = 1
        elif self._format.pixel_format == "h264":
            self._h264 = LazyDecoder(VideoCodecContext.create("h264", "r"))

    def read(self) -> Capture | None:
        try:
            self._return_buffer()
            if not self._kernel.wait(self._need_device(), _WAIT_S) or self._interrupted.is_set():
                return None
            buffer = _buffer(0)
            self._ioctl(abi.DQBUF, buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            raise DeviceError(self._explain(error)) from error
        self._held = buffer
        if buffer.flags & abi.BUF_FLAG_ERROR or not buffer.bytesused:
            self._bad += 1  # a damaged frame, as cables cause; its number shows up as missed with the next
            return None
        return self._capture(buffer)

    def close(self) -> None:
        if self._device is None:
            return
        with contextlib.suppress(OSError):  # the device may be gone
            self._ioctl(abi.STREAMOFF, ctypes.c_int(abi.BUF_TYPE_VIDEO_CAPTURE))
        for mapped in self._maps:
            self._kernel.unmap(mapped)
        self._maps.clear()
        with contextlib.suppress(OSError):
            self._kernel.close(self._device)
        self._device = None

    def interrupt(self) -> None:
        self._interrupted.set()

    def _capture(self, buffer: abi.Buffer) -> Capture:
        sequence = int(buffer.sequence)
        missed = 0 if self._sequence is None else max(self._bad, (sequence - self._sequence - 1) % 2**32)
        # Some drivers leave the number at 0; a step back is no loss of four thousand million frames.
        missed = missed if missed < 2**31 else 0
        self._sequence, self._bad = sequence, 0
        self._frames += 1
        view = self._maps[buffer.index][: buffer.bytesused]
        packet = self._packet(view)
        if self._h264 is not None and packet is not None:
            self._push(self._h264, packet)
        return Capture(_stamp_ns(buffer), lambda: self._picture(view), missed, packet)

    def _packet(self, view: memoryview) -> SourcePacket | None:
        form = self._format
        if form.pixel_format == "mjpeg" and self._settings.codec in ("mjpeg", "copy"):
            return SourcePacket("mjpeg", bytes(view), True, form.width, form.height)
        if form.pixel_format == "h264":
            data = bytes(view)
            return SourcePacket("h264", data, _has_idr(data), form.width, form.height)
        return None

    def _push(self, decoder: LazyDecoder, packet: SourcePacket) -> None:
        av_packet = bare_packet(packet.data)
        av_packet.pts = av_packet.dts = self._frames
        av_packet.is_keyframe = packet.keyframe
        decoder.push(av_packet)
        decoder.forget_before(self._frames)

    def _picture(self, view: memoryview) -> VideoFrame | None:
        if self._h264 is not None:
            return self._h264.picture(self._frames)
        if self._jpeg is None:
            return _unpacked(view, self._format)
        try:
            frames = self._jpeg.decode(Packet(bytes(view)))
        except av.FFmpegError as error:
            log.debug("%s: a frame can't be decoded: %s", self._path, error)
            return None
        return frames[0] if frames else None

    def _check_capabilities(self) -> None:
        capability = abi.Capability()
        self._ioctl(abi.QUERYCAP, capability)
        has_own = capability.capabilities & abi.CAP_DEVICE_CAPS
        capabilities = capability.device_caps if has_own else capability.capabilities
        if not capabilities & abi.CAP_VIDEO_CAPTURE or not capabilities & abi.CAP_STREAMING:
            raise DeviceError(
                f"{self._path}: {capability.card.decode(errors='replace')} delivers no pictures here; {self._known_cameras()}"
            )

    def _negotiate(self) -> Negotiated:
        current = _format()
        self._ioctl(abi.G_FMT, current)
        pix = current.fmt.pix
        pix.pixelformat = self._choose(list(self._offered()), pix.pixelformat)
        pix.width, pix.height = self._settings.width or pix.width, self._settings.height or pix.height
        pix.field, pix.bytesperline, pix.sizeimage = abi.FIELD_ANY, 0, 0
        asked = pix.pixelformat, pix.width, pix.height
        self._ioctl(abi.S_FMT, current)
        if pix.pixelformat != asked[0]:
            names = abi.fourcc_name(pix.pixelformat), abi.fourcc_name(asked[0])
            raise DeviceError(f"{self._path}: delivers {names[0]} where {names[1]} was asked; set pixel_format to what it offers")
        if (pix.width, pix.height) != asked[1:]:
            log.warning("%s: delivers %dx%d where %dx%d was asked; scaled", self._path, pix.width, pix.height, *asked[1:])
        self._set_rate()
        return Negotiated(abi.FORMATS[abi.fourcc_name(pix.pixelformat)], pix.width, pix.height, pix.bytesperline)

    def _set_rate(self) -> None:
        if not self._settings.fps:
            return
        rate = Fraction(self._settings.fps).limit_denominator(1001)
        parameters = abi.StreamParameters(type=abi.BUF_TYPE_VIDEO_CAPTURE, numerator=rate.denominator, denominator=rate.numerator)
        try:
            self._ioctl(abi.S_PARM, parameters)
        except OSError as error:
            log.warning("%s: its rate can't be set (%s); it delivers at its own", self._path, error.strerror)

    def _set_exposure(self) -> None:
        if not self._settings.exposure_us:
            return
        steps = max(1, round(self._settings.exposure_us / 100))
        controls = ((abi.CONTROL_EXPOSURE_AUTO, abi.EXPOSURE_MANUAL), (abi.CONTROL_EXPOSURE_ABSOLUTE, steps))
        try:
            for number, value in controls:
                self._ioctl(abi.S_CTRL, abi.Control(id=number, value=value))
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            log.warning("%s: its exposure can't be set (%s); set exposure_us to 0", self._path, error.strerror)

    def _offered(self) -> Iterator[int]:
        for index in range(64):
            description = abi.FormatDescription(index=index, type=abi.BUF_TYPE_VIDEO_CAPTURE)
            try:
                self._ioctl(abi.ENUM_FMT, description)
            except OSError as error:
                if error.errno == errno.EINVAL:  # the end of the list
                    return
                raise
            yield description.pixelformat

    def _choose(self, offered: list[int], current: int) -> int:
        usable = {code: abi.fourcc(code) for code in abi.FORMATS if abi.fourcc(code) in offered}
        preferred = {"mjpeg": ("mjpeg",), "copy": ("h264", "mjpeg")}.get(self._settings.codec, ())
        wanted = (self._settings.pixel_format,) if self._settings.pixel_format else preferred
        for form in wanted:
            for code, number in usable.items():
                if abi.FORMATS[code] == form:
                    return number
        names = ", ".join(map(abi.fourcc_name, offered)) or "nothing"
        if self._settings.pixel_format or self._settings.codec == "copy" or not usable:
            needed = " or ".join(wanted or sorted(set(abi.FORMATS.values())))
            raise DeviceError(f"{self._path}: offers {names}, not {needed}; set pixel_format and codec accordingly")
        return current if current in usable.values() else next(iter(usable.values()))

    def _start_streaming(self) -> None:
        request = abi.RequestBuffers(count=_BUFFERS, type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)
        self._ioctl(abi.REQBUFS, request)
        for index in range(request.count):
            buffer = _buffer(index)
            self._ioctl(abi.QUERYBUF, buffer)
            self._maps.append(self._kernel.map(self._need_device(), buffer.length, buffer.m.offset))
            self._ioctl(abi.QBUF, buffer)
        self._ioctl(abi.STREAMON, ctypes.c_int(abi.BUF_TYPE_VIDEO_CAPTURE))

    def _return_buffer(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._ioctl(abi.QBUF, _buffer(held.index))

    def _ioctl(self, request: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        self._kernel.ioctl(self._need_device(), request, argument)

    def _need_device(self) -> int:
        assert self._device is not None, "used before open"
        return self._device

    def _explain(self, error: OSError) -> str:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        more = f"; {self._known_cameras()}" if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENOTTY) else ""
        return f"{self._path}: {reason}{more}"

    def _known_cameras(self) -> str:
        found = [f"{path} ({card})" for path, card in cameras(self._kernel, self._dev_root)]
        return f"cameras here: {', '.join(found)}; set source to one of them" if found else "there is no camera here; plug one in"


def cameras(kernel: abi.Kernel | None = None, dev_root: str = "/dev") -> Iterator[tuple[str, str]]:
    """Path and name of each V4L2 device that delivers pictures."""
    kernel = kernel or abi.LinuxKernel()
    for path in sorted(Path(dev_root).glob("video*")):
        capability = abi.Capability()
        try:
            device = kernel.open(str(path))
            try:
                kernel.ioctl(device, abi.QUERYCAP, capability)
            finally:
                kernel.close(device)
        except OSError as error:
            log.debug("%s: %s", path, error)
            continue
        own = capability.device_caps if capability.capabilities & abi.CAP_DEVICE_CAPS else capability.capabilities
        if own & abi.CAP_VIDEO_CAPTURE:
            yield str(path), capability.card.decode(errors="replace")


def _buffer(index: int) -> abi.Buffer:
    return abi.Buffer(index=index, type=abi.BUF_TYPE_VIDEO_CAPTURE, memory=abi.MEMORY_MMAP)


def _format() -> abi.Format:
    return abi.Format(type=abi.BUF_TYPE_VIDEO_CAPTURE)


def _stamp_ns(buffer: abi.Buffer) -> int:
    """Capture time on the system clock; the kernel stamps buffers by CLOCK_MONOTONIC."""
    if buffer.flags & abi.BUF_FLAG_TIMESTAMP_MASK != abi.BUF_FLAG_TIMESTAMP_MONOTONIC:
        return time.time_ns()
    taken_ns = int(buffer.timestamp.seconds) * 10**9 + int(buffer.timestamp.microseconds) * 1000
    return taken_ns + time.time_ns() - time.monotonic_ns()


def _unpacked(view: memoryview, form: Negotiated) -> VideoFrame | None:
    """Raw samples as a frame; None where the buffer is too short."""
    frame = VideoFrame(form.width, form.height, form.pixel_format)
    start = 0
    samples = np.frombuffer(view, np.uint8)
    row_bytes = form.width * (2 if form.pixel_format == "yuyv422" else 1)
    stride = max(form.bytes_per_line, row_bytes)
    for index, plane in enumerate(frame.planes):
        rows = form.height if index == 0 else form.height // 2
        if samples.size < start + rows * stride - (stride - row_bytes):
            return None
        target = plane_lines(plane)
        for row in range(rows):
            target[row, :row_bytes] = samples[start + row * stride : start + row * stride + row_bytes]
        start += rows * stride
    return frame


def _has_idr(data: bytes) -> bool:
    """Whether an H.264 access unit in Annex B holds an IDR picture."""
    start = data.find(b"\x00\x00\x01")
    while 0 <= start < len(data) - 3:
        if data[start + 3] & 0x1F == 5:
            return True
        start = data.find(b"\x00\x00\x01", start + 3)
    return False
