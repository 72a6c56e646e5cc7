"""The proof that a session is elsewhere: it holds only where everything of it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig_capture.delivery.errors import ObjectStoreError, SessionNotComplete
from rig_capture.delivery.ingest import WRITE_ROLES, DataInterface
from rig_capture.delivery.proof import NotProven, is_safely_stored, prove_storage
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from test.delivery.sessions import FILES, make_session

LARGE = {"camera_front/00000.mkv": bytes(range(251)) * 40_000, "bag/metadata.yaml": b"version: 9\n"}
"""One file is put in parts."""


@pytest.fixture(params=["folder_settings", "s3_settings"])
def data(request: pytest.FixtureRequest) -> Iterator[DataInterface]:
    """Store and catalog, of each kind in turn."""
    settings: DeliverySettings = request.getfixturevalue(request.param)
    with DataInterface.open(settings, WRITE_ROLES) as opened:
        yield opened


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A complete session."""
    return make_session(tmp_path / "sessions" / "rec_20260507_143022_a1b2", FILES | LARGE)


@pytest.fixture
def stored(session: Path, data: DataInterface) -> Path:
    """A session that is in store and catalog."""
    ingest(session, data)
    return session


def ingest(session: Path, data: DataInterface) -> None:
    """Brings it there."""
    data.ingest(manifest_path=SessionLayout(session).manifest, source_dir=session)


def test_what_is_in_store_and_catalog_is_proven_and_the_proof_says_what_was_found(stored: Path, data: DataInterface) -> None:
    proof = prove_storage(stored, data)
    assert is_safely_stored(stored, data)
    assert proof.files == len(FILES | LARGE) + 1
    assert proof.bytes == sum(map(len, (FILES | LARGE).values()))
    for words in (proof.content_hash, data.store.url, f"{proof.files} objects"):
        assert words in proof.text


def test_what_was_never_sent_is_not(session: Path, data: DataInterface) -> None:
    assert not is_safely_stored(session, data)
    with pytest.raises(NotProven, match="is not in the catalog"):
        prove_storage(session, data)


def test_other_content_in_the_catalog_is_no_proof(stored: Path, data: DataInterface) -> None:
    make_session(stored, FILES | LARGE | {"bag/bag_0.mcap": b"recorded anew"})
    with pytest.raises(NotProven, match="other content"):
        prove_storage(stored, data)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda session: (session / "notes.txt").write_text("mine"), "holds notes.txt"),
        (lambda session: (session / "estimates").mkdir() or (session / "estimates" / "pose.csv").touch(), "holds estimates/pose.csv"),
        (lambda session: (session / "bag" / "bag_0.mcap").write_bytes(b"longer" * 9999), "its manifest says"),
        (lambda session: (session / "link").symlink_to("/etc/hostname"), "holds link"),
    ],
)
def test_a_folder_that_holds_more_than_was_sent_stays(
    tmp_path: Path, folder_settings: DeliverySettings, change: Callable[[Path], object], words: str
) -> None:
    session = make_session(tmp_path / "rec_20260507_143022_a1b2")
    with DataInterface.open(folder_settings, WRITE_ROLES) as data:
        ingest(session, data)
        assert is_safely_stored(session, data)
        change(session)
        with pytest.raises(NotProven, match=words):
            prove_storage(session, data)


@pytest.mark.parametrize("harm", ["gone", "shorter", "other bytes", "no manifest", "other manifest"])
def test_a_store_that_lost_something_is_found_out(tmp_path: Path, folder_settings: DeliverySettings, harm: str) -> None:
    session = make_session(tmp_path / "rec_20260507_143022_a1b2")
    with DataInterface.open(folder_settings, WRITE_ROLES) as data:
        ingest(session, data)
        folder = Path(folder_settings.store) / prove_storage(session, data).prefix
        target = folder / ("manifest.json" if "manifest" in harm else "bag/bag_0.mcap")
        size = target.stat().st_size
        match harm:
            case "gone" | "no manifest":
                target.unlink()
            case "shorter":
                target.write_bytes(b"x" * (size - 1))
            case _:
                target.write_bytes(b"x" * size)
        assert not is_safely_stored(session, data)


def test_a_lost_object_in_a_bucket_is_found_out(session: Path, s3_settings: DeliverySettings) -> None:
    with DataInterface.open(s3_settings, WRITE_ROLES) as data:
        ingest(session, data)
        proof = prove_storage(session, data)
        client = data.store._client  # type: ignore[attr-defined]
        bucket = s3_settings.store.split("/")[2]
        client.delete_object(Bucket=bucket, Key=f"some/prefix/{proof.prefix}camera_front/00000.mkv")
        with pytest.raises(NotProven, match=r"does not hold .*00000\.mkv"):
            prove_storage(session, data)


def test_a_session_that_is_recorded_or_incomplete_is_never_proven(stored: Path, data: DataInterface) -> None:
    with SessionLock(stored), pytest.raises(SessionNotComplete):
        is_safely_stored(stored, data)
    SessionLayout(stored).complete_mark.unlink()
    with pytest.raises(SessionNotComplete):
        is_safely_stored(stored, data)


def test_a_store_that_does_not_answer_proves_nothing(session: Path, s3_settings: DeliverySettings) -> None:
    with DataInterface.open(s3_settings, WRITE_ROLES) as data:
        ingest(session, data)
    unreachable = s3_settings.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    with DataInterface.open(unreachable, WRITE_ROLES) as data, pytest.raises(ObjectStoreError):
        is_safely_stored(session, data)
