"""A catalog made anew from what lies in the object store, and nothing else."""

import itertools
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rig_capture.delivery import keys
from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.errors import CatalogError, DeliveryError, FileMissing, IncompleteManifest
from rig_capture.delivery.ingest import participant_for
from rig_capture.delivery.plan import make_plan
from rig_capture.delivery.store import ObjectStore, StoredObject
from rig_capture.session.additions import ROOMS, additions_manifest
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout

logger = logging.getLogger(__name__)


class NodeOutcome(BaseModel):
    """What became of one node's objects."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: str
    recording_hash: str = ""
    error: str = ""
    """Type and message; empty where it was registered."""


def rebuild(store: ObjectStore, catalog: Catalog, watch: Callable[[NodeOutcome], None] = lambda outcome: None) -> list[NodeOutcome]:
    """Registers every node whose manifest, and all that it names, is in the store; what the catalog holds already stays.

    Args:
        store: is only read.
        catalog: new or not.
        watch: called after each node.

    Returns:
        What became of each node, those that failed included.

    Raises:
        ObjectStoreError: the store can't be listed.
        CatalogError: the catalog can't be reached.
    """
    outcomes = []
    for prefix, objects in _by_node(store.list(keys.ROOT)):
        outcomes.append(_outcome(store, catalog, prefix, objects))
        watch(outcomes[-1])
    return outcomes


def _by_node(objects: Iterable[StoredObject]) -> Iterator[tuple[str, dict[str, StoredObject]]]:
    """Prefix and objects (by key) of each node; a store lists the objects of one node one after the other."""
    for prefix, group in itertools.groupby(objects, lambda stored: "/".join(stored.key.split("/")[:4]) + "/"):
        found = {stored.key: stored for stored in group}
        # Without it, an upload is on its way, or something else lies there.
        if prefix + keys.MANIFEST in found:
            yield prefix, found


def _outcome(store: ObjectStore, catalog: Catalog, prefix: str, objects: dict[str, StoredObject]) -> NodeOutcome:
    try:
        return NodeOutcome(prefix=prefix, recording_hash=_register(store, catalog, prefix, objects))
    except CatalogError:
        raise
    except (DeliveryError, SessionError) as error:
        logger.debug("%s failed", prefix, exc_info=True)
        return NodeOutcome(prefix=prefix, error=f"{type(error).__name__}: {error}")


def _register(store: ObjectStore, catalog: Catalog, prefix: str, objects: dict[str, StoredObject]) -> str:
    with tempfile.TemporaryDirectory(prefix="rig_rebuild_") as folder:
        # As a session without its files, so that it passes the same checks as one on a disk.
        layout = SessionLayout(Path(folder))
        layout.manifest.write_bytes(store.get(prefix + keys.MANIFEST))
        layout.complete_mark.touch()
        if (typed := prefix + layout.participant.name) in objects:
            layout.participant.write_bytes(store.get(typed))
        for added in (additions_manifest(layout.path, room) for room in ROOMS):
            if (key := prefix + added.relative_to(layout.path).as_posix()) in objects:
                added.parent.mkdir()
                added.write_bytes(store.get(key))
        plan = make_plan(layout.manifest, layout.path)
        if plan.prefix != prefix:
            raise IncompleteManifest(f"{prefix}{keys.MANIFEST}: names {plan.prefix} as its place; it was copied or edited")
        for file in plan.files:
            found = objects.get(file.key)
            if found is None or found.size != file.entry.size:
                there = "is not there" if found is None else f"has {found.size} bytes"
                raise FileMissing(f"{file.key}: {there}, the manifest names it with {file.entry.size}; ingest the session again")
        participant = participant_for(layout.path, plan.manifest)
        return catalog.register(plan.registration(store.url, objects, participant)).recording_hash
