"""What is told to a browser instead of an answer."""


class ConsoleError(Exception):
    """A request that can't be answered; the message says what happened, to what, and what to do."""

    status = 500
    """Of HTTP."""


class WrongRequest(ConsoleError):
    """What was asked for makes no sense."""

    status = 400


class NotThere(ConsoleError):
    """Something of that name does not exist."""

    status = 404


class RigSaysNo(ConsoleError):
    """A node refused, or what is asked does not fit what is so."""

    status = 409


class TooMany(ConsoleError):
    """More than is served at once."""

    status = 429


class NodeSilent(ConsoleError):
    """A node, or the disk, does not answer."""

    status = 504


class CantListen(ConsoleError):
    """The address can't be listened on, for now."""
