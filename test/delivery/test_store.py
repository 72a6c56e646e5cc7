"""What every kind of object store must do."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.delivery.credentials import load_credentials
from rig_capture.delivery.errors import BadAddress, ContentMismatch, FileMissing, ObjectStoreError, TransferStopped
from rig_capture.delivery.store import ObjectStore, open_store
from rig_capture.delivery.transfer import Brake, Payload, Throttle, Transfer
from rig_capture.profiles.settings.rig import DeliverySettings

SIZES = {"empty": 0, "small": 1000, "one block": 2**20, "large": 20 * 2**20 + 7}


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    """A new store of each kind in turn."""
    opened = open_store(request.getfixturevalue(f"{request.param}_settings"), load_credentials())
    yield opened
    opened.close()


def transfer(on_bytes: list[int] | None = None, brake: Brake | None = None) -> Transfer:
    """A transfer that nothing holds up."""
    return Transfer(Throttle(0), brake or Brake(lambda: False), (on_bytes if on_bytes is not None else []).append)


def payload_of(path: Path, data: bytes) -> Payload:
    """A file with these bytes, and what a manifest would say of it."""
    path.write_bytes(data)
    return Payload(str(path), len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_what_is_put_is_there_byte_by_byte(store: ObjectStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    moved: list[int] = []
    stored = store.put(payload_of(tmp_path / "f", data), "a/b/f.bin", transfer(moved))
    assert store.get("a/b/f.bin") == data
    assert list(store.list("a/")) == [stored]
    assert sum(moved) == size
    assert stored.size == size


def test_a_listing_gives_what_begins_with_the_prefix(store: ObjectStore, tmp_path: Path) -> None:
    for key in ("a/1", "a/b/2", "ab/3", "ä/ö ü+%&?.txt"):
        store.put(payload_of(tmp_path / "f", key.encode()), key, transfer())
    assert {stored.key for stored in store.list("a/")} == {"a/1", "a/b/2"}
    assert [stored.key for stored in store.list("ä/")] == ["ä/ö ü+%&?.txt"]
    assert list(store.list("none/")) == []
    assert store.get("ä/ö ü+%&?.txt") == "ä/ö ü+%&?.txt".encode()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_an_object_with_the_same_bytes_is_known(store: ObjectStore, tmp_path: Path, size: int) -> None:
    payload = payload_of(tmp_path / "f", os.urandom(size))
    stored = store.put(payload, "a/f", transfer())
    (listed,) = store.list("a/")
    assert listed == stored
    assert store.holds(payload, listed)
    if size:
        assert not store.holds(payload_of(tmp_path / "g", os.urandom(size)), listed)
    assert not store.holds(payload_of(tmp_path / "h", os.urandom(size + 1)), listed)


@pytest.mark.parametrize("size", [1000, 20 * 2**20])
def test_other_bytes_than_promised_are_refused_and_leave_nothing(store: ObjectStore, tmp_path: Path, size: int) -> None:
    payload = payload_of(tmp_path / "f", os.urandom(size))
    changed = bytearray((tmp_path / "f").read_bytes())
    changed[-1] ^= 1
    (tmp_path / "f").write_bytes(changed)
    with pytest.raises(ContentMismatch, match=str(tmp_path / "f")):
        store.put(payload, "a/f", transfer())
    assert list(store.list("a/")) == []


def test_a_file_that_is_gone_or_no_file_is_named(store: ObjectStore, tmp_path: Path) -> None:
    payload = payload_of(tmp_path / "f", b"x")
    (tmp_path / "f").unlink()
    with pytest.raises(FileMissing, match=str(tmp_path / "f")):
        store.put(payload, "a/f", transfer())
    os.mkfifo(tmp_path / "f")
    with pytest.raises(FileMissing, match="not a regular one"):
        store.put(payload, "a/f", transfer())


def test_what_is_not_there_is_an_error_with_the_key(store: ObjectStore) -> None:
    with pytest.raises(ObjectStoreError, match="no/such") as caught:
        store.get("no/such")
    assert caught.value.key == "no/such"


def test_a_new_put_replaces_the_old_object(store: ObjectStore, tmp_path: Path) -> None:
    first = store.put(payload_of(tmp_path / "f", b"first"), "a/f", transfer())
    second = store.put(payload_of(tmp_path / "f", b"other"), "a/f", transfer())
    assert store.get("a/f") == b"other"
    assert first.etag != second.etag


@pytest.mark.parametrize("size", [4 * 2**20, 20 * 2**20])
def test_a_stopped_put_leaves_no_object_and_the_next_one_succeeds(store: ObjectStore, tmp_path: Path, size: int) -> None:
    payload = payload_of(tmp_path / "f", os.urandom(size))
    moved: list[int] = []
    brake = Brake(lambda: False)

    def stop_half_way(count: int) -> None:
        moved.append(count)
        if sum(moved) >= size // 2:
            brake.pull()

    with pytest.raises(TransferStopped):
        store.put(payload, "a/f", Transfer(Throttle(0), brake, stop_half_way))
    store.put(payload, "a/f", transfer())
    assert store.get("a/f") == (tmp_path / "f").read_bytes()


@pytest.mark.parametrize("address", ["ftp://x", "s3://", "s3://a b", "file://host/x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadAddress):
        open_store(DeliverySettings(store=address), load_credentials("", {}))


def test_a_folder_may_be_given_as_a_file_address(tmp_path: Path) -> None:
    store = open_store(DeliverySettings(store=(tmp_path / "with space").as_uri()), load_credentials("", {}))
    store.put(payload_of(tmp_path / "f", b"x"), "a", transfer())
    assert (tmp_path / "with space" / "a").read_bytes() == b"x"
    assert store.url == (tmp_path / "with space").as_uri()
