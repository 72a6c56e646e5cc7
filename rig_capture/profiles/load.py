"""How a profile's values come together: built-in defaults, then the profile's file, then the environment, then flags.

A layer is a nested dict as YAML gives it. Each layer is laid over the one before, key by key, and where each value came
from is kept, so that `rig profile get --effective` can tell, and errors can name the line.
"""

import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rig_capture.profiles.errors import ProfileError, ProfileNotFound
from rig_capture.profiles.explain import explain, field_at, is_secret, unknown_key
from rig_capture.profiles.places import PREFIX, config_dir
from rig_capture.profiles.profile import Profile
from rig_capture.profiles.text import KeyPath, Origins, parse, parse_layer, read_layer

OTHER_VARIABLES = frozenset(
    PREFIX + name
    for name in (
        "PROFILE",
        "CONFIG_DIR",
        "DATA_DIR",
        "RUNTIME_DIR",
        "LEDGER",
        "DEBUG",
        "HOST",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "CATALOG_PASSWORD",
        "CONSOLE_TOKEN",
    )
)
"""Variables of ours that are no settings of a profile."""

PACKAGED = Path(__file__).parent / "packaged"
DEFAULT = "default"

Layer = tuple[dict[str, Any], Origins]


@dataclass(frozen=True)
class LoadedProfile:
    """A profile, and where each of its values came from."""

    name: str
    profile: Profile
    origins: Mapping[tuple[str, ...], str]
    """From a value's path, such as ``("cameras", "camera_front", "fps")``, to ``FILE:LINE``, ``$VARIABLE`` or ``flag``.
    Values not in it are built-in defaults."""

    def origin(self, path: tuple[str, ...]) -> str:
        """Where the value at a path came from."""
        return self.origins.get(path, "default")


def user_profiles_dir() -> Path:
    """Folder of the user's own profiles."""
    return config_dir() / "profiles"


def find_profile(name: str) -> Path:
    """The file of a profile, given its name or a path; the user's own come before packaged ones.

    Raises:
        ProfileNotFound: neither is there.
    """
    if _is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ProfileNotFound(f"{path}: no such file; give a profile's name (see `rig profile list`) or the path of a YAML file")
        return path
    for folder in (user_profiles_dir(), PACKAGED):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = ", ".join(sorted(profile_names()))
    raise ProfileNotFound(f"there is no profile {name!r}; there are: {known}. Make one with `rig profile create {name}`")


def profile_names() -> set[str]:
    """Names of all profiles, packaged and the user's own."""
    return {file.stem for folder in (PACKAGED, user_profiles_dir()) if folder.is_dir() for file in folder.glob("*.yaml")}


