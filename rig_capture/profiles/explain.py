"""What is wrong with a profile, in words: where it stands, which key, and what is allowed."""

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from rig_capture.profiles.profile import Profile
from rig_capture.profiles.text import KeyPath, Origins

_SECRET = re.compile(r"(?i)password|passwd|secret|token|api_?key|access_?key|private_?key|credential(?!s_file$)")
SECRETS_BELONG = (
    "profiles hold no secrets; put it into the environment (RIG_CAPTURE_ACCESS_KEY_ID, RIG_CAPTURE_SECRET_ACCESS_KEY, "
    "RIG_CAPTURE_SESSION_TOKEN, RIG_CAPTURE_CATALOG_PASSWORD, RIG_CAPTURE_CONSOLE_TOKEN) or into a file with mode 600, and name "
    "that file with credentials_file"
)


def explain(error: ValidationError, file: object, origins: Origins) -> Iterator[str]:
    """One line per problem; values of secrets are left out.

    Args:
        error: what pydantic found.
        file: named where no line is known.
        origins: where each value came from.
    """
    for problem in error.errors():
        location = tuple(str(part) for part in problem["loc"] if part != "[key]")
        yield f"{_where(location, file, origins)}: {'.'.join(location) or 'profile'}: {_reason(location, dict(problem))}"


def is_secret(key: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return _SECRET.search(key) is not None


def redacted(text: str) -> str:
    """A text without the password of an address in it."""
    return re.sub(r"(://[^:/@\s]*):[^/\s]*@", r"\1:***@", text)


def field_at(path: KeyPath) -> dict[str, Any]:
    """The JSON schema of a profile's setting, such as ``("cameras", "front", "fps")``; empty where there is none."""
    node: dict[str, Any] = _schema()
    for part in path:
        children = _resolved(node)
        node = children.get("properties", {}).get(part) or children.get("additionalProperties") or {}
        if not isinstance(node, dict):
            return {}
    return node


def allowed_keys(path: KeyPath) -> list[str]:
    """Keys of the model that a path such as ``("cameras", "front")`` leads to."""
    return sorted(_resolved(field_at(path)).get("properties", {}))


def unknown_key(path: KeyPath) -> str:
    """What to say of a key that there isn't."""
    allowed = allowed_keys(path[:-1])
    if is_secret(path[-1]):
        return SECRETS_BELONG
    close = difflib.get_close_matches(path[-1], allowed, n=1)
    return f"unknown key{f'; did you mean {close[0]}?' if close else ''}; allowed here: {', '.join(allowed)}"


@cache
def _schema() -> dict[str, Any]:
    return Profile.model_json_schema()


def _resolved(node: Mapping[str, Any]) -> dict[str, Any]:
    for option in [node, *node.get("anyOf", [])]:
        if "$ref" in option:
            return dict(_schema()["$defs"][option["$ref"].rsplit("/", 1)[1]])
    return dict(node)


def _where(location: KeyPath, file: object, origins: Origins) -> str:
    for depth in range(len(location), 0, -1):
        if location[:depth] in origins:
            return origins[location[:depth]]
    return str(file)


def _reason(location: KeyPath, problem: dict[str, Any]) -> str:
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return unknown_key(location)
    if kind == "value_error":
        return redacted(str(problem["msg"]).removeprefix("Value error, "))
    message = "a mapping of settings belongs here" if kind in ("model_type", "dict_type") else str(problem["msg"])
    if not isinstance(given, dict | BaseModel):
        message += f" (it is {redacted(repr(given))})"
    meaning = field_at(location).get("description")
    return f"{message} - {meaning}" if meaning else message
