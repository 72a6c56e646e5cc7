"""Many prefixes at the cost of one listing."""

from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.read_ahead import ReadAhead
from rig_capture.delivery.rescue import ingest_all
from rig_capture.delivery.scan import scan_folder
from rig_capture.delivery.store import StoredObject
from rig_capture.profiles.settings.rig import DeliverySettings
from test.delivery.services import S3Server
from test.delivery.sessions import make_session

names = st.text(st.sampled_from("ab-/.é\U0001f600"), min_size=1, max_size=4)


class Listing:
    """Keys in the order of a store, and how often a listing was begun."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = sorted(keys, key=str.encode)
        self.begun = 0

    def after(self, key: str) -> Iterator[StoredObject]:
        """All beyond a key."""
        self.begun += 1
        return (StoredObject(other, 1, "") for other in self.keys if other.encode() > key.encode())


@given(st.sets(names, max_size=30), st.lists(names, max_size=8))
def test_it_tells_what_a_listing_of_each_prefix_would(keys: set[str], asked: list[str]) -> None:
    listing = Listing(list(keys))
    ahead = ReadAhead(listing.after)
    for prefix in (f"{name}/" for name in asked):
        assert [stored.key for stored in ahead.list(prefix)] == [key for key in listing.keys if key.startswith(prefix) and key != prefix]


def test_growing_prefixes_share_one_listing() -> None:
    listing = Listing([f"{number:03}/{name}" for number in range(100) for name in "abc"])
    ahead = ReadAhead(listing.after)
    assert all(len(list(ahead.list(f"{number:03}/"))) == 3 for number in range(100))
    assert listing.begun == 1


def test_what_lies_far_apart_is_not_read_through() -> None:
    read = 0

    def after(key: str) -> Iterator[StoredObject]:
        nonlocal read
        for number in range(int(key.rstrip("/") or 0), 1_000_000):
            read += 1
            yield StoredObject(f"{number:07}/x", 1, "")

    ahead = ReadAhead(after)
    for number in (5, 500_000, 900_000):
        assert [stored.key for stored in ahead.list(f"{number:07}/")] == [f"{number:07}/x"]
    assert read < 5000


def test_a_disk_that_is_in_already_costs_a_few_requests(s3_settings: DeliverySettings, s3: S3Server, tmp_path: Path) -> None:
    for number in range(60):
        recording_id = f"rec_20260507_1430{number:02}_a1b2"
        make_session(tmp_path / recording_id, {f"f{part}": bytes(part) for part in range(20)}, recording_id=recording_id)
    with DataInterface.open(s3_settings) as data:
        assert ingest_all(data, scan_folder(tmp_path)).files_uploaded == 1200
    with DataInterface.open(s3_settings) as data:
        before = s3.log.count("HTTP/1.1")
        report = ingest_all(data, scan_folder(tmp_path))
        assert (report.files_uploaded, report.files_skipped, report.failed) == (0, 1200, 0)
        # Two pages of a thousand keys, and one look for unfinished uploads.
        assert s3.log.count("HTTP/1.1") - before <= 3