def load_profile(
    name: str | None = None, *, overrides: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> LoadedProfile:
    """Reads a profile with all layers over it.

    Args:
        name: a profile's name or a YAML file's path; None: $RIG_CAPTURE_PROFILE, else ``default``.
        overrides: values from flags or launch arguments, with dotted keys, such as ``{"cameras.camera_front.fps": 15}``;
            a text is read as the environment's are.
        environment: variables; None: those of the process.

    Raises:
        ProfileError: with file, line, key and what is allowed.
    """
    variables = os.environ if environment is None else environment
    path = find_profile(name or variables.get(PREFIX + "PROFILE") or DEFAULT)
    return _assemble(path, _file_layers(path, read_layer(path), ()), variables, overrides or {})


def check_profile(path: Path, text: str) -> LoadedProfile:
    """What a file would mean if it held this text: only the file and what it extends count.

    Raises:
        ProfileError: it could not be used; the message names the line in the text.
    """
    return _assemble(path, _file_layers(path, parse_layer(path, text), ()), {}, {})


def parse_value(path: KeyPath, text: str) -> object:
    """The value that a text from the environment or the command line means for a setting.

    Where a word is wanted the text is taken as it stands, else it is read as YAML: ``15``, ``2gb``, ``[a, b]``, ``null``.
    """
    try:
        value = parse(text)
    except yaml.YAMLError:
        return text
    # Most are words either way; to look at the schema takes a quarter of a second.
    return text if value == text or field_at(path).get("type") == "string" else value


def _assemble(path: Path, layers: Iterator[Layer], variables: Mapping[str, str], overrides: Mapping[str, Any]) -> LoadedProfile:
    values: dict[str, Any] = {}
    origins: Origins = {}
    for layer, sources in layers:
        _lay_over(values, layer, origins, sources)
    for variable in sorted(variables):
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES and variables[variable]:
            key_path = _known_case(values, _key_path_of(variable))
            _lay_value_over(values, key_path, parse_value(key_path, variables[variable]), origins, f"${variable}")
    for dotted, value in overrides.items():
        key_path = tuple(dotted.split("."))
        _lay_value_over(values, key_path, parse_value(key_path, value) if isinstance(value, str) else value, origins, "flag")
    try:
        return LoadedProfile(path.stem, Profile.model_validate(values), origins)
    except ValidationError as error:
        # Not chained: pydantic's own words show values, and these may be secrets.
        raise ProfileError("\n".join(explain(error, path, origins))) from None


def _file_layers(path: Path, layer: Layer, seen: tuple[Path, ...]) -> Iterator[Layer]:
    """A file and the profiles it extends, the deepest first."""
    if path.resolve() in seen:
        raise ProfileError(f"{path}: extends itself, by way of {', '.join(str(p) for p in seen)}")
    values, origins = layer
    base = values.pop("extends", None)
    where = origins.pop(("extends",), str(path))
    if base is not None:
        target = _extended(path, base, where)
        yield from _file_layers(target, read_layer(target), (*seen, path.resolve()))
    yield values, origins


def _extended(path: Path, base: object, where: str) -> Path:
    """The file that a profile extends."""
    if not isinstance(base, str):
        raise ProfileError(f"{where}: extends: the name of one profile or the path of a YAML file belongs here (it is {base!r})")
    packaged = PACKAGED / f"{base}.yaml"
    # Packaged profiles build on packaged ones only; and a user's `lab` that extends `lab` means the packaged one.
    if packaged.is_file() and (path.parent == PACKAGED or (base == path.stem and path != packaged)):
        return packaged
    if _is_path(base) and not Path(base).expanduser().is_absolute():
        base = str(path.parent / base)
    try:
        return find_profile(base)
    except ProfileNotFound as error:
        raise ProfileNotFound(f"{where}: extends: {error}") from error


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or "/" in name


def _key_path_of(variable: str) -> KeyPath:
    """RIG_CAPTURE_STORAGE_LIMIT, RIG_CAPTURE_CAMERAS__CAMERA_FRONT__FPS (two underscores go one level down).

    Raises:
        ProfileError: there is no such setting.
    """
    path = tuple(part.lower() for part in variable.removeprefix(PREFIX).split("__"))
    if path[0] in Profile.model_fields:
        return path
    reason = unknown_key(path[:1])
    if is_secret(path[0]):
        raise ProfileError(f"${variable}: {reason}")
    raise ProfileError(f"${variable}: {reason}; and these variables: {', '.join(sorted(OTHER_VARIABLES))}")


def _known_case(values: Mapping[str, Any], path: KeyPath) -> KeyPath:
    """The path with the upper and lower case of node names that are there."""
    known: list[str] = []
    here: Any = values
    for part in path:
        matching = [key for key in here if key.lower() == part] if isinstance(here, Mapping) else []
        known.append(matching[0] if matching else part)
        here = here.get(known[-1]) if isinstance(here, Mapping) else None
    return tuple(known)


def _lay_value_over(values: dict[str, Any], path: KeyPath, value: object, origins: Origins, source: str) -> None:
    sources = dict.fromkeys(_paths(path, value), source)
    nested: Any = value
    for key in reversed(path):
        nested = {key: nested}
    _lay_over(values, nested, origins, sources)


def _paths(path: KeyPath, value: object) -> Iterator[KeyPath]:
    yield path
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths((*path, str(key)), inner)


def _lay_over(below: dict[str, Any], layer: Mapping[str, Any], origins: Origins, sources: Origins, path: KeyPath = ()) -> None:
    for key, value in layer.items():
        own = (*path, str(key))
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _lay_over(below[key], value, origins, sources, own)
            continue
        # A copy, since upper layers write into it, and YAML aliases share one dict between keys.
        below[key] = copy.deepcopy(value)
        for known in [known for known in origins if known[: len(own)] == own]:
            del origins[known]
        origins.update({known: source for known, source in sources.items() if known[: len(own)] == own})
