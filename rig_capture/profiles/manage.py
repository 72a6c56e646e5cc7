"""The user's own profiles as files: made, changed, listed, deleted. A change is checked before it is written.

Comments and the order of keys in a file stay as they are (ruamel.yaml).
"""

import io
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from rig_capture.profiles.errors import ProfileError, ProfileExists, ProfileNotFound, ProfileProtected
from rig_capture.profiles.explain import is_secret, unknown_key
from rig_capture.profiles.files import check_credentials_file
from rig_capture.profiles.load import (
    DEFAULT,
    PACKAGED,
    LoadedProfile,
    check_profile,
    find_profile,
    parse_value,
    profile_names,
    user_profiles_dir,
)
from rig_capture.profiles.text import KeyPath, read_layer


@dataclass(frozen=True)
class ProfileEntry:
    """One line of the list of profiles."""

    name: str
    path: Path
    packaged: bool
    description: str
    problem: str
    """Why it can't be used; empty where it can."""


@dataclass(frozen=True)
class Value:
    """One setting with its value and where that came from."""

    key: str
    value: Any
    origin: str


def create_profile(name: str, base: str | None = None) -> Path:
    """Makes a profile of the user's own that extends another.

    Args:
        name: letters, digits, ``_``, ``-`` and ``.``.
        base: the profile it extends; None: the packaged one of that name, else ``default``.

    Returns:
        The file.

    Raises:
        ProfileExists: there is one of that name.
        ProfileError: a name that can't be a file's, or the base can't be used.
    """
    path = _user_file(name)
    if path.is_file():
        raise ProfileExists(f"{path}: there is a profile {name!r} already; change it with `rig profile update {name}`")
    if base is None:
        base = name if (PACKAGED / f"{name}.yaml").is_file() else DEFAULT
    found = find_profile(base)
    if found.stem != base:
        base = str(found.resolve())
    _write(path, f"# Settings of `{name}` that differ from `{base}`; see `rig profile get {name} --effective`.\nextends: {base}\n")
    return path


def update_profile(name: str | None, changes: Mapping[str, Any], removals: Iterable[str] = ()) -> Path:
    """Changes values in a profile's file; a packaged profile is changed through a file of the user's own that extends it.

    Args:
        name: None: the default profile. A path of a YAML file is taken, too.
        changes: from dotted keys to values; texts are read as on a command line.
        removals: dotted keys whose values go back to what the profile extends.

    Returns:
        The file.

    Raises:
        ProfileError: the file would not be a valid profile; it stays as it was.
    """
    path = _file_to_change(name or DEFAULT)
    text = path.read_text(encoding="utf-8") if path.is_file() else f"extends: {path.stem}\n"
    if path.is_file():
        read_layer(path)
    yaml = _round_trip()
    values = yaml.load(text)
    if values is None:
        values = CommentedMap()
    for dotted in removals:
        _remove(values, tuple(dotted.split(".")), path)
    for dotted, value in changes.items():
        key_path = tuple(dotted.split("."))
        if key_path != ("extends",) and any(is_secret(part) for part in key_path):
            raise ProfileError(f"{dotted}: {unknown_key(key_path)}")
        _set(values, key_path, parse_value(key_path, value) if isinstance(value, str) else value)
    stream = io.StringIO()
    yaml.dump(values, stream)
    loaded = check_profile(path, stream.getvalue())
    if "credentials_file" in changes:
        check_credentials_file(loaded.profile.credentials_file)
    _write(path, stream.getvalue())
    return path


def delete_profile(name: str) -> Path:
    """Removes a profile of the user's own.

    Raises:
        ProfileProtected: the default one, a packaged one, or one that others extend.
        ProfileNotFound: there is none.
    """
    if name == DEFAULT:
        raise ProfileProtected(f"the profile {DEFAULT!r} can't be deleted; take a change back with `rig profile update --unset KEY`")
    path = _user_file(name)
    if not path.is_file():
        if name in profile_names():
            raise ProfileProtected(f"{name!r} is a packaged profile and can't be deleted")
        find_profile(name)
        raise ProfileNotFound(f"{path}: no such file")
    users = [other for other in sorted(user_profiles_dir().glob("*.yaml")) if other != path and _base(other) == name]
    if users and not (PACKAGED / path.name).is_file():
        raise ProfileProtected(f"{name!r} can't be deleted: {', '.join(map(str, users))} extends it; delete or change that first")
    path.unlink()
    return path


def list_profiles() -> list[ProfileEntry]:
    """All profiles by name; one that can't be used is listed with the reason."""
    return [_entry(name) for name in sorted(profile_names())]


def values_of(loaded: LoadedProfile, *, all_values: bool) -> Iterator[Value]:
    """The settings of a profile, flat, with where each came from.

    Args:
        loaded: a profile with its origins.
        all_values: also built-in defaults; else only what a file, a variable or a flag says.
    """
    for path, value in _flat((), loaded.profile.model_dump(mode="json")):
        origin = loaded.origin(path)
        if all_values or origin != "default":
            yield Value(".".join(path), value, origin)


def _entry(name: str) -> ProfileEntry:
    path = find_profile(name)
    try:
        description = check_profile(path, path.read_text(encoding="utf-8")).profile.description
    except (ProfileError, OSError, UnicodeDecodeError) as error:
        return ProfileEntry(name, path, path.parent == PACKAGED, "", str(error))
    return ProfileEntry(name, path, path.parent == PACKAGED, description, "")


def _flat(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat((*path, str(key)), inner)
    else:
        yield path, value


def _user_file(name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name.endswith((".yaml", ".yml")):
        raise ProfileError(f"{name!r} can't be a profile's name: letters, digits, '_', '-' and '.', without an ending")
    return user_profiles_dir() / f"{name}.yaml"


def _file_to_change(name: str) -> Path:
    found = find_profile(name)
    return user_profiles_dir() / found.name if found.parent == PACKAGED else found


def _base(path: Path) -> object:
    try:
        return read_layer(path)[0].get("extends")
    except ProfileError:
        return None  # it can't be used, with or without what it extends


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 200
    return yaml


def _set(values: MutableMapping[str, Any], path: KeyPath, value: object) -> None:
    for key in path[:-1]:
        if not isinstance(values.get(key), MutableMapping):
            values[key] = CommentedMap()
        values = values[key]
    values[path[-1]] = value


def _remove(values: MutableMapping[str, Any], path: KeyPath, file: Path) -> None:
    parents: list[MutableMapping[str, Any]] = [values]
    for key in path[:-1]:
        inner = parents[-1].get(key)
        parents.append(inner if isinstance(inner, MutableMapping) else {})
    if path[-1] not in parents[-1]:
        raise ProfileError(f"{file}: {'.'.join(path)}: not set in this file, so there is nothing to take back")
    del parents[-1][path[-1]]
    # A section left empty would hide the one it extends.
    for parent, key in zip(reversed(parents[:-1]), reversed(path[:-1]), strict=True):
        if not parent[key]:
            del parent[key]


def _write(path: Path, text: str) -> None:
    """Replaces a file at once, so that nobody ever reads half of it; its mode stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
