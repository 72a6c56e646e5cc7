"""Errors of this room."""


class RecordingError(Exception):
    """A recording that could not be started, written or read. The message says what happened, to what, and what to do."""


class UnknownType(RecordingError):
    """A message type whose definition is not installed."""


class WriterUnavailable(RecordingError):
    """A bag writer that this machine does not have."""


class Refused(RecordingError):
    """A request that can't be met now; the message says why."""


class JobError(RecordingError):
    """A job that can't be added, read or changed."""


class UnknownJob(JobError):
    """No job has this id, or several begin with it."""


class NothingWaits(JobError):
    """A queue without a job that could be run."""
