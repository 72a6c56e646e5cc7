"""Errors of this room."""


class SessionError(Exception):
    """A session folder that can't be used. The message names the folder or file, the reason and the remedy."""


class ManifestError(SessionError):
    """A manifest that is missing, unreadable, or not what it should be."""


class UnsupportedManifestVersion(ManifestError):
    """A manifest of another schema version."""

    def __init__(self, path: object, found: object, supported: int) -> None:
        newer = isinstance(found, int) and found > supported
        remedy = "update rig_capture to read it" if newer else "it was written by an older recorder; reconstruct the session from its files"
        super().__init__(f"{path}: manifest schema version {found}, this software reads version {supported}; {remedy}")
        self.found = found
        self.supported = supported


class UnsafePath(SessionError):
    """A path in a manifest that is absolute, holds `..`, or leaves the session's folder."""


class SessionLocked(SessionError):
    """The session's lock is held: it is being recorded."""
