"""What can keep a test of synchronisation from a result."""

from rig_capture.session.errors import SessionError


class NothingFound(SessionError):
    """No flash or no beep was found in a stream, or they do not go together; the message says which, and what to do."""
