"""What may go wrong with something asked of a running rig."""


class ClientError(Exception):
    """Something asked of a running rig that it did not do. The message says what happened, to what, and what to do."""


class NoAnswer(ClientError):
    """A node that does not answer, or not in time."""


class Refused(ClientError):
    """A node said no; the message says why."""
