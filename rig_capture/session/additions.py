"""What is added to a session after it was finished: files in rooms of their own, beside the manifest, which stays as it is.

Each room is a folder with its own ``manifest.json``, which lists its files. It is written last and atomically, so a room is what its
manifest says, and what an interrupted copy left is nothing.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rig_capture.session.atomic import sync_folder, write_atomic
from rig_capture.session.errors import SessionError
from rig_capture.session.hashing import sha256_file
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock
from rig_capture.session.manifest import LARGEST_MANIFEST, FileEntry, Manifest, Sha256, content_hash, read_manifest

Room = Literal["attachments", "estimates"]

ROOMS: tuple[Room, ...] = ("attachments", "estimates")
"""Folders that may be added to a session."""

MANIFEST = "manifest.json"

_STAGING = ".new"
"""Folder in a room for files that are being made; no added file has a name that begins with a dot."""

_LONGEST_NAME = 200
"""Bytes of UTF-8; file systems take 255, and a copy on its way has a longer name."""


class AdditionError(SessionError):
    """A file that can't be added to a session, or a list of added files that can't be used."""


def _file_name(name: str) -> str:
    """A name that every file system and object store takes. Raises ValueError."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise ValueError("is no Unicode text") from error
    if not name or name.startswith(".") or any(sign in "/\\" or ord(sign) < 32 or ord(sign) == 127 for sign in name):
        raise ValueError("is not a plain file name: no slashes, no control characters, no dot at its beginning")
    if size > _LONGEST_NAME:
        raise ValueError(f"is longer than {_LONGEST_NAME} bytes")
    if name == MANIFEST:
        raise ValueError("is the name of the list of added files")
    return name


class Addition(BaseModel):
    """One file that was added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, AfterValidator(_file_name)]
    """Its name in the room."""
    size: int = Field(ge=0)
    """Bytes."""
    sha256: Sha256
    added_at: AwareDatetime
    label: str = ""


class Additions(BaseModel):
    """The manifest of a room."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    files: tuple[Addition, ...] = ()


def additions_manifest(session: Path, room: Room) -> Path:
    """Where the list of a room is, whether it exists or not. Raises UnsafePath."""
    return SessionLayout(session).resolve(f"{room}/{MANIFEST}")


def added_folders(session: Path) -> list[Path]:
    """The rooms of a session that have a list of their own; what is in them is no business of the session's manifest."""
    return [session / room for room in ROOMS if (session / room / MANIFEST).is_file()]


def read_additions(session: Path, room: Room) -> Additions:
    """What was added to a room of a session; nothing where there is no such room.

    Raises:
        AdditionError: its manifest can't be read, or is not what it should be.
        UnsafePath: it lies outside the session, by way of a link.
    """
    data = _manifest_bytes(session, room)
    return Additions() if data is None else _parse(additions_manifest(session, room), data)


def add_files(session: Path, room: Room, sources: Sequence[Path], label: str = "") -> tuple[Addition, ...]:
    """Copies files into a room of a finished session, all of them or none; each copy is read back and compared.

    Args:
        session: its folder; its manifest is not touched.
        room: where they go.
        sources: regular files; each keeps its name.
        label: of all of them.

    Returns:
        What was added.

    Raises:
        SessionLocked: the session is being recorded, or changed by another program.
        SessionError: there is no session, or it is not finished.
        AdditionError: a file has a name that is taken or can't be, or can't be copied.
    """
    with _opened(session, room) as (folder, before):
        _check_names(SessionLayout(session), room, before, sources)
        return _place(sources, folder, before, label)


