"""The catalog from the bucket alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.ingest import DataInterface, participant_for
from rig_capture.delivery.rebuild import rebuild
from rig_capture.delivery.transfer import Brake, Payload, Throttle, Transfer
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.session.manifest import read_manifest
from test.delivery.sessions import RECORDING_ID, make_session

OTHER = "rec_20260507_150000_a1b2"


@pytest.fixture(params=["folder", "s3"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DataInterface]:
    """Store and catalog with two recordings, one of two nodes."""
    settings: DeliverySettings = request.getfixturevalue(f"{request.param}_settings")
    sessions = [
        make_session(tmp_path / "a", participant="Ada L.", tags=("t1",)),
        make_session(tmp_path / "b", {"eeg/0.bin": b"x"}, host="host-b"),
        make_session(tmp_path / "c", recording_id=OTHER, label="walk", participant="Bo", testing_mode=True),
    ]
    with DataInterface.open(settings) as opened:
        for session in sessions:
            participant = participant_for(session, read_manifest(session))
            opened.ingest(manifest_path=session / "manifest.json", source_dir=session, participant=participant)
        yield opened


def put(data: DataInterface, key: str, content: bytes) -> None:
    """An object that somebody else put."""
    data.store.put(Payload.of_bytes(key, content), key, Transfer(Throttle(0), Brake(lambda: False), lambda _: None))


def without_times(catalog: Catalog) -> list[dict[str, object]]:
    """All recordings, save when they were registered."""
    nodes = {"__all__": {"registered_at"}}
    rows = [row.model_dump(exclude={"registered_at": True, "updated_at": True, "nodes": nodes}) for row in catalog.recordings()]
    return sorted(rows, key=lambda row: str(row["recording_id"]))


def test_a_new_catalog_tells_all_that_the_lost_one_did(data: DataInterface, tmp_path: Path) -> None:
    with Catalog(str(tmp_path / "new.db")) as new:
        assert [outcome.error for outcome in rebuild(data.store, new)] == ["", "", ""]
        assert without_times(new) == without_times(data.catalog)
        for row in new.recordings():
            for node in row.nodes:
                assert new.files(row.recording_hash, node.name) == data.catalog.files(row.recording_hash, node.name)
        assert [row["participants"] for row in without_times(new)] == [("Ada L.",), ()]


def test_over_a_catalog_that_is_there_it_changes_nothing(data: DataInterface) -> None:
    before = data.catalog.recordings()
    rebuild(data.store, data.catalog)
    assert data.catalog.recordings() == before


def test_what_is_broken_is_told_and_stops_nothing_else(data: DataInterface, tmp_path: Path) -> None:
    good = json.loads(data.store.get(f"recordings/rig1/{OTHER}/host-a/manifest.json"))
    put(data, f"recordings/rig1/{RECORDING_ID}/elsewhere/manifest.json", json.dumps(good).encode())
    put(data, "recordings/rig1/rec_broken/host-a/manifest.json", b"[1]")
    put(data, "recordings/rig1/rec_underway/host-a/bag_0.mcap", b"x")
    missing = good | {"node_hostname": "host-z"}
    put(data, f"recordings/rig1/{OTHER}/host-z/manifest.json", json.dumps(missing).encode())
    with Catalog(str(tmp_path / "new.db")) as new:
        outcomes = {outcome.prefix.split("/", 2)[2]: outcome.error for outcome in rebuild(data.store, new)}
        assert sum(error == "" for error in outcomes.values()) == 3
        assert "IncompleteManifest" in outcomes[f"{RECORDING_ID}/elsewhere/"]
        assert "ManifestError" in outcomes["rec_broken/host-a/"]
        assert "FileMissing" in outcomes[f"{OTHER}/host-z/"]
        assert without_times(new) == without_times(data.catalog)
