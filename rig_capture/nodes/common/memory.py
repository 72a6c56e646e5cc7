"""Memory for large messages and pictures."""

import ctypes

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 64 * 2**20


def keep_large_buffers() -> None:
    """Tells glibc to keep freed memory for the next message instead of giving it back to the kernel.

    By default each message of more than 128 kB costs fresh pages (mallopt(3)); with large images that is the greatest
    single cost, and a tenth of that of encoding. Other C libraries know no mallopt, and do without.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
