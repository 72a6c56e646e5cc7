"""The object store: what a store can do, and which kind an address means."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from rig_capture.delivery.credentials import Credentials
from rig_capture.delivery.errors import BadAddress
from rig_capture.delivery.transfer import Payload, Transfer
from rig_capture.profiles.places import store_url
from rig_capture.profiles.settings.rig import DeliverySettings


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing tells it."""

    key: str
    size: int
    """Bytes."""
    etag: str
    """Changes whenever the object's bytes are put anew; what it is made of is the store's own affair."""


class ObjectStore(Protocol):
    """Objects under keys, each there whole or not at all. Safe from many threads."""

    @property
    def url(self) -> str:
        """The store's address, without secrets."""

    @property
    def waits(self) -> bool:
        """Whether a put mostly waits for another side; where it does not, many threads for small files only keep each other waiting."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose keys begin with a prefix that ends in a slash, asked for in pages.

        Raises:
            ObjectStoreError: the store can't be asked.
        """

    def reader(self) -> Callable[[str], Iterator[StoredObject]]:
        """A `list` for one thread at a time that is cheap for many prefixes in growing order; what it tells may be a minute old."""

    def give_up_unfinished(self, prefix: str, is_there: Callable[[str], bool]) -> None:
        """Removes what uploads that never ended hold under a prefix, of those keys of which the caller says the object is there.

        Raises:
            ObjectStoreError: the store can't be asked.
        """

    def holds(self, payload: Payload, stored: StoredObject) -> bool:
        """Whether an object that the listing showed has these very bytes.

        Raises:
            ObjectStoreError: the store can't be asked.
        """

    def put(self, payload: Payload, key: str, transfer: Transfer) -> StoredObject:
        """Puts bytes under a key, reading them once; they are compared with the payload's SHA-256 before the object is there.

        Raises:
            ObjectStoreError: naming the key.
            SourceError: the payload is missing or its bytes are others.
            TransferStopped: asked to; the next put goes on where this one stopped, where the store can.
        """

    def put_small(self, files: Sequence[tuple[Payload, str]], transfer: Transfer) -> Sequence[StoredObject | None]:
        """Puts what it can of several small files faster than one by one; None for each that is to be put by `put`.

        Args:
            files: each with its key.
            transfer: of all of them together.

        Raises:
            TransferStopped: asked to.
        """

    def flush(self) -> None:
        """Makes what was put so far outlast a power cut.

        Raises:
            ObjectStoreError: it can't.
        """

    def get(self, key: str) -> bytes:
        """The bytes of a (small) object.

        Raises:
            ObjectStoreError: it is not there, or the store can't be asked.
        """

    def interrupt(self) -> None:
        """Ends transfers at once, also such as wait for the other side, with TransferStopped; of no use afterwards but to close."""

    def close(self) -> None:
        """Ends connections."""


def open_store(settings: DeliverySettings, credentials: Credentials) -> ObjectStore:
    """The store that the settings name.

    Raises:
        BadAddress: the address is none.
        InsecureEndpoint: plain HTTP to another machine.
    """
    address = store_url(settings)
    url = urlsplit(address)
    if url.scheme == "s3":
        from rig_capture.delivery.s3_store import S3Store

        return S3Store(settings, credentials, bucket=url.netloc, prefix=url.path.strip("/"))
    if url.scheme not in {"", "file"} or (url.scheme == "file" and url.netloc not in {"", "localhost"}):
        raise BadAddress(f"store {address!r}: write a folder's path, file:///folder or s3://bucket/prefix")
    from rig_capture.delivery.folder_store import FolderStore

    return FolderStore(Path(unquote(url.path) if url.scheme else address))
