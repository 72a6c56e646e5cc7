"""What can keep a session from being played."""

from rig_capture.session.errors import SessionError


class PlaybackError(SessionError):
    """A session, or a file of it, that can't be played; the message names it, the reason and the remedy."""
