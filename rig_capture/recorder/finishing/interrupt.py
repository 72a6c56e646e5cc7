"""How long work in the background is broken off."""

from collections.abc import Callable

from rig_capture.recorder.errors import RecordingError

Interrupted = Callable[[], bool]
"""Asked often by long work; once it says yes, the work raises `BrokenOff`."""


class BrokenOff(RecordingError):
    """Work in the background that was told to end; it is done anew later."""


def never() -> bool:
    """For work that is not to be broken off."""
    return False


def look(interrupted: Interrupted) -> None:
    """Raises BrokenOff where the work is to end."""
    if interrupted():
        raise BrokenOff("broken off; it is done anew at the recorder's next start")
