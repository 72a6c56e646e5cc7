"""The manifest: what is written can be read, and what is not ours is refused with its reason."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.session.errors import ManifestError, UnsafePath, UnsupportedManifestVersion
from rig_capture.session.manifest import (
    FileEntry,
    Gap,
    Manifest,
    StreamEntry,
    content_hash,
    iso_time,
    parse_time,
    read_manifest,
    recording_hash,
    write_manifest,
)

HASH = "a" * 64


def make_manifest(*files: FileEntry) -> Manifest:
    """A manifest with a stream and a gap."""
    stream = StreamEntry(kind="topic", topic="imu", type="sensor_msgs/msg/Imu", gaps=(Gap(from_ns=1, to_ns=2, reason="no data"),))
    return Manifest(
        recording_id="rec_20261120_210311_a1b2",
        recording_hash=recording_hash("rec_20261120_210311_a1b2", "lab"),
        rig="lab",
        node_hostname="host",
        started_at=iso_time(1_700_000_000_123_456_789),
        state="complete",
        files=files,
        streams={"imu": stream},
    )


def entry(path: str) -> FileEntry:
    """A row for a file."""
    return FileEntry(path=path, size=3, sha256=HASH, kind="other")


def write_raw(session: Path, **changes: object) -> None:
    """Writes a manifest with some keys changed, past all checks."""
    values = json.loads(make_manifest(entry("a.txt")).model_dump_json(by_alias=True)) | changes
    (session / "manifest.json").write_text(json.dumps(values))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = make_manifest(entry("bag/metadata.yaml"))
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert json.loads((tmp_path / "manifest.json").read_text())["streams"]["imu"]["gaps"] == [{"from": 1, "to": 2, "reason": "no data"}]
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"], "no temporary file is left"


@pytest.mark.parametrize(("version", "hint"), [(3, "older"), (5, "update"), ("4", "older"), (None, "older"), (True, "older")])
def test_another_version_is_refused_naming_both(tmp_path: Path, version: object, hint: str) -> None:
    write_raw(tmp_path, schema_version=version)
    with pytest.raises(UnsupportedManifestVersion, match=hint) as caught:
        read_manifest(tmp_path)
    assert str(version) in str(caught.value)
    assert "version 4" in str(caught.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/x", "a/../../x", "", "a\\b", "a\0b"])
def test_paths_that_leave_the_session_are_refused(tmp_path: Path, path: str) -> None:
    write_raw(tmp_path, files=[entry("a").model_dump() | {"path": path}])
    with pytest.raises(UnsafePath, match="refused"):
        read_manifest(tmp_path)


def test_a_link_out_of_the_session_is_refused(tmp_path: Path) -> None:
    session = tmp_path / "session"
    session.mkdir()
    (session / "out").symlink_to(tmp_path)
    write_raw(session, files=[entry("out/secret").model_dump()])
    with pytest.raises(UnsafePath, match="link"):
        read_manifest(session)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"extra": 1}, "extra"),
        ({"recording_hash": "xyz"}, "SHA-256"),
        ({"files": [{"path": "a", "size": -1, "sha256": HASH, "kind": "other"}]}, "size"),
        ({"state": "fine"}, "state"),
        ({"files": [entry("a").model_dump(), entry("a").model_dump()]}, "twice"),
        ({"files": [entry("a/b").model_dump(), entry("a//./b").model_dump()]}, "twice"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_key(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    write_raw(tmp_path, **change)
    with pytest.raises(ManifestError, match=reason):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_no_manifest_says_that_it_can_be_reconstructed(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="reconstructed"):
        read_manifest(tmp_path)


def test_the_recording_hash_is_the_same_on_every_node_and_differs_between_rigs() -> None:
    assert recording_hash("rec_1", "lab") == recording_hash("rec_1", "lab")
    assert recording_hash("rec_1", "lab") != recording_hash("rec_1", "field")


@given(st.permutations([entry("a"), entry("b/c"), entry("d")]))
def test_the_content_hash_does_not_depend_on_order(files: list[FileEntry]) -> None:
    assert content_hash(files) == content_hash([entry("a"), entry("b/c"), entry("d")])
    assert content_hash(files[:2]) != content_hash(files)


@given(st.integers(min_value=0, max_value=4 * 10**18))
def test_times_keep_their_microseconds(stamp_ns: int) -> None:
    assert parse_time(iso_time(stamp_ns)) == stamp_ns // 1000 * 1000


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
@pytest.mark.parametrize("key", ["started_at", "ended_at"])
def test_a_manifest_with_something_else_for_a_time_is_refused(tmp_path: Path, key: str, text: str) -> None:
    write_raw(tmp_path, **{key: text})
    with pytest.raises(ManifestError, match=f"{key}.*no ISO 8601 time.*rig reconstruct"):
        read_manifest(tmp_path)
