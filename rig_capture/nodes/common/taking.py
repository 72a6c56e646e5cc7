"""Takes serialized messages out of a subscription, large ones without a copy of their own.

rclpy does the same with one copy more of each message, and on Jazzy does not tell who published it. So the function of ROS's C
library that rclpy calls is called here, with its structures (rmw/types.h, rcutils/types/uint8_array.h; Jazzy, Kilted).
"""

import ctypes
from collections.abc import Callable
from ctypes import Structure, byref, c_char, c_int, c_int64, c_size_t, c_uint64, c_void_p, py_object, pythonapi, string_at
from typing import Any, Protocol

from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy

Taken = tuple[bytes, int, bytes, int | None]
"""A message (CDR), the ROS time of its reception, ns, its publisher's id, and its number among what that has published."""

_LARGE = 65536
"""Bytes. From here on the copy costs more than what is done to spare it."""
_BYTES_HEAD = bytes.__basicsize__ - 1
"""Where the data of a `bytes` object begins, from the object itself (PyBytesObject; the last byte is the closing NUL)."""
_OK, _NOTHING_THERE = 0, 401
"""RCL_RET_OK and RCL_RET_SUBSCRIPTION_TAKE_FAILED (rcl/types.h)."""
_NO_NUMBER = 2**64 - 1
"""RMW_MESSAGE_INFO_SEQUENCE_NUMBER_UNSUPPORTED"""


class _Allocator(Structure):
    _fields_ = [(name, c_void_p) for name in ("allocate", "deallocate", "reallocate", "zero_allocate", "state")]


class _Message(Structure):
    _fields_ = [("buffer", c_void_p), ("length", c_size_t), ("capacity", c_size_t), ("allocator", _Allocator)]


class _Info(Structure):
    _fields_ = [
        ("sent", c_int64),
        ("received", c_int64),
        ("publication", c_uint64),
        ("reception", c_uint64),
        ("implementation", c_void_p),
        ("publisher", c_char * 16),
        ("rest", c_char * 16),  # `from_intra_process`, and room
    ]


class _Text(Structure):
    _fields_ = [("text", c_char * 1024)]


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:  # noqa: ANN401  # ctypes' types
    function = library[name]
    function.restype, function.argtypes = result, arguments
    return function


# Loaded by rclpy, so that their names do. PyDLL keeps the interpreter's lock, as rclpy does: to give it back and wait for it again
# would cost more than the call.
_rcl, _rcutils, _libc = ctypes.PyDLL("librcl.so"), ctypes.PyDLL("librcutils.so"), ctypes.PyDLL(None)
_take = _function(_rcl, "rcl_take_serialized_message", c_int, c_void_p, c_void_p, c_void_p, c_void_p)
_default_allocator = _function(_rcutils, "rcutils_get_default_allocator", _Allocator)
_error_text = _function(_rcutils, "rcutils_get_error_string", _Text)
_forget_error = _function(_rcutils, "rcutils_reset_error", None)
_malloc = _function(_libc, "malloc", c_void_p, c_size_t)
_free = _function(_libc, "free", None, c_void_p)
_new_bytes = _function(pythonapi, "PyBytes_FromStringAndSize", py_object, c_void_p, c_size_t)


def _grow(_buffer: int, size: int, _state: int) -> Any:  # noqa: ANN401
    return _malloc(size)


def _keep(_buffer: int, _state: int) -> None:
    """Frees nothing."""


# The allocator of a buffer that is Python's: a message that is larger than the one before gets room elsewhere.
_grow_elsewhere = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_void_p)(_grow)
_keep_buffer = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)(_keep)


class Handle(Protocol):
    """A subscription of rclpy's C library (`Subscription.handle`)."""

    @property
    def pointer(self) -> int:
        """Its rcl_subscription_t."""


class MessageTaker:
    """Takes from one subscription. For one thread; the subscription must live as long."""

    def __init__(self, handle: Handle) -> None:
        self._pointer = handle.pointer
        self._info = _Info()
        self._publisher = memoryview(self._info).cast("B")[_Info.publisher.offset :][: _Info.publisher.size]
        self._small = _Message(allocator=_default_allocator())
        """Its buffer serves one message after the other, and grows with them."""
        self._large = _Message(allocator=_default_allocator())
        """Its buffer is the message that is handed out."""
        self._large.allocator.reallocate = ctypes.cast(_grow_elsewhere, c_void_p)
        self._large.allocator.deallocate = ctypes.cast(_keep_buffer, c_void_p)
        self._expected = 0

    def __del__(self) -> None:
        _free(self._small.buffer)

    def take(self, most: int) -> list[Taken]:
        """What is there, in order, `most` at a time. Raises RCLError, as rclpy does."""
        info, publisher, small = self._info, self._publisher, self._small
        pointer, small_at, info_at = self._pointer, byref(small), byref(info)
        taken: list[Taken] = []
        for _ in range(most):
            if self._expected >= _LARGE:
                data = self._take_large()
                if data is None:
                    break
            else:
                result = _take(pointer, small_at, info_at, None)
                if result != _OK:
                    _check(result)
                    break
                data = string_at(small.buffer, small.length)
            self._expected = len(data)
            number = info.publication
            taken.append((data, info.received, bytes(publisher), None if number == _NO_NUMBER else number))
        return taken

    def _take_large(self) -> bytes | None:
        """Into memory of the size of the message before, which most pictures have."""
        message, expected = self._large, self._expected
        data: bytes = _new_bytes(None, expected)
        place = id(data) + _BYTES_HEAD
        message.buffer, message.capacity, message.length = place, expected, 0
        result = _take(self._pointer, byref(message), byref(self._info), None)
        if result != _OK:
            _check(result)
            return None
        if message.buffer != place:
            try:
                return string_at(message.buffer, message.length)
            finally:
                _free(message.buffer)
        return data if message.length == expected else data[: message.length]


def _check(result: int) -> None:
    if result != _NOTHING_THERE:
        text = _error_text().text.decode("utf-8", "replace")
        _forget_error()
        raise _rclpy.RCLError(f"failed to take a message: {text}")
