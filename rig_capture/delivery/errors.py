"""Errors of this room. Each message says what happened, to what, and what to do."""

from collections.abc import Iterable


class DeliveryError(Exception):
    """Something that kept a session from store or catalog."""


class WritesNotEnabled(DeliveryError):
    """Writing was asked for without the roles for it."""

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = tuple(sorted(missing))
        super().__init__(f"writing needs the role{'s' * (len(self.missing) > 1)} {' and '.join(self.missing)}; call enable_writes(roles)")


class CredentialsError(DeliveryError):
    """Credentials that can't be used; never holds a secret."""


class InsecureEndpoint(DeliveryError):
    """Plain HTTP to another machine."""


class BadAddress(DeliveryError):
    """A store or catalog address that is none."""


class ObjectStoreError(DeliveryError):
    """The object store refused or failed, retries included."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class SourceError(DeliveryError):
    """A session that can't be sent as it is."""


class SessionNotComplete(SourceError):
    """A session that is being recorded, was interrupted, or was cancelled."""


class IncompleteManifest(SourceError, ValueError):
    """A manifest without hash or files, or whose hashes don't fit what it says."""


class UnsafeName(SourceError):
    """A name that can't be part of an object's key."""


class FileMissing(SourceError):
    """A file that the manifest names and the folder does not hold."""


class ContentMismatch(SourceError):
    """A file whose bytes are not those the manifest names."""


class CatalogError(DeliveryError):
    """The catalog can't be reached, or refused."""


class CatalogTooNew(CatalogError):
    """The catalog was made by a newer version of this software."""


class TransferStopped(BaseException):
    """A transfer ended because it was asked to; what is there so far is used by the next one.

    Not an Exception, as asyncio's CancelledError is none: HTTP libraries take exceptions for failures, and try again.
    """
