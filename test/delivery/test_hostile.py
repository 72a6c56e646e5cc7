"""Manifests that nobody's recorder wrote: a typed error or a sound ingest, and nothing outside the session is touched."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig_capture.delivery.errors import DeliveryError
from rig_capture.delivery.ingest import DataInterface, participant_for
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.session.errors import SessionError
from rig_capture.session.manifest import FileEntry, content_hash, read_manifest, recording_hash
from test.delivery.sessions import make_session

TEXT_KEYS = ("recording_id", "rig", "node_hostname", "node_id", "site", "room", "started_at", "ended_at", "label", "participant")
OTHER_KEYS = ("files", "tags", "streams", "testing_mode", "schema_version", "state", "unknown")
FILE_KEYS = ("path", "size", "sha256", "kind", "stream", "started_at", "ended_at")

NASTY = ["", ".", "..", "../outside", "/etc/passwd", "a\0b", "link/outside", "bag/../bag/bag_0.mcap", "bag", "x" * 5000, "a/" * 600 + "a"]
TIMES = ["9999-99-99", "1970-01-01T00:00:00+99:99", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-05-07"]

# All characters, with the lone surrogates that JSON can write and UTF-8 can't.
texts = st.text(st.characters(), max_size=20) | st.sampled_from(NASTY + TIMES)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5
)
changes = st.dictionaries(st.sampled_from(TEXT_KEYS), texts, max_size=3) | st.dictionaries(
    st.sampled_from(TEXT_KEYS + OTHER_KEYS), anything, max_size=2
)
file_changes = st.dictionaries(st.sampled_from(FILE_KEYS), texts | anything, max_size=2)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A session with a link that leads out of it."""
    (tmp_path / "outside").write_bytes(b"outside")
    path = make_session(tmp_path / "sessions" / "s", participant="Ada")
    (path / "link").symlink_to(tmp_path)
    return path


def with_fitting_hashes(values: dict[str, Any]) -> dict[str, Any]:
    """The manifest with hashes that fit, where any can, so that not all ends at them."""
    try:
        fitting = {
            "content_hash": content_hash([FileEntry.model_validate(entry) for entry in values["files"]]),
            "recording_hash": recording_hash(values["recording_id"], values["rig"]),
        }
    except (TypeError, ValueError):
        return values
    return values | fitting


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(top=changes, file=file_changes)
def test_any_manifest_is_ingested_soundly_or_refused_by_a_typed_error(
    session: Path, tmp_path: Path, top: dict[str, Any], file: dict[str, Any]
) -> None:
    good = make_session(tmp_path / "good", participant="Ada") / "manifest.json"
    values = json.loads(good.read_text()) | top
    if isinstance(values["files"], list) and values["files"] and isinstance(values["files"][0], dict):
        values["files"] = [values["files"][0] | file, *values["files"][1:]]
    (session / "manifest.json").write_text(json.dumps(with_fitting_hashes(values)))
    with DataInterface.open(DeliverySettings(store=str(tmp_path / "store"), catalog=str(tmp_path / "catalog.db"))) as data:
        try:
            participant = participant_for(session, read_manifest(session))
            result = data.ingest(manifest_path=session / "manifest.json", source_dir=session, participant=participant)
        except (DeliveryError, SessionError):
            result = None
        assert result is None or result.recording is not None
    assert (tmp_path / "outside").read_bytes() == b"outside"
    assert {path.name for path in tmp_path.iterdir()} <= {"outside", "sessions", "good", "store"} | {
        f"catalog.db{suffix}" for suffix in ("", "-wal", "-shm")
    }
    assert {path.name for path in (tmp_path / "store").glob("*")} <= {".incoming", "recordings"}


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b'{"schema_version": 4}', b"1" * 5000]
)
def test_what_is_no_manifest_is_refused(session: Path, folder_settings: DeliverySettings, data: bytes) -> None:
    (session / "manifest.json").write_bytes(data)
    with DataInterface.open(folder_settings) as interface, pytest.raises(SessionError):
        interface.ingest(manifest_path=session / "manifest.json", source_dir=session)


def test_a_hundred_megabytes_of_json_are_not_even_parsed(session: Path, folder_settings: DeliverySettings) -> None:
    with (session / "manifest.json").open("wb") as file:
        file.truncate(100 * 2**20)
    with DataInterface.open(folder_settings) as interface, pytest.raises(SessionError, match="too large"):
        interface.ingest(manifest_path=session / "manifest.json", source_dir=session)


def test_a_participant_file_that_leads_elsewhere_is_not_read(session: Path, tmp_path: Path) -> None:
    (session / "participant.txt").unlink()
    (session / "participant.txt").symlink_to(tmp_path / "outside")
    with pytest.raises(SessionError, match="link"):
        participant_for(session, read_manifest(make_session(tmp_path / "other")))
