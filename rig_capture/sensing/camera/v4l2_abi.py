"""The part of linux/videodev2.h that capturing needs, and the door to the kernel behind which it is used."""

import ctypes
import fcntl
import mmap
import os
import select
from typing import Protocol

FORMATS = {"MJPG": "mjpeg", "JPEG": "mjpeg", "YUYV": "yuyv422", "NV12": "nv12", "H264": "h264"}
"""Pixel formats that can be used, in the order they are taken where the device's own choice is none of them."""

MEMORY_MMAP = 1
BUF_TYPE_VIDEO_CAPTURE = 1
FIELD_ANY = 0

CAP_VIDEO_CAPTURE = 0x00000001
CAP_STREAMING = 0x04000000
CAP_DEVICE_CAPS = 0x80000000

BUF_FLAG_ERROR = 0x00000040
BUF_FLAG_TIMESTAMP_MASK = 0x0000E000
BUF_FLAG_TIMESTAMP_MONOTONIC = 0x00002000


class Capability(ctypes.Structure):
    """struct v4l2_capability."""

    _fields_ = [
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("device_caps", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    ]


class FormatDescription(ctypes.Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = [
        ("index", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", ctypes.c_uint32),
        ("mbus_code", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    ]


class PixelFormat(ctypes.Structure):
    """struct v4l2_pix_format, up to what is used."""

    _fields_ = [
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("pixelformat", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("bytesperline", ctypes.c_uint32),
        ("sizeimage", ctypes.c_uint32),
        ("colorspace", ctypes.c_uint32),
        ("priv", ctypes.c_uint32),
    ]


class _FormatUnion(ctypes.Union):
    # The kernel's union holds pointers, which set its alignment.
    _fields_ = [("pix", PixelFormat), ("raw", ctypes.c_uint8 * 200), ("align", ctypes.c_void_p)]


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _fields_ = [("type", ctypes.c_uint32), ("fmt", _FormatUnion)]


class StreamParameters(ctypes.Structure):
    """struct v4l2_streamparm with its capture part."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("capability", ctypes.c_uint32),
        ("capturemode", ctypes.c_uint32),
        ("numerator", ctypes.c_uint32),
        ("denominator", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * 184),
    ]


class RequestBuffers(ctypes.Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = [
        ("count", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class _TimeValue(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("microseconds", ctypes.c_long)]


class _BufferUnion(ctypes.Union):
    _fields_ = [("offset", ctypes.c_uint32), ("userptr", ctypes.c_ulong)]


class Buffer(ctypes.Structure):
    """struct v4l2_buffer."""

    _fields_ = [
        ("index", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("bytesused", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("timestamp", _TimeValue),
        ("timecode", ctypes.c_uint32 * 4),
        ("sequence", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("m", _BufferUnion),
        ("length", ctypes.c_uint32),
        ("reserved2", ctypes.c_uint32),
        ("request_fd", ctypes.c_int32),
    ]


class Control(ctypes.Structure):
    """struct v4l2_control."""

    _fields_ = [("id", ctypes.c_uint32), ("value", ctypes.c_int32)]


class _Size(ctypes.Structure):
    _fields_ = [("width", ctypes.c_uint32), ("height", ctypes.c_uint32)]


class _SizeRange(ctypes.Structure):
    _fields_ = [(f"{end}_{side}", ctypes.c_uint32) for side in ("width", "height") for end in ("min", "max", "step")]


class _SizeUnion(ctypes.Union):
    _fields_ = [("discrete", _Size), ("stepwise", _SizeRange)]


DISCRETE = 1
"""Type of an entry that is one size or interval; others are ranges."""


class FrameSizeEntry(ctypes.Structure):
    """struct v4l2_frmsizeenum."""

    _fields_ = [
        ("index", ctypes.c_uint32),
        ("pixel_format", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("size", _SizeUnion),
        ("reserved", ctypes.c_uint32 * 2),
    ]


class _Fraction(ctypes.Structure):
    _fields_ = [("numerator", ctypes.c_uint32), ("denominator", ctypes.c_uint32)]


class _IntervalRange(ctypes.Structure):
    _fields_ = [("min", _Fraction), ("max", _Fraction), ("step", _Fraction)]


class _IntervalUnion(ctypes.Union):
    _fields_ = [("discrete", _Fraction), ("stepwise", _IntervalRange)]


class FrameIntervalEntry(ctypes.Structure):
    """struct v4l2_frmivalenum; intervals in seconds."""

    _fields_ = [
        ("index", ctypes.c_uint32),
        ("pixel_format", ctypes.c_uint32),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("interval", _IntervalUnion),
        ("reserved", ctypes.c_uint32 * 2),
    ]


CONTROL_EXPOSURE_AUTO = 0x009A0901
EXPOSURE_MANUAL = 1
CONTROL_EXPOSURE_ABSOLUTE = 0x009A0902  # in units of 100 µs


def _request(direction: int, number: int, kind: type[ctypes.Structure] | type[ctypes.c_int]) -> int:
    return direction << 30 | ctypes.sizeof(kind) << 16 | ord("V") << 8 | number


_WRITE, _READ = 1, 2
QUERYCAP = _request(_READ, 0, Capability)
ENUM_FMT = _request(_READ | _WRITE, 2, FormatDescription)
G_FMT = _request(_READ | _WRITE, 4, Format)
S_FMT = _request(_READ | _WRITE, 5, Format)
REQBUFS = _request(_READ | _WRITE, 8, RequestBuffers)
QUERYBUF = _request(_READ | _WRITE, 9, Buffer)
QBUF = _request(_READ | _WRITE, 15, Buffer)
DQBUF = _request(_READ | _WRITE, 17, Buffer)
STREAMON = _request(_WRITE, 18, ctypes.c_int)
STREAMOFF = _request(_WRITE, 19, ctypes.c_int)
S_CTRL = _request(_READ | _WRITE, 28, Control)
ENUM_FRAMESIZES = _request(_READ | _WRITE, 74, FrameSizeEntry)
ENUM_FRAMEINTERVALS = _request(_READ | _WRITE, 75, FrameIntervalEntry)
S_PARM = _request(_READ | _WRITE, 22, StreamParameters)


def fourcc(code: str) -> int:
    """The number of a four character code such as ``MJPG``."""
    return int.from_bytes(code.encode("ascii"), "little")


def fourcc_name(number: int) -> str:
    """The four characters of a code."""
    return (number & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", "replace").strip()


class Kernel(Protocol):
    """The calls a driver makes; all raise OSError."""

    def open(self, path: str) -> int:
        """Opens a device without blocking; a file descriptor."""

    def close(self, device: int) -> None:
        """Closes it."""

    def ioctl(self, device: int, request: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        """Calls the device; the argument is changed in place."""

    def map(self, device: int, length: int, offset: int) -> memoryview:
        """Maps a buffer of the device."""

    def unmap(self, buffer: memoryview) -> None:
        """Gives a mapped buffer back."""

    def wait(self, device: int, timeout_s: float) -> bool:
        """Waits for a filled buffer or a failure; False where neither came."""


class LinuxKernel:
    """The real one."""

    def open(self, path: str) -> int:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, device: int) -> None:
        os.close(device)

    def ioctl(self, device: int, request: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        fcntl.ioctl(device, request, argument, True)

    def map(self, device: int, length: int, offset: int) -> memoryview:
        return memoryview(mmap.mmap(device, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset))

    def unmap(self, buffer: memoryview) -> None:
        mapped = buffer.obj
        buffer.release()
        if isinstance(mapped, mmap.mmap):
            mapped.close()

    def wait(self, device: int, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(device, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
