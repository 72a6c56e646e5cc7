"""Zip files from outside: what could do harm is refused before a byte of it is written."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from rig_capture.estimation.jobs.errors import ZipDamaged, ZipNamesCollide, ZipRefused, ZipTooLarge, ZipUnsafe
from rig_capture.estimation.jobs.unpacking import unpack
from rig_capture.profiles.settings.estimation import EstimateJobSettings
from test.estimation.jobs.parts import give_zip, status, tree, work_once

LIMITS = EstimateJobSettings(zip_files=20, zip_bytes=50_000_000)


def info(name: str, mode: int = 0, *, deflate: bool = False) -> zipfile.ZipInfo:
    """An entry with a mode of Unix."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    return entry


def refused(tmp_path: Path, kind: type[ZipRefused], entries: dict[str | zipfile.ZipInfo, bytes], match: str) -> None:
    """Unpacks it in vain."""
    path = give_zip(tmp_path, "x", entries)
    before = tree(tmp_path)
    with pytest.raises(kind, match=match):
        unpack(path, tmp_path / "unpacked", LIMITS)
    assert tree(tmp_path) == before
    assert not (tmp_path / "unpacked").exists()


def test_files_and_folders_are_unpacked(tmp_path: Path) -> None:
    path = give_zip(tmp_path, "x", {"empty/": b"", "a/b/ä.mp4": b"1", "a/c.mp4": b"22", info("./d.mp4", deflate=True): b"3" * 100})
    unpack(path, tmp_path / "unpacked", LIMITS)
    assert tree(tmp_path / "unpacked") == {"a/b/ä.mp4", "a/c.mp4", "d.mp4"}
    assert (tmp_path / "unpacked/empty").is_dir()


@pytest.mark.parametrize(
    "name", ["../a.mp4", "a/../../b.mp4", "/etc/passwd", "C:/a.mp4", "C:a.mp4", "..\\a.mp4", "a\nb.mp4", "..", "ä" * 101, "a/" * 2000 + "a"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path, ZipUnsafe, {"good.mp4": b"1", name: b"1"}, "nothing of it was unpacked")


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int) -> None:
    refused(tmp_path, ZipUnsafe, {info("a.mp4", mode): b"/etc/passwd"}, "is a link|neither a file nor a folder")


@pytest.mark.parametrize(
    "names",
    [("a.mp4", "A.MP4"), ("\u00e4.mp4", "a\u0308.mp4"), ("a", "a/b.mp4"), ("A/b.mp4", "a/c.mp4"), ("stra\u00dfe.mp4", "STRASSE.mp4")],
)
def test_names_that_fall_together_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    refused(tmp_path, ZipNamesCollide, dict.fromkeys(names, b"1"), "would be one")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, ZipNamesCollide, {info("a.mp4"): b"1", info("a.mp4", 0o600): b"2"}, "would be one")


def test_bombs_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, ZipTooLarge, {info("a.mp4", deflate=True): bytes(20_000_000)}, r"grows \d+ times")
    refused(tmp_path, ZipTooLarge, {f"{number}.mp4": b"" for number in range(21)}, "21 files; at most 20")
    refused(tmp_path, ZipTooLarge, {f"{number}.mp4": bytes(10_000_000) for number in range(6)}, "60.0 MB when unpacked; at most 50.0 MB")


def test_a_zip_file_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = give_zip(tmp_path, "x", {info("a.mp4", deflate=True): bytes(30_000_000)})
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):  # the size, in the file's own header and in the directory
        struct.pack_into("<I", data, data.index(sign) + offset, 1000)
    path.write_bytes(data)
    with pytest.raises(ZipDamaged):
        unpack(path, tmp_path / "unpacked", LIMITS)
    assert not (tmp_path / "unpacked").exists()


def test_damaged_and_encrypted_ones_are_refused(tmp_path: Path) -> None:
    path = give_zip(tmp_path, "x", {"a.mp4": b"abc" * 100})
    whole = path.read_bytes()
    encrypted = bytearray(whole)
    for sign, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[encrypted.index(sign) + offset] |= 1
    for data, kind in (
        (b"", ZipDamaged),
        (whole[:-30], ZipDamaged),
        (whole.replace(b"abca", b"abcb", 1), ZipDamaged),
        (encrypted, ZipRefused),
    ):
        path.write_bytes(data)
        with pytest.raises(kind):
            unpack(path, tmp_path / "unpacked", LIMITS)
        assert not (tmp_path / "unpacked").exists()


def test_a_refused_zip_file_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    give_zip(tmp_path, "x", {"../a.mp4": b"1"})
    work_once(tmp_path)
    assert status(tmp_path).jobs["x"].error.startswith("ZipUnsafe: x.zip: holds '../a.mp4', which leads out of its folder")
    assert tree(tmp_path) == {"failed/x.zip", "out/status.json", "daemon.lock"}