def put_files(
    session: Path, room: Room, writers: Mapping[str, Callable[[Path], object]], label: str = "", *, without: Collection[str] = ()
) -> tuple[Addition, ...]:
    """Writes files into a room of a finished session, in place of those of the same names; the list stays as it is where none differs.

    A file that is replaced is taken off the list first and put on it again last, so that whatever ends the work in between leaves a
    list that fits the files; what was not listed again is as if it had never been made, and is made again.

    Args:
        session: its folder; its manifest is not touched.
        room: where they go.
        writers: by file name; each is called with a path that ends in this name, and writes the file there.
        label: of all of them.
        without: names of files that are removed with it, where they are listed.

    Returns:
        How these files are listed now.

    Raises:
        SessionLocked: the session is being recorded, or changed by another program.
        SessionError: there is no session, or it is not finished.
        AdditionError: a name can't be, or the disk fails.
        Exception: what a writer raised; nothing has changed then.
    """
    for name in writers:
        try:
            _file_name(name)
        except ValueError as error:
            raise AdditionError(f"{name!r}: can't be written into {session / room}: it {error}") from error
    with _opened(session, room) as (folder, before):
        staging = folder / _STAGING
        staging.mkdir()
        try:
            listed = {addition.path: addition for addition in before.files}
            fresh = {name: _written(staging / name, write, label) for name, write in writers.items()}
            for name in [name for name, addition in fresh.items() if _is_same(listed.get(name), addition, folder)]:
                fresh[name] = listed[name]
            changed = [name for name, addition in fresh.items() if listed.get(name) is not addition]
            gone = listed.keys() & set(without)
            if changed or gone:
                _replace(folder, before, [fresh[name] for name in changed], gone)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return tuple(fresh.values())


def additions_changed_ns(session: Path) -> int:
    """When something was last added to a session, ns since the epoch; 0 where nothing was."""
    return max(_changed_ns(session / room / MANIFEST) for room in ROOMS)


def with_additions(session: Path, manifest: Manifest) -> Manifest:
    """A manifest that names the added files as well, with a content hash over all of them; the same where nothing was added.

    Raises:
        AdditionError: the list of a room can't be used.
        UnsafePath: a room lies outside the session, by way of a link.
    """
    known = {entry.path for entry in manifest.files}
    entries = [entry for room in ROOMS for entry in _entries(session, room) if entry.path not in known]
    if not entries:
        return manifest
    files = (*manifest.files, *entries)
    return manifest.model_copy(update={"files": files, "content_hash": content_hash(files)})


@contextmanager
def _opened(session: Path, room: Room) -> Iterator[tuple[Path, Additions]]:
    """A room that may be changed while the block runs, rid of what interrupted work left in it; its folder and its list."""
    read_manifest(session)
    layout = SessionLayout(session)
    try:
        with SessionLock(session):
            if layout.finishing.exists() or not layout.complete_mark.exists():
                raise SessionError(f"{session}: is not finished; start the recorder on its storage folder, or run `rig repair`, first")
            before = read_additions(session, room)
            folder = additions_manifest(session, room).parent
            is_new = not folder.exists()
            folder.mkdir(exist_ok=True)
            try:
                _sweep(folder)
                yield folder, before
                sync_folder(session)
            except BaseException:
                if is_new:
                    with contextlib.suppress(OSError):  # not empty
                        folder.rmdir()
                raise
    except OSError as error:
        raise AdditionError(f"{session / room}: {error}; nothing was added") from error


