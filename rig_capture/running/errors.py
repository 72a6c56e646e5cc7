"""Errors of this room."""


class RunningError(Exception):
    """A rig that can't be started, found or stopped. The message says what happened, to what, and what to do."""


class AlreadyRunning(RunningError):
    """The rig runs already."""


class NotRunning(RunningError):
    """No such rig runs."""


class BeingStopped(NotRunning):
    """The rig is on its way down."""


class SeveralRunning(RunningError):
    """More than one rig runs, and none was named."""


class StartFailed(RunningError):
    """The rig did not come up; the message names the node and shows its last lines.

    Attributes:
        nodes: names of those that failed or never reported.
    """

    def __init__(self, message: str, nodes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.nodes = nodes


class StopFailed(RunningError):
    """The rig did not end in time."""
