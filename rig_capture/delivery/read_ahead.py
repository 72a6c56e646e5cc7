"""Many prefixes of a sorted store, asked for in growing order, at the cost of one listing."""

import time
from collections.abc import Callable, Iterator

from rig_capture.delivery.store import StoredObject

_LONGEST_SKIP = 1000
"""Objects passed over before the listing is begun anew at the wanted place; a page of S3."""

_TRUSTED_S = 60.0
"""How long a listing that was begun is used on."""


class ReadAhead:
    """Lists prefixes by reading on in a listing that was begun for a former one. For one thread at a time."""

    def __init__(self, list_after: Callable[[str], Iterator[StoredObject]]) -> None:
        """Takes `list_after(key)`, which yields all objects beyond a key, sorted by the UTF-8 bytes of their keys, page by page."""
        self._list_after = list_after
        self._objects: Iterator[StoredObject] = iter(())
        self._next: StoredObject | None = None
        self._passed = b""
        self._until = 0.0

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose keys begin with a prefix. Raises ObjectStoreError."""
        if not self._reach(prefix):
            self._objects = self._list_after(prefix)
            self._until = time.monotonic() + _TRUSTED_S
            self._next, self._passed = None, prefix.encode()
            self._advance()
        while self._next is not None and self._next.key.startswith(prefix):
            # Some programs mark "folders" by objects called like the prefix itself.
            if self._next.key != prefix:
                yield self._next
            self._advance()

    def _reach(self, prefix: str) -> bool:
        """Whether the listing, read on a little, stands at the first key of a prefix."""
        wanted = prefix.encode()
        if self._next is None or self._passed >= wanted or time.monotonic() > self._until:
            return False
        for _ in range(_LONGEST_SKIP):
            if self._next is None or self._next.key.encode() >= wanted:
                return True
            self._advance()
        return False

    def _advance(self) -> None:
        if self._next is not None:
            self._passed = self._next.key.encode()
        try:
            self._next = next(self._objects, None)
        except BaseException:
            self._next = None
            raise
