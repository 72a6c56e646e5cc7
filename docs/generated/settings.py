"""The reference of settings, out of the models they are validated with."""

import types
import typing
from collections.abc import Iterator
from typing import Any

import annotated_types
from pydantic.fields import FieldInfo

from rig_capture.profiles.places import PREFIX
from rig_capture.profiles.profile import Profile
from rig_capture.profiles.settings.base import Settings, meaning
from rig_capture.profiles.settings.estimation import EstimateJobSettings
from rig_capture.profiles.settings.player import PlayerSettings
from rig_capture.profiles.units import Bytes

_UNITS = {
    "_s": "s",
    "_ms": "ms",
    "_us": "µs",
    "_ns": "ns",
    "_hz": "Hz",
    "fps": "frames/s",
    "_dbfs": "dBFS",
    "_mb": "MB",
    "_percent": "%",
    "_v": "V",
    "_a": "A",
    "_ohm": "ohm",
    "_g": "g",
    "_dps": "°/s",
    "_days": "days",
    "_bytes": "bytes",
}
"""By the end of a setting's name."""

_KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}
_BYTES = typing.get_args(Bytes)[1]


def settings() -> str:
    """All settings of a profile, then those of what has none in it."""
    lines = ["## The whole rig", "", Profile.__doc__ or ""]
    sections = {name: field for name, field in Profile.model_fields.items() if _model(field) is not None}
    for name, field in Profile.model_fields.items():
        if name not in sections:
            lines += _setting(Profile, name, field, name)
    for name, field in sections.items():
        lines += _section(name, field)
    lines += _apart("player", PlayerSettings, "Parameters of the node `player` and options of `rig play`; no part of a profile.")
    lines += _apart("estimate_job", EstimateJobSettings, "Taken by `rig estimate watch --set KEY=VALUE`; no part of a profile.")
    return "\n".join(lines)


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    model = _model(field)
    assert model is not None
    yield from (f"## {name}", "", meaning(Profile, name), "")
    path = name
    if _is_mapping(field):
        path = f"{name}.NAME"
        yield from (f"{_text(model)} `NAME` is the node's name, which is also the beginning of its topics' names.", "")
    elif field.default is None:
        yield from ("Left out unless a profile has this section.", "")
    for key, each in model.model_fields.items():
        yield from _setting(model, key, each, f"{path}.{key}")


def _apart(name: str, model: type[Settings], words: str) -> Iterator[str]:
    yield from (f"## {name}", "", words, "")
    for key, field in model.model_fields.items():
        yield from _setting(model, key, field, f"{name}.{key}", variable=False)


def _setting(model: type[Settings], key: str, field: FieldInfo, path: str, *, variable: bool = True) -> Iterator[str]:
    facts = [_kind(field), f"default {_default(field)}", _range(key, field)]
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("live"):
        facts.append("**live**")
    if variable:
        facts.append(f"`{PREFIX}{path.upper().replace('.', '__')}`")
    yield from (f"```{{confval}} {path}", ":no-contents-entry:", "")
    yield from (_description(model, key), "", " · ".join(filter(None, facts)), "```", "")


def _description(model: type[Settings], key: str) -> str:
    if text := " ".join(meaning(model, key).split()):
        return text
    raise LookupError(f"{model.__name__}.{key} has no docstring")


def _kind(field: FieldInfo) -> str:
    kind = field.annotation
    if _BYTES in field.metadata:
        return "bytes, or text such as 500mb"
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return f"list of {_choices(item) if typing.get_origin(item) is typing.Literal else _KINDS[item] + 's'}"
    return _choices(kind) if typing.get_origin(kind) is typing.Literal else _KINDS[typing.cast("type", kind)]


def _choices(literal: Any) -> str:  # noqa: ANN401 - a form of typing
    return ", ".join(f"`{choice}`" if choice != "" else "empty" for choice in typing.get_args(literal))


def _default(field: FieldInfo) -> str:
    value = field.default
    if value == "":
        return "empty"
    if value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if _BYTES in field.metadata:
        return f"`{value}`" if value < 1000 else f"`{value:_}`".replace("_", " ")
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _range(key: str, field: FieldInfo) -> str:
    low = high = word = None
    for item in field.metadata:
        if isinstance(item, annotated_types.Ge):
            low = f"{item.ge:,}".replace(",", " ")
        elif isinstance(item, annotated_types.Gt):
            low = f"more than {item.gt}"
        elif isinstance(item, annotated_types.Le):
            high = f"{item.le:,}".replace(",", " ")
        elif isinstance(item, annotated_types.MaxLen):
            word = f"at most {item.max_length} {'characters' if field.annotation is str else 'items'}"
    unit = next((unit for end, unit in _UNITS.items() if key.endswith(end)), "") if field.annotation in (int, float) else ""
    if low is not None and high is not None:
        return f"{low} to {high} {unit}".strip()
    if low is not None:
        return f"{low} {unit}{'' if low.startswith('more') else ' or more'}".replace("  ", " ").strip()
    return word or unit


def _model(field: FieldInfo) -> type[Settings] | None:
    """The settings behind a section, alone, optional, or by name; None of a plain value."""
    kind: Any = field.annotation
    candidates = typing.get_args(kind) if typing.get_origin(kind) in (dict, typing.Union, types.UnionType) else (kind,)
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, Settings)), None)


def _is_mapping(field: FieldInfo) -> bool:
    return typing.get_origin(field.annotation) is dict


def _text(model: type[Settings]) -> str:
    return " ".join((model.__doc__ or "").split())
