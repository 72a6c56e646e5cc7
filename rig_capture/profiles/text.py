"""Profiles as text: YAML as people mean it, with the line of each value.

The rules are those of YAML 1.2: only `true` and `false` are booleans (`discovery: OFF` is a word, and settings that are
switches also take 1, yes, y and their opposites), numbers are decimal or hexadecimal, dates are words, and a key given
twice is an error instead of a surprise.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rig_capture.profiles.errors import ProfileError

KeyPath = tuple[str, ...]
Origins = dict[KeyPath, str]
"""From a value's path, such as ``("cameras", "camera_front", "fps")``, to ``FILE:LINE``, ``$VARIABLE`` or ``flag``."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core rules, keys as text, and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own form
    yaml_constructors = dict(yaml.SafeLoader.yaml_constructors)  # noqa: RUF012

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[str, Any]:  # type: ignore[override]
        assert isinstance(node, yaml.MappingNode)
        _refuse_twice(node)
        self.flatten_mapping(node)
        return {str(key.value): self.construct_object(value, deep=True) for key, value in node.value}


_NUMBERS = list("-+0123456789.")
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", _NUMBERS),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", _NUMBERS),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_mapping)


def parse(text: str) -> object:
    """A value from YAML text, by the rules of profiles.

    Raises:
        yaml.YAMLError: not YAML.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader


def parse_layer(path: Path, text: str) -> tuple[dict[str, Any], Origins]:
    """A profile's text as a nested dict, with ``FILE:LINE`` of each of its values.

    Raises:
        ProfileError: not YAML, a key given twice, or not a mapping.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
        lines = dict(_lines(root, (), ())) if root is not None else {}
        values = parse(text)
    except yaml.YAMLError as error:
        raise ProfileError(_what(path, error)) from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ProfileError(f"{path}: a profile is a mapping of keys to values, such as `rig: lab`")
    return values, {key: f"{path}:{line}" for key, line in lines.items()}


def read_layer(path: Path) -> tuple[dict[str, Any], Origins]:
    """One YAML file as a nested dict, with ``FILE:LINE`` of each of its values.

    Raises:
        ProfileError: not readable, not YAML, a key given twice, or not a mapping.
    """
    try:
        return parse_layer(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: can't be read: {error}") from error


def _what(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
    return f"{where}: not a profile's YAML: {getattr(error, 'problem', None) or error}"


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key is a word, not a list or a mapping", key.start_mark)
        line = key.start_mark.line + 1
        if key.value in seen and key.value != "<<":
            problem = f"the key {key.value!r} is given twice, first in line {seen[key.value]}; leave one of them out"
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        seen[key.value] = line


def _lines(node: yaml.Node, path: KeyPath, above: tuple[int, ...]) -> Iterator[tuple[KeyPath, int]]:
    """Path and line of every key below a node; of merged keys (`<<`), the line where they are written."""
    if id(node) in above:
        raise yaml.constructor.ConstructorError(None, None, "an alias (*) inside what it stands for never ends", node.start_mark)
    if not isinstance(node, yaml.MappingNode):
        return
    _refuse_twice(node)
    above = (*above, id(node))
    for key, value in sorted(node.value, key=lambda pair: pair[0].value != "<<"):
        if key.value == "<<":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _lines(merged, path, above)
            continue
        own = (*path, str(key.value))
        yield own, key.start_mark.line + 1
        yield from _lines(value, own, above)
