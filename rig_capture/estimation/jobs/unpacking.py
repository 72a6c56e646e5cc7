"""Zip files from outside, unpacked so that they can harm nothing: everything is checked before a byte is written.

Refused are names that are absolute or lead out of the folder, links and devices, encryption, more files or bytes than allowed,
contents that shrank beyond belief (bombs), and names that are the same on a file system that ignores case or Unicode forms.
"""

import lzma
import os
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from rig_capture.estimation.jobs.errors import ZipDamaged, ZipNamesCollide, ZipRefused, ZipTooLarge, ZipUnsafe
from rig_capture.profiles.settings.estimation import EstimateJobSettings
from rig_capture.profiles.units import format_bytes
from rig_capture.session.atomic import sync_folder

_BLOCK = 2**20
_LONGEST_NAME = 200
"""Bytes of each part of a name; file systems take 255, and what is written beside a video has a longer name."""
_RATIO_FROM = 2**20
"""Smaller files may shrink as they like."""
_ENCRYPTED = 0x1
_MADE_ON_UNIX = 3


def unpack(path: Path, folder: Path, limits: EstimateJobSettings) -> None:
    """Unpacks a zip file into a folder of its own.

    Args:
        path: of the zip file.
        folder: does not exist yet; it is there whole afterwards, or not at all.
        limits: how much it may hold.

    Raises:
        ZipRefused: of a class that says why.
        OSError: it could not be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_all(path, entries, limits, shutil.disk_usage(path.parent).free)
            folder.mkdir()
            try:
                _extract(path, archive, entries, folder, limits.zip_bytes)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError) as error:
        raise ZipDamaged(f"{path.name}: can't be unpacked: {error}; pack it again") from error


def _check_all(path: Path, entries: list[zipfile.ZipInfo], limits: EstimateJobSettings, free: int) -> None:
    if len(entries) > limits.zip_files:
        raise ZipTooLarge(f"{path.name}: holds {len(entries)} files; at most {limits.zip_files} are taken (zip_files)")
    total = sum(entry.file_size for entry in entries)
    if total > limits.zip_bytes:
        raise ZipTooLarge(
            f"{path.name}: {format_bytes(total)} when unpacked; at most {format_bytes(limits.zip_bytes)} are taken (zip_bytes)"
        )
    if total > free:
        raise ZipTooLarge(f"{path.name}: {format_bytes(total)} when unpacked, and only {format_bytes(free)} are free; make room")
    for entry in entries:
        _check_entry(path, entry, limits.zip_ratio)
    _check_collisions(path, entries)


def _check_entry(path: Path, entry: zipfile.ZipInfo, ratio: float) -> None:
    if (reason := _unsafe(entry)) is not None:
        raise ZipUnsafe(f"{path.name}: holds {entry.orig_filename[:_LONGEST_NAME]!r}, which {reason}; nothing of it was unpacked")
    if entry.flag_bits & _ENCRYPTED:
        raise ZipRefused(f"{path.name}: is encrypted; pack it without a password")
    if entry.file_size > _RATIO_FROM and entry.file_size > ratio * max(1, entry.compress_size):
        shrank = entry.file_size / max(1, entry.compress_size)
        raise ZipTooLarge(f"{path.name}: {entry.filename!r} grows {shrank:.0f} times when unpacked; at most {ratio:g} times (zip_ratio)")


def _unsafe(entry: zipfile.ZipInfo) -> str | None:
    """Why a name or a kind is not taken; None where it is."""
    name = entry.orig_filename
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
        return "has control characters in its name"
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        return "is no relative name with / between its parts"
    parts = PurePosixPath(name).parts
    if not (parts or entry.is_dir()) or ".." in name.split("/"):
        return "leads out of its folder"
    if any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in parts) or len(name) > 10 * _LONGEST_NAME:
        return "has a name that is too long"
    if entry.create_system == _MADE_ON_UNIX and (kind := stat.S_IFMT(entry.external_attr >> 16)) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link" if kind == stat.S_IFLNK else "is neither a file nor a folder"
    return None


def _check_collisions(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    seen: dict[str, str] = {}  # folders end in /
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        folders = parts if entry.is_dir() else parts[:-1]
        names = ["/".join(folders[: depth + 1]) + "/" for depth in range(len(folders))]
        if not entry.is_dir():
            names.append("/".join(parts))
        for name in names:
            before = seen.get(_folded(name))
            # Each file in a folder names it, in the same letters.
            if before is not None and not (before == name and name.endswith("/")):
                raise ZipNamesCollide(f"{path.name}: {before!r} and {name!r} would be one; rename one of them")
            seen[_folded(name)] = name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.rstrip("/")).casefold())


def _extract(path: Path, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], folder: Path, limit: int) -> None:
    done = 0
    for entry in entries:
        target = folder.joinpath(*PurePosixPath(entry.filename).parts)
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as reading, target.open("xb") as writing:
            while block := reading.read(_BLOCK):
                done += len(block)
                if done > limit:  # whatever it says of itself
                    raise ZipTooLarge(f"{path.name}: holds more than it says; nothing of it was kept")
                writing.write(block)
            writing.flush()
            os.fsync(writing.fileno())
    for place in (folder, *(found for found in folder.rglob("*") if found.is_dir())):
        sync_folder(place)
