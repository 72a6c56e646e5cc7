"""Ctrl-C and SIGTERM as a wish to stop."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM ask to stop; asking again while it stops does no harm."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            # Who pressed Ctrl-C once too often gets no traceback at the very end.
            signal.signal(number, signal.SIG_IGN if stop.is_set() else handler)


@contextmanager
def patient_stop_signals() -> Iterator[threading.Event]:
    """The first SIGINT or SIGTERM asks to stop when what has begun is done; the second one ends the process at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
