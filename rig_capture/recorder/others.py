"""Recorders of other machines that record under this one's recording id, as its manager sees them."""

from collections.abc import Callable
from typing import Protocol

from rig_capture.recorder.recording import RecordingRequest


class OtherRecorders(Protocol):
    """All recorders of a rig but the one that leads. What is asked of them is asked of all at once."""

    def begin(self, recording_id: str, request: RecordingRequest) -> None:
        """Asks all to start; returns at once."""

    def wait_begun(self, check: Callable[[], None]) -> None:
        """Waits for the answers.

        Args:
            check: called again and again; raises where the start is given up.

        Raises:
            Refused: one refuses, or does not answer in time; names it.
        """

    def extend(self, recording_id: str, label: str, lookahead_s: float) -> None:
        """Tells all of an event in the recording that runs; returns at once."""

    def end(self, recording_id: str) -> None:
        """Asks all to stop; returns at once."""

    def cancel(self, recording_id: str, *, keep_data: bool) -> None:
        """Asks all to cancel, also those that have not answered the start yet; returns at once."""

    def wait_ended(self) -> tuple[str, ...]:
        """Waits for the answers to the last stop or cancel; returns what went wrong, each text naming the machine."""


class NoOthers:
    """Of a recorder that leads no other."""

    def begin(self, recording_id: str, request: RecordingRequest) -> None:
        """See `OtherRecorders`."""

    def wait_begun(self, check: Callable[[], None]) -> None:
        """See `OtherRecorders`."""

    def extend(self, recording_id: str, label: str, lookahead_s: float) -> None:
        """See `OtherRecorders`."""

    def end(self, recording_id: str) -> None:
        """See `OtherRecorders`."""

    def cancel(self, recording_id: str, *, keep_data: bool) -> None:
        """See `OtherRecorders`."""

    def wait_ended(self) -> tuple[str, ...]:
        """See `OtherRecorders`."""
        return ()