def _sweep(folder: Path) -> None:
    for left in folder.glob(".*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _written(path: Path, write: Callable[[Path], object], label: str) -> Addition:
    write(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return Addition(path=path.name, size=path.stat().st_size, sha256=sha256_file(path), added_at=datetime.now(UTC), label=label)


def _is_same(listed: Addition | None, fresh: Addition, folder: Path) -> bool:
    """Whether a file is there already, with the same bytes."""
    if listed is None or (listed.size, listed.sha256, listed.label) != (fresh.size, fresh.sha256, fresh.label):
        return False
    try:
        return sha256_file(folder / listed.path) == listed.sha256
    except OSError:
        return False


def _replace(folder: Path, before: Additions, fresh: Sequence[Addition], gone: Collection[str]) -> None:
    names = {addition.path for addition in fresh}
    kept = tuple(addition for addition in before.files if addition.path not in names and addition.path not in gone)
    if kept != before.files:
        _write_list(folder, kept)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    for name in names:
        os.replace(folder / _STAGING / name, folder / name)
    sync_folder(folder)
    _write_list(folder, (*kept, *fresh))


def _write_list(folder: Path, files: Sequence[Addition]) -> None:
    ordered = tuple(sorted(files, key=lambda addition: addition.path))
    write_atomic(folder / MANIFEST, Additions(files=ordered).model_dump_json(indent=1).encode() + b"\n")


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0  # what is wrong with it is told by whoever reads it


def _entries(session: Path, room: Room) -> list[FileEntry]:
    data = _manifest_bytes(session, room)
    if data is None:
        return []
    own = FileEntry(path=f"{room}/{MANIFEST}", size=len(data), sha256=hashlib.sha256(data).hexdigest(), kind="other")
    files = _parse(additions_manifest(session, room), data).files
    return [*(FileEntry(path=f"{room}/{file.path}", size=file.size, sha256=file.sha256, kind="other") for file in files), own]


def _manifest_bytes(session: Path, room: Room) -> bytes | None:
    path = additions_manifest(session, room)
    try:
        size = path.stat().st_size
        if size > LARGEST_MANIFEST:
            raise AdditionError(f"{path}: {size} bytes is too large for a manifest (at most {LARGEST_MANIFEST})")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise AdditionError(f"{path}: can't be read: {error}") from error


def _parse(path: Path, data: bytes) -> Additions:
    try:
        additions = Additions.model_validate_json(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()[:5])
        raise AdditionError(f"{path}: {problems}; mend it, or move its folder out of the session") from error
    if len({addition.path for addition in additions.files}) < len(additions.files):
        raise AdditionError(f"{path}: names a file twice; mend it, or move its folder out of the session")
    return additions


def _check_names(layout: SessionLayout, room: Room, before: Additions, sources: Sequence[Path]) -> None:
    taken = {addition.path for addition in before.files}
    for source in sources:
        name = source.name
        try:
            _file_name(name)
        except ValueError as error:
            raise AdditionError(f"{str(source)!r}: can't be added: its name {error}; rename it") from error
        if name in taken or os.path.lexists(layout.resolve(f"{room}/{name}")):
            raise AdditionError(f"{source}: {layout.path / room} holds a {name} already; rename one of them")
        if not source.is_file():
            raise AdditionError(f"{source}: {'is no regular file' if source.exists() else 'there is no such file'}")
        taken.add(name)


def _place(sources: Sequence[Path], folder: Path, before: Additions, label: str) -> tuple[Addition, ...]:
    """Copies files and lists them; takes everything back where that fails."""
    now = datetime.now(UTC)
    copies = {folder / source.name: folder / f".{source.name}.tmp" for source in sources}
    try:
        added = tuple(_copy(source, copy, now, label) for source, copy in zip(sources, copies.values(), strict=True))
        for place, copy in copies.items():
            os.replace(copy, place)
        sync_folder(folder)
        _write_list(folder, (*before.files, *added))
    except BaseException:
        # None of these names was taken before.
        for path in (*copies, *copies.values()):
            path.unlink(missing_ok=True)
        raise
    return added


def _copy(source: Path, target: Path, now: datetime, label: str) -> Addition:
    with source.open("rb") as reading, target.open("xb") as writing:
        shutil.copyfileobj(reading, writing, 2**20)
        writing.flush()
        os.fsync(writing.fileno())
    digest = sha256_file(source)
    if sha256_file(target) != digest:
        raise AdditionError(f"{source}: its copy has other bytes; it was changed meanwhile, or the disk is bad; nothing was added")
    return Addition(path=source.name, size=target.stat().st_size, sha256=digest, added_at=now, label=label)
