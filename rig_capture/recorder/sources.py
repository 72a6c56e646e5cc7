"""Where the messages of a recording come from, as its manager sees it."""

import threading
from collections.abc import Callable
from typing import Protocol

from rig_capture.recorder.recording import Recording
from rig_capture.recorder.streams import StreamCounter


class Streams(Protocol):
    """Where the messages of a recording come from."""

    def open(self, recording: Recording, give_up: threading.Event, on_failure: Callable[[BaseException], None]) -> None:
        """Adds the streams to a recording and begins to hand messages to them.

        Args:
            recording: takes the streams.
            give_up: set where the start is given up; then this raises Refused soon.
            on_failure: told, in any thread, what taking messages died of.

        Raises:
            Refused, RecordingError, OSError: it can't; `close` is called even so.
        """

    def why_silent(self, counter: StreamCounter) -> str:
        """What keeps a stream from being ready, and what to do."""

    def close(self) -> None:
        """Hands over what has arrived, and ends; also where nothing is open."""
