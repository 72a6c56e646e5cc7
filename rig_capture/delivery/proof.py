"""Proof that a session is elsewhere, whole: without it nothing is ever deleted.

The catalog must hold this very content of this node, and the store, asked now, every file of it with the right size and
checksum, and its manifest. What the catalog remembers of the store counts for nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from rig_capture.delivery.errors import DeliveryError
from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.plan import Plan, make_plan
from rig_capture.session.layout import SessionLayout


class NotProven(DeliveryError):
    """A session of which it is not proven that all of it is in store and catalog; it stays where it is."""


@dataclass(frozen=True)
class StorageProof:
    """What was found when a session was looked for in store and catalog."""

    recording_id: str
    content_hash: str
    store: str
    """The store's address."""
    prefix: str
    files: int
    """Objects compared with the session's files, its manifest included."""
    bytes: int
    """Of the session's files."""
    manifest_sha256: str
    """Of the manifest for which all this was found."""

    @property
    def text(self) -> str:
        """In one line, for logs."""
        return (
            f"content {self.content_hash} is registered, and {self.files} objects with {self.bytes} bytes below "
            f"{self.store}/{self.prefix} have the right sizes and checksums"
        )


def prove_storage(session: Path, data: DataInterface) -> StorageProof:
    """Looks a session up in store and catalog, now.

    Args:
        session: its folder.
        data: store and catalog; roles for writing are not needed.

    Raises:
        NotProven: something of it is not there, or differs.
        DeliveryError: store or catalog can't be asked, or the session is not complete.
        SessionError: its manifest can't be used.
    """
    plan = make_plan(SessionLayout(session).manifest, session)
    _check_folder(session, plan)
    _check_catalog(session, plan, data)
    _check_store(session, plan, data)
    return StorageProof(
        recording_id=plan.manifest.recording_id,
        content_hash=plan.content_hash,
        store=data.store.url,
        prefix=plan.prefix,
        files=len(plan.files) + 1,
        bytes=plan.total_bytes,
        manifest_sha256=plan.manifest_payload.sha256,
    )


def is_safely_stored(session: Path, data: DataInterface) -> bool:
    """Whether all of a session is in store and catalog; see `prove_storage`, which also tells what is missing.

    Raises:
        DeliveryError: store or catalog can't be asked, or the session is not complete.
        SessionError: its manifest can't be used.
    """
    try:
        prove_storage(session, data)
    except NotProven:
        return False
    return True


def _check_folder(session: Path, plan: Plan) -> None:
    """What is in the folder must be what the manifest names: anything else would be lost with it."""
    layout = SessionLayout(session)
    named = {layout.resolve(file.entry.path): file.entry.size for file in plan.files}
    own = {layout.manifest, layout.lock, layout.complete_mark}
    for path in session.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            continue
        if path not in named and path not in own:
            raise NotProven(f"{session}: holds {path.relative_to(session)}, which its manifest does not name; it stays")
        if path in named and path.stat().st_size != named[path]:
            raise NotProven(f"{path}: has {path.stat().st_size} bytes, its manifest says {named[path]}; the session stays")


def _check_catalog(session: Path, plan: Plan, data: DataInterface) -> None:
    node = data.catalog.node(plan.manifest.recording_hash, plan.node)
    if node is None:
        raise NotProven(f"{session}: is not in the catalog {data.catalog.url}; it stays")
    if (node.content_hash, node.store, node.prefix) != (plan.content_hash, data.store.url, plan.prefix):
        raise NotProven(f"{session}: the catalog has other content of it, or in another store ({node.store}); it stays")


def _check_store(session: Path, plan: Plan, data: DataInterface) -> None:
    there = {stored.key: stored for stored in data.store.list(plan.prefix)}
    payloads = {file.key: file.payload for file in plan.files} | {plan.manifest_key: plan.manifest_payload}
    # All sizes first: that costs nothing, and finds most of what can be wrong.
    for key, payload in payloads.items():
        if key not in there or there[key].size != payload.size:
            raise NotProven(f"{session}: {data.store.url} does not hold {key} with {payload.size} bytes; it stays")
    for key, payload in payloads.items():
        if not data.store.holds(payload, there[key]):
            raise NotProven(f"{session}: {key} in {data.store.url} has other bytes; it stays")
