"""Pictures into the standard input of a program, without a copy on our side: the pipe refers to their memory (vmsplice(2))."""

import array
import contextlib
import ctypes
import errno
import fcntl
import os
import select
import termios
import time
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_PIPE_BYTES = 2**20
"""As large as an ordinary user may make a pipe."""
_DONT_WAIT = 2
"""SPLICE_F_NONBLOCK (fcntl.h)"""
_NOT_OFFERED = {errno.ENOSYS, errno.EPERM, errno.EINVAL}
"""What systems and sandboxes without vmsplice say."""


class PipeStuck(Exception):
    """Nobody takes anything any more."""


class _Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]  # struct iovec (sys/uio.h)


# Missing in other C libraries than those of Linux.
_vmsplice = getattr(ctypes.CDLL(None, use_errno=True), "vmsplice", None)
if _vmsplice is not None:
    _vmsplice.restype = ctypes.c_ssize_t
    _vmsplice.argtypes = [ctypes.c_int, ctypes.POINTER(_Piece), ctypes.c_ulong, ctypes.c_uint]


@dataclass(frozen=True)
class _Lent:
    """Bytes that the pipe may still refer to."""

    data: npt.NDArray[np.uint8]
    end: int
    """Of all bytes that ever went in, how many up to its last one."""


class PicturePipe:
    """The writing end of a pipe. What is written must not change afterwards; it is kept until it was read. For one thread."""

    def __init__(self, descriptor: int, stuck_s: float) -> None:
        """Writes to a pipe that somebody else opened and will close; one whose reader takes nothing for `stuck_s` is given up."""
        self._descriptor = descriptor
        self._stuck_s = stuck_s
        self._lends = _vmsplice is not None
        self._lent: deque[_Lent] = deque()
        self._written = 0
        os.set_blocking(descriptor, False)
        with contextlib.suppress(OSError):  # only slower where the system allows less
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def write(self, data: npt.NDArray[np.uint8]) -> None:
        """Writes all bytes of a contiguous array.

        Raises:
            PipeStuck: the reader took nothing for too long.
            OSError: the pipe can't be written, such as when its reader is gone.
        """
        position = 0
        deadline = time.monotonic() + self._stuck_s
        while position < data.nbytes:
            left = deadline - time.monotonic()
            if left <= 0:
                raise PipeStuck
            select.select([], [self._descriptor], [], left)
            try:
                position += self._some(data, position)
            except BlockingIOError:
                continue
            deadline = time.monotonic() + self._stuck_s
        self._written += data.nbytes
        self._keep(data)

    def _some(self, data: npt.NDArray[np.uint8], position: int) -> int:
        if self._lends and _vmsplice is not None:
            piece = _Piece(data.ctypes.data + position, data.nbytes - position)
            count = int(_vmsplice(self._descriptor, ctypes.byref(piece), 1, _DONT_WAIT))
            if count >= 0:
                return count
            number = ctypes.get_errno()
            if number not in _NOT_OFFERED:
                raise OSError(number, os.strerror(number))
            self._lends = False
        return os.write(self._descriptor, data.reshape(-1).data[position:])

    def _keep(self, data: npt.NDArray[np.uint8]) -> None:
        """Keeps what the reader has not got yet, and nothing else."""
        if not self._lends:
            return
        self._lent.append(_Lent(data, self._written))
        unread = array.array("i", [0])
        fcntl.ioctl(self._descriptor, termios.FIONREAD, unread)
        while self._lent and self._lent[0].end <= self._written - unread[0]:
            self._lent.popleft()
