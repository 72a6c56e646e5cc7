"""How a profile's values come together: built-in defaults, then the profile's file, then the environment, then flags.

A layer is a nested dict as YAML gives it. Each layer is laid over the one before, key by key, and where each value came
from is kept, so that `rig profile get --effective` can tell, and errors can name the line.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rig_capture.profiles.errors import ProfileError, ProfileNotFound
from rig_capture.profiles.profile import Profile

PREFIX = "RIG_CAPTURE_"
OTHER_VARIABLES = frozenset(
    PREFIX + name
    for name in (
        "PROFILE",
        "CONFIG_DIR",
        "DATA_DIR",
        "RUNTIME_DIR",
        "DEBUG",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "CATALOG_PASSWORD",
    )
)
"""Variables of ours that are no settings of a profile."""

PACKAGED = Path(__file__).parent / "packaged"
DEFAULT = "default"

Origin = dict[tuple[str, ...], str]


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


def config_dir() -> Path:
    """Folder of the user's configuration (XDG), or $RIG_CAPTURE_CONFIG_DIR."""
    import platformdirs

    return Path(os.environ.get(PREFIX + "CONFIG_DIR") or platformdirs.user_config_dir("rig_capture"))


def data_dir() -> Path:
    """Folder of the user's data (XDG): sessions, store, catalog by default; or $RIG_CAPTURE_DATA_DIR."""
    import platformdirs

    return Path(os.environ.get(PREFIX + "DATA_DIR") or platformdirs.user_data_dir("rig_capture"))


def user_profiles_dir() -> Path:
    """Folder of the user's own profiles."""
    return config_dir() / "profiles"


def find_profile(name: str) -> Path:
    """The file of a profile, given its name or a path; the user's own come before packaged ones.

    Raises:
        ProfileNotFound: neither is there.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
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
        overrides: values from flags or launch arguments, with dotted keys, such as ``{"cameras.camera_front.fps": 15}``.
        environment: variables; None: those of the process.

    Raises:
        ProfileError: with file, line, key and what is allowed.
    """
    variables = os.environ if environment is None else environment
    name = name or variables.get(PREFIX + "PROFILE") or DEFAULT
    path = find_profile(name)
    values: dict[str, Any] = {}
    origins: Origin = {}
    for layer, sources in _file_layers(path, ()):
        _lay_over(values, layer, origins, sources)
    for key_path, text, source in _environment_values(variables):
        _lay_over(values, _nest(key_path, text), origins, {key_path: source})
    for dotted, value in (overrides or {}).items():
        key_path = tuple(dotted.split("."))
        _lay_over(values, _nest(key_path, value), origins, {key_path: "flag"})
    try:
        return LoadedProfile(path.stem, Profile.model_validate(values), origins)
    except ValidationError as error:
        raise ProfileError("\n".join(_explain(error, path, origins))) from error


def read_layer(path: Path) -> tuple[dict[str, Any], Origin]:
    """One YAML file as a layer, with ``FILE:LINE`` of each of its values.

    Raises:
        ProfileError: not readable, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise ProfileError(f"{path}: not YAML: {error}") from error
    if root is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ProfileError(f"{path}: a profile is a mapping of keys to values, such as `rig: lab`")
    return values, {key: f"{path}:{line}" for key, line in _lines(root, ())}


def _lines(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if path:
        yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            # The key's own line, since a value may begin on the next one.
            own = (*path, str(key.value))
            yield own, key.start_mark.line + 1
            for deeper, line in _lines(value, own):
                if deeper != own:
                    yield deeper, line


def _file_layers(path: Path, seen: tuple[Path, ...]) -> Iterator[tuple[dict[str, Any], Origin]]:
    """A file and the profiles it extends, the deepest first."""
    if path in seen:
        raise ProfileError(f"{path}: extends itself, by way of {', '.join(str(p) for p in seen)}")
    values, origins = read_layer(path)
    base = values.pop("extends", None)
    if base is not None:
        # A user's `lab` that extends `lab` means the packaged one.
        packaged = PACKAGED / f"{base}.yaml"
        target = packaged if base == path.stem and packaged != path and packaged.is_file() else find_profile(str(base))
        yield from _file_layers(target, (*seen, path))
    yield values, origins


def _environment_values(variables: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """RIG_CAPTURE_STORAGE_LIMIT=2gb, RIG_CAPTURE_CAMERAS__CAMERA_FRONT__FPS=15 (two underscores go one level down)."""
    for variable in sorted(variables):
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        path = tuple(part.lower() for part in variable.removeprefix(PREFIX).split("__"))
        if path[0] not in Profile.model_fields:
            allowed = ", ".join(sorted(PREFIX + field.upper() for field in Profile.model_fields))
            raise ProfileError(f"${variable}: no such setting; allowed are {allowed}, and {', '.join(sorted(OTHER_VARIABLES))}")
        try:
            value = yaml.safe_load(variables[variable])
        except yaml.YAMLError:
            value = variables[variable]
        yield path, value, f"${variable}"


def _nest(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _lay_over(below: dict[str, Any], layer: Mapping[str, Any], origins: Origin, sources: Origin, path: tuple[str, ...] = ()) -> None:
    for key, value in layer.items():
        own = (*path, str(key))
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _lay_over(below[key], value, origins, sources, own)
            continue
        below[key] = value
        for known in [known for known in origins if known[: len(own)] == own]:
            del origins[known]
        origins.update({known: source for known, source in sources.items() if known[: len(own)] == own})


def _explain(error: ValidationError, path: Path, origins: Origin) -> Iterator[str]:
    for problem in error.errors():
        location = tuple(str(part) for part in problem["loc"])
        where = str(path)
        for depth in range(len(location), 0, -1):
            if location[:depth] in origins:
                where = origins[location[:depth]]
                break
        yield f"{where}: {'.'.join(location) or 'profile'}: {_reason(location, dict(problem))}"


def _reason(location: tuple[str, ...], problem: dict[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        return f"unknown key; allowed here: {', '.join(_allowed_keys(location[:-1]))}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    given = problem["input"]
    return message if isinstance(given, dict | Profile) else f"{message} (it is {given!r})"


def _allowed_keys(location: tuple[str, ...]) -> list[str]:
    """Keys of the model that a location such as ``("cameras", "front")`` leads to."""
    schema = Profile.model_json_schema()
    node = schema
    for part in location:
        node = _resolve(node.get("properties", {}).get(part) or node.get("additionalProperties", {}), schema)
    return sorted(node.get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for option in [node, *node.get("anyOf", [])]:
        if "$ref" in option:
            return dict(schema["$defs"][option["$ref"].rsplit("/", 1)[1]])
    return node
