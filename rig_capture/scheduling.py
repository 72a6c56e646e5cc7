"""How the kernel schedules this process's threads. A leaf: imports nothing of this package."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_REAL_TIME = (os.SCHED_FIFO, os.SCHED_RR)


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Gives threads back to the ordinary scheduler that became real-time ones inside the block.

    SVT-AV1, where it runs as root, makes its threads real-time ones of the highest priority, and the thread that opens it
    too, from which all later threads and processes inherit it: an encoder, or a test, could then starve the whole machine.
    """
    before = _real_time_threads()
    try:
        yield
    finally:
        for thread in _real_time_threads() - before:
            try:
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
            except ProcessLookupError:
                continue  # it has ended


def _real_time_threads() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/task"):
        try:
            # Fork resets nothing but this flag, so it is part of the policy's number.
            if os.sched_getscheduler(int(name)) & ~os.SCHED_RESET_ON_FORK in _REAL_TIME:
                found.add(int(name))
        except ProcessLookupError:
            continue
    return found
