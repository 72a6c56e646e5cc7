"""What can keep a session from being exported."""

from rig_capture.session.errors import SessionError


class ExportError(SessionError):
    """A session that could not be exported; nothing of it was left behind. The message names it, the reason and the remedy."""


class WrongWish(ExportError):
    """What was asked for can't be: a name that is taken, streams that a format can't hold, a rate that is missing."""


class Interrupted(ExportError):
    """Somebody asked to stop."""
