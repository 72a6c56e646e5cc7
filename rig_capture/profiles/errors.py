"""Errors of this room."""


class ProfileError(Exception):
    """A profile that can't be used. The message names the file, the line where known, the key and what is allowed."""


class ProfileNotFound(ProfileError):
    """No profile of that name."""


class ProfileExists(ProfileError):
    """A profile of that name exists already."""


class ProfileProtected(ProfileError):
    """The default profile and packaged profiles can't be deleted."""
